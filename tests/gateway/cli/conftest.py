"""A home from which a peer serves, for the commands that ask it."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.home.folder import Home, Running
from tests.gateway.cli.answering import Peer


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server
        server.shutdown()
        serving.join()


@pytest.fixture
def home(tmp_path: Path, peer: Peer) -> Iterator[Home]:
    """A home whose peer is `peer`."""
    home = Home(tmp_path)
    with home.held():
        home.announce(Running(f"http://127.0.0.1:{peer.server_port}", os.getpid(), "tok"))
        yield home
