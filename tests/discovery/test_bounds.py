"""Whatever ids, addresses, names and nonces strangers make up: no collection in discovery grows without end."""

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from discovery.admission import Admission, Mode
from discovery.client import PeerClient
from discovery.dialler import Dialler
from discovery.endpoint import Clocks, Endpoint, EndpointConfig
from discovery.exchanges import ClientConfig
from discovery.gossip import Gossip, Step
from discovery.messages import Delta, Digest, Hello, Probe, Versions, bucket_of, encode, short_id
from discovery.pinned import Pin
from discovery.records import Address, Card
from discovery.request_auth import Audience, AuthConfig, Refused, hashed, sign_request
from discovery.strangers import StrangersConfig
from tests.cluster import NET, card_of, fake_sign, fake_verify, id_of, pulse_of, signed

IDS, MOST = 5000, 4200
UNLIMITED = EndpointConfig(  # what is looked at is what is remembered, not how often it may be asked
    hellos_per_s=1e9, hellos_burst=1e9, syncs_per_s=1e9, syncs_burst=1e9, verify_s=1e9, strangers_verify_s=1e9,
    strangers=StrangersConfig(share=1e9, burst_s=1e9),
    auth=AuthConfig(trusted_nonces=1000, stranger_nonces=1000),
)  # fmt: skip


@pytest.mark.parametrize("mode", ["secret", pytest.param("tofu", marks=pytest.mark.slow)])
def test_no_collection_grows_with_what_strangers_make_up(mode: Mode) -> None:
    admission = Admission(mode, NET, b"s" * 32 if mode == "secret" else None)
    me = id_of(0)
    gossip = Gossip(me, 1, lambda record: signed(record), random.Random(1), vouched=admission.vouches)
    gossip.publish(card_of(me), 0.0)
    time = [0.0]
    clocks = Clocks(lambda: time[0], lambda: time[0], lambda: 0.0)
    carried: list[Step] = []
    endpoint = Endpoint(NET, gossip, admission, fake_verify, lambda _: pulse_of(me), carried.append, clocks, UNLIMITED)
    client = PeerClient(
        NET, gossip, lambda data: data[:64], clocks, lambda peer, why: None, on_loopback=False, config=ClientConfig()
    )  # fmt: skip
    dialler = Dialler(NET, gossip, endpoint, client, fake_verify, carried.append, clocks, on_loopback=False)

    for number in range(1, IDS):
        time[0] += 0.01
        ip, card = f"10.{number >> 8}.{number & 255}.1", made_up(number, admission)
        for step in (speak_to, told_by):
            with suppress(Refused):
                step(endpoint, card, ip)
        gossip.answered(card.id, time[0])
        gossip.suspect(id_of(number // 2), time[0])
        if number % 50 == 0:
            carried.clear()
            gossip.tick(time[0])
        client.trust(card.id, card.addr[0], Pin(bytes(32)), 0)
        client.may_dial(card.addr[0], card.id)
        dialler.hint(card.addr[0], card.id)
    carried.clear()

    too_long = {path: size for path, size in sizes((endpoint, client, dialler, admission)) if size > MOST}
    assert {} == too_long


def made_up(number: int, admission: Admission) -> Card:
    address = Address(f"11.{number >> 8}.{number & 255}.1", 8471)
    card = replace(card_of(id_of(number), name=f"peer {number}"), addr=(address,))
    return replace(card, proof=admission.proof(card.id, card.cert))


def speak_to(endpoint: Endpoint, card: Card, ip: str) -> None:
    """A hello, then a signed message of each kind."""
    endpoint.handle_hello(encode(Hello(signed(card), signed(pulse_of(card.id)), 0), NET), ip)
    audience, unix_ms = Audience(id_of(0), 1, bytes(32)), int(endpoint._clocks.unix() * 1000)
    nonce = int(card.name.split()[1]).to_bytes(16)
    what = (audience, "POST", "/peer/1/sync", hashed(b"").sha256, unix_ms, nonce)
    headers = sign_request(card.id, lambda data: fake_sign(card.id, data), *what)
    endpoint.authenticate("POST", "/peer/1/sync", headers, hashed(b"").sha256, ip)
    entries = {short_id(card.id): Versions(1, 1, 1)}
    for message in (
        Digest(entries, 1 << bucket_of(short_id(card.id)), bytes(256)),
        Delta((), tuple(entries), tuple(entries)),
        Probe(card.id),
    ):
        endpoint.handle_sync(card.id, encode(message, NET), ip)


def told_by(endpoint: Endpoint, card: Card, ip: str) -> None:
    endpoint.note_refusal(card.id, card.name, "no")
    endpoint.pause_s(ip)


def sizes(roots: tuple[object, ...]) -> Iterator[tuple[str, int]]:
    """(path, length) of every collection that is reached through the attributes of objects of discovery."""
    seen: set[int] = set()
    waiting: list[tuple[str, object]] = [(type(root).__name__, root) for root in roots]
    while waiting:
        path, one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, dict | list | set | frozenset | tuple):
            yield path, len(one)
            inner = list(one.values() if isinstance(one, dict) else one)[:8]
            waiting += [(f"{path}[]", value) for value in inner]
        elif type(one).__module__.startswith("discovery."):
            names = {*getattr(one, "__dict__", ()), *getattr(type(one), "__slots__", ())}
            waiting += [(f"{path}.{name}", getattr(one, name, None)) for name in sorted(names)]
