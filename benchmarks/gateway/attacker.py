"""One attacker of flood.py: `python -m benchmarks.gateway.attacker KIND PORT PER_S NAMES NICE`, on 127.0.0.1.

    delegations  NAMES peers with both rights ask PER_S times a second in all, from one address
    strangers    as fast as they are answered: hellos of made-up ids from 64 addresses, requests that nobody signed,
                 bytes that are no TLS, and heads that never end

It says `ready` when it is known, floods until its standard input ends, and prints, as JSON, how often it heard what.
"""

import asyncio
import itertools
import json
import os
import secrets
import ssl
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.gateway.engine import MODEL
from benchmarks.gateway.targets import PAIR_ENVIRONMENT
from discovery.admission import Admission
from discovery.endpoint import HELLO_PATH
from discovery.envelopes import open_envelope, seal
from discovery.identity import verify
from discovery.messages import Hello, decode, encode
from discovery.records import Card, PeerId, Pulse, peer_id
from discovery.request_auth import Audience, hashed, sign_request

NET = "flood"  # the network's name
DELEGATE = "/peer/1/delegate"
AT_ONCE = 64  # delegations under way: each refusal is a little late
SITES = 64
QUESTION = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
BODY = json.dumps({"endpoint": "chat/completions", "agent": MODEL, "body": QUESTION}).encode()


@dataclass(frozen=True, slots=True)
class Name:
    """An id with its key."""

    key: Ed25519PrivateKey
    id: PeerId

    def hello(self, admission: Admission | None) -> bytes:
        """How it introduces itself; with a proof of the secret, where there is one."""
        cert, now = bytes(32), int(time.time())
        proof = admission.proof(self.id, cert) if admission else b""
        card = Card(self.id, "flood", now, 1, "join", now, (), cert, 0, 86400, (), proof)
        pulse = Pulse(self.id, now, 1, 0, 0, 4, 0, 0, 0, 1000, 0, 0, "open")  # idle, four slots
        said, load = seal(card, NET, self.key.sign), seal(pulse, NET, self.key.sign)
        return encode(Hello(said, load, now * 1000), NET)


def new_name() -> Name:
    key = Ed25519PrivateKey.generate()
    return Name(key, peer_id(key.public_key().public_bytes_raw()))


@dataclass(slots=True)
class Line:
    """One connection to the peer port."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """(status, body). Raises OSError, ValueError, EOFError."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self.writer.write(
            f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{lines}\r\n".encode() + body
        )
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split()[1])
        if b"content-length:" in head:
            return status, await self.reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
        pieces = []
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            pieces.append(await self.reader.readexactly(size + 2))
        await self.reader.readuntil(b"\r\n")
        return status, b"".join(pieces)


@asynccontextmanager
async def line(port: int, site: str = "127.0.0.1") -> AsyncIterator[Line]:
    """A connection from this address. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, local_addr=(site, 0))
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


async def delegations(port: int, per_s: float, names: int, heard: Counter[str], ready: Callable[[], None]) -> None:
    """Ask as many different names, so often in all."""
    admission = Admission("secret", NET, PAIR_ENVIRONMENT["PPAI_SECRET"].encode())
    known = [new_name() for _ in range(names)]
    async with line(port) as first:
        for name in known:
            while (said := await first.post(HELLO_PATH, name.hello(admission)))[0] == 429:
                await asyncio.sleep(0.2)  # so many a second are taken from one address
            assert said[0] == 200, said
    greeting = decode(said[1], NET, lambda envelope: open_envelope(envelope, NET, verify))
    assert isinstance(greeting, Hello) and isinstance(greeting.card.record, Card)
    victim = greeting.card.record
    audience, sha256 = Audience(victim.id, victim.gen, victim.cert), hashed(BODY).sha256
    ready()
    due, begins = itertools.count(), time.monotonic()

    async def ask(name: Name) -> None:  # a connection is one peer's
        async with line(port) as mine:
            while True:
                await asyncio.sleep(begins + next(due) / per_s - time.monotonic())
                now_ms, nonce = int(time.time() * 1000), secrets.token_bytes(16)
                signed = sign_request(name.id, name.key.sign, audience, "POST", DELEGATE, sha256, now_ms, nonce)
                status, body = await mine.post(DELEGATE, BODY, signed)
                heard["let in" if b"event: receipt" in body else f"{status}"] += 1

    askers = itertools.islice(itertools.cycle(known), max(names, AT_ONCE))
    await asyncio.gather(*(again(partial(ask, name), heard) for name in askers))


async def strangers(port: int, per_s: float, names: int, heard: Counter[str], ready: Callable[[], None]) -> None:
    """Whatever nobody has to be let in for."""
    sites = [f"127.9.{number}.1" for number in range(SITES)]
    ready()

    async def greet(site: str) -> None:
        async with line(port, site) as mine:
            while True:
                heard[f"hello {(await mine.post(HELLO_PATH, new_name().hello(None)))[0]}"] += 1

    async def unsigned(site: str) -> None:
        async with line(port, site) as mine:
            while True:
                heard[f"unsigned {(await mine.post('/peer/1/sync', b''))[0]}"] += 1

    async def garbage(site: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(site, 0))
        writer.write(secrets.token_bytes(300))
        with suppress(OSError):
            await reader.read()
        writer.transport.abort()
        heard["garbage"] += 1

    async def unfinished(site: str) -> None:
        async with line(port, site) as mine:
            mine.writer.write(f"POST {HELLO_PATH} HTTP/1.1\r\nx: ".encode())
            await mine.reader.read()
        heard["unfinished head"] += 1

    kinds = (greet, unsigned, garbage, unfinished)
    await asyncio.gather(*(again(partial(kind, site), heard) for kind in kinds for site in sites))


async def again(attack: Callable[[], Awaitable[None]], heard: Counter[str]) -> None:
    """Anew whenever it is hung up on; a tenth of a second later, or it would only try to connect."""
    while True:
        with suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            await attack()
        heard["hung up"] += 1
        await asyncio.sleep(0.1)


async def main(kind: str, port: str, per_s: str, names: str, niceness: str) -> None:
    os.nice(int(niceness))
    heard, began = Counter[str](), time.monotonic()
    attack = {"delegations": delegations, "strangers": strangers}[kind]
    flood = asyncio.create_task(attack(int(port), float(per_s), int(names), heard, lambda: print("ready", flush=True)))
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait([flood, ended], return_when=asyncio.FIRST_COMPLETED)
    if flood.done():
        await flood
    flood.cancel()
    print(json.dumps({"seconds": time.monotonic() - began, **heard}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
