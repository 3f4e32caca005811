"""The peers of the demo: real processes with real engines, real TLS and real discovery, a network of their own."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.cli import options

NAMES = ("ada", "ben", "cleo")
START_TIMEOUT_S = 90.0


class DemoFailed(Exception):
    """The demo did not go as it should; the message says where to look."""


@dataclass
class DemoPeer:
    """One peer process of the demo."""

    name: str
    home: Path
    process: subprocess.Popen[bytes]
    url: str = ""

    @property
    def bare_model(self) -> str:
        """The model of its engine, as clients call it. Raises DemoFailed."""
        models = (self.get("/ppai/v1/status") or {}).get("engine", {}).get("models")
        if not models:
            raise DemoFailed(f"{self.name} does not say which model it serves")
        return str(models[0]["id"])

    def get(self, path: str) -> Any:
        """The JSON at `path`; None while the peer does not answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as response:
                return json.load(response)
        except (OSError, ValueError):
            return None


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
        options.show(f"starting peer {name} (engine: llama.cpp with SmolLM2-135M-Instruct)")
        seeds = peers[0].get("/ppai/v1/status")["network"]["addresses"] if peers else []
        peers.append(stack.enter_context(launch(folder, name, network, secret, weights, seeds)))
        wait(find_url, peers[0], "to listen")  # its address is the others' seed
    for peer in peers:
        wait(find_url, peer, "to listen")
        wait(_is_ready, peer, "to load its model")
        options.show(f"  {peer.name} serves {peer.url}/v1")
    for peer in peers:
        wait(lambda waiting: _known(waiting) == len(peers) - 1, peer, "to find the others")
    return peers


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


def wait(condition: Callable[[DemoPeer], Any], peer: DemoPeer, what: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not condition(peer):
        if peer.process.poll() is not None or time.monotonic() > deadline:
            log = peer.home.with_suffix(".log").read_text()[-2000:]
            raise DemoFailed(f"waited in vain for {peer.name} {what}; its log ends:\n{log}")
        time.sleep(0.05)


def find_url(peer: DemoPeer) -> bool:
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
