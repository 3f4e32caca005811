"""`ppai demo`: three peers on this machine, each with a real model, answering as one; then one of them is killed.

Everything it starts ends with it. Nothing here is simulated: real processes, real engines, real TLS, real discovery.
"""

import asyncio
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.cli import options
from gateway.cli.own_peer import OwnPeer
from gateway.home.folder import Home
from gateway.home.weights import locate

NAMES = ("ada", "ben", "cleo")
START_TIMEOUT_S = 90.0
QUESTIONS = (
    "What is the capital of France?",
    "Name three fruits.",
    "Why is the sky blue?",
    "What does a compiler do?",
    "Write one sentence about the sea.",
    "How many legs has a spider?",
    "What is bread made of?",
    "Who wrote Hamlet?",
)
ANSWER_TOKENS = 24


class DemoFailed(Exception):
    """The demo did not go as it should; the message says where to look."""


@dataclass
class DemoPeer:
    """One peer process of the demo."""

    name: str
    home: Path
    process: subprocess.Popen[bytes]
    url: str = ""

    def get(self, path: str) -> Any:
        """The JSON at `path`; None while the peer does not answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as response:
                return json.load(response)
        except (OSError, ValueError):
            return None


def run_demo(weights: Path) -> None:
    """The whole show. Raises DemoFailed, WeightsMissing."""
    try:
        import openai  # the demo asks through the real SDK
    except ImportError as error:
        raise DemoFailed("the demo asks through the OpenAI SDK: run pip install openai, or make demo") from error
    locate("smollm2", weights)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ppai-demo-") as folder, ExitStack() as stack:
        peers = start_peers(Path(folder), weights, stack)
        _say(f"\n{len(peers)} peers found each other and are ready after {time.monotonic() - began:.1f} s.")
        _say("All three run the same model (SmolLM2-135M) on one CPU thread, so load alone decides who answers.")
        try:
            asyncio.run(show(peers))
        except openai.OpenAIError as error:
            raise DemoFailed(f"a question was not answered: {error}") from error
    _say(f"\nDone in {time.monotonic() - began:.0f} s; every process that the demo started has ended.")
    for line in next_steps():
        _say(line)


def next_steps() -> list[str]:
    """What to type for a peer of one's own, first what puts `ppai` on the path where it is not."""
    program, found = Path(sys.executable).with_name("ppai"), shutil.which("ppai")
    activate = f". {shlex.quote(str(program.with_name('activate')))}"
    first = [] if found and Path(found).samefile(program) else [activate]
    return [
        "Your own peer, with the engine that runs on this machine, or the small model of this demo:",
        *(f"  {line}" for line in (*first, "ppai init", "ppai serve", "ppai ask 'Why is the sky blue?'")),
        "The last line in another terminal. The README goes on from there: a second machine, your own programs.",
    ]


def start_peers(folder: Path, weights: Path, stack: ExitStack) -> list[DemoPeer]:
    """Three peers that share a secret and are each other's seeds; returns when all know all.

    They form a network of their own on loopback, without mDNS: the peers of whoever runs this neither hear of them nor
    are asked anything.
    """
    secret = folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_hex(16))
    network = f"demo-{secrets.token_hex(4)}"
    peers: list[DemoPeer] = []
    for name in NAMES:
        _say(f"starting peer {name} (engine: llama.cpp with SmolLM2-135M-Instruct)")
        seeds = peers[0].get("/ppai/v1/status")["network"]["addresses"] if peers else []
        peers.append(stack.enter_context(launch(folder, name, network, secret, weights, seeds)))
        _wait(_find_url, peers[0], "to listen")  # its address is the others' seed
    for peer in peers:
        _wait(_find_url, peer, "to listen")
        _wait(_is_ready, peer, "to load its model")
        _say(f"  {peer.name} serves {peer.url}/v1")
    for peer in peers:
        _wait(lambda waiting: _known(waiting) == len(peers) - 1, peer, "to find the others")
    return peers


async def show(peers: list[DemoPeer]) -> None:
    """Ask through the first peer's endpoint, as any OpenAI client would."""
    import openai

    first, *_, last = peers
    async with openai.AsyncOpenAI(base_url=f"{first.url}/v1", api_key="not-needed", max_retries=0) as client:
        _head(f"One question through {first.name}'s endpoint, not streamed, then streamed")
        await ask(client, first, QUESTIONS[0])
        await ask(client, first, QUESTIONS[0], stream=True)

        _head("8 questions at once: one slot each, so waiting makes the others cheaper")
        answers = await asyncio.gather(*(ask(client, first, question) for question in QUESTIONS))
        names = sorted({peer for peer, _ in answers})
        _say(f"answered by {len(names)} different peers: {', '.join(names)}")

        _head(f"A question pinned to {last.name} (x-ppai-route: {last.name})")
        await ask(client, first, QUESTIONS[4], headers={"x-ppai-route": last.name})

        _head("A question that must stay on this machine (x-ppai-local-only: 1)")
        await ask(client, first, QUESTIONS[5], headers={"x-ppai-local-only": "1"})

        _head(f"{last.name} is killed (kill -9) in the middle of 6 questions; the others take over")
        asked = [asyncio.create_task(ask(client, first, question, stream=True)) for question in QUESTIONS[:6]]
        await asyncio.sleep(0.3)  # so that it is at work when it dies
        last.process.kill()
        results = await asyncio.gather(*asked, return_exceptions=True)
        broken = sum(isinstance(result, BaseException) for result in results)
        _say(f"killed; of 6 questions {6 - broken} were answered, {broken} ended in an error")

        _head(f"Two more questions, without {last.name}")
        for question in QUESTIONS[6:]:
            peer, _ = await ask(client, first, question)
            if peer == last.name:
                raise DemoFailed(f"{last.name} answered after its death")


async def ask(
    client: Any, peer: DemoPeer, question: str, *, stream: bool = False, headers: dict[str, str] | None = None
) -> tuple[str, str]:
    """Ask, and say who answered, why and how long it took; (peer's name, answer)."""
    began = time.monotonic()
    first_s, text = 0.0, ""
    create = client.chat.completions.with_streaming_response.create
    async with create(
        model="auto", messages=[{"role": "user", "content": question}], max_tokens=ANSWER_TOKENS, stream=stream,
        extra_headers=headers or {},
    ) as response:  # fmt: skip
        headers_back = response.headers
        if stream:
            async for chunk in await response.parse():
                first_s = first_s or time.monotonic() - began
                text += chunk.choices[0].delta.content or "" if chunk.choices else ""
        else:
            text = (await response.parse()).choices[0].message.content
    took_s = time.monotonic() - began
    name, reason = headers_back["x-ppai-peer"], headers_back["x-ppai-reason"]
    first = f", first word after {first_s:.2f} s" if stream else ""
    line = await _route_line(peer, headers_back["x-request-id"])
    others = [part["peer"] for part in line.get("parts", ())[1:]]
    went_on = f", which died; {' and then '.join(others)} went on," if others else ""
    _say(f"\n  {question}\n  > {' '.join(text.split())}")
    attempt = headers_back["x-ppai-attempts"]
    _say(f"  answered by {name}{went_on} in {took_s:.2f} s{first} ({reason}, attempt {attempt})")
    for row in line.get("considered", ()):
        _say(
            f"      {row['peer']:5} score {row['score']:.2f}  wait {row['wait_s']:5.2f} s  "
            f"service {row['service_s']:5.2f} s  cost {row['cost_s']:5.2f} s  utility {row['utility']:.4f}"
        )
    return name, text


async def _route_line(peer: DemoPeer, request_id: str) -> dict[str, Any]:
    """The route log's line of one request, which is written when the answer is complete; empty where none comes."""
    for _ in range(40):
        lines = await asyncio.to_thread(OwnPeer(Home(peer.home)).get, "/ppai/v1/events")
        if line := next((line for line in lines if line["request"] == request_id), None):
            return dict(line)
        await asyncio.sleep(0.05)
    return {}


@contextmanager
def launch(
    folder: Path, name: str, network: str, secret: Path, weights: Path, seeds: Sequence[str]
) -> Iterator[DemoPeer]:
    """A peer of this network alone, whatever the environment says; `seeds` are peers that it knows from the start."""
    home = folder / name
    command = [
        sys.executable,
        "-m",
        "gateway.cli",
        "serve",
        "--home",
        str(home),
        "--name",
        name,
        "--engine",
        "embedded",
    ]
    command += [
        "--port",
        "0",
        "--peer-port",
        "0",
        "--peer-host",
        "127.0.0.1",
        "--no-mdns",
        "--secret-file",
        str(secret),
    ]
    command += [word for seed in seeds for word in ("--seed", seed)]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PPAI_")}
    environ = {**clean, "PPAI_WEIGHTS": str(weights), "PPAI_EMBEDDED_SLOTS": "1", "PPAI_NETWORK_NAME": network}
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
    try:
        yield DemoPeer(name, home, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(condition: Callable[[DemoPeer], Any], peer: DemoPeer, what: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not condition(peer):
        if peer.process.poll() is not None or time.monotonic() > deadline:
            log = peer.home.with_suffix(".log").read_text()[-2000:]
            raise DemoFailed(f"waited in vain for {peer.name} {what}; its log ends:\n{log}")
        time.sleep(0.05)


def _find_url(peer: DemoPeer) -> bool:
    try:
        peer.url = json.loads((peer.home / "running.json").read_text())["url"]
    except (OSError, ValueError):
        return False
    return True


def _is_ready(peer: DemoPeer) -> bool:
    return bool((peer.get("/ready") or {}).get("ready"))


def _known(peer: DemoPeer) -> int:
    """How many others it knows as alive, with an agent that it may ask."""
    return sum(
        other["state"] == "alive" and "answer" in other["rights"] and other["admission"] == "open"
        for other in peer.get("/ppai/v1/peers") or ()
    )


def _head(text: str) -> None:
    _say(f"\n== {text}")


def _say(text: str) -> None:
    options.show(text)
