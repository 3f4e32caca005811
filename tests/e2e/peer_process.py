"""A peer as a user starts it: `ppai serve` in a process of its own, with a home of its own."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

READY_WITHIN_S = 30.0
STOP_WITHIN_S = 15.0


class PeerProcess:
    """`with PeerProcess(home, "--engine", URL) as peer:` serves at `peer.url` and is ready."""

    def __init__(self, home: Path, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.log = home / "serve.log"
        self.url = ""
        self._command = [sys.executable, "-m", "gateway.cli", "serve", "--home", str(home), "--port", "0", *options]
        self._environment = {**os.environ, **(environment or {})}

    def __enter__(self) -> "PeerProcess":
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        try:
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                self.url = json.loads((self.home / "running.json").read_bytes())["url"]
                with urllib.request.urlopen(f"{self.url}/ready", timeout=5):
                    return
            except (OSError, ValueError):  # not there yet, or not ready: urllib raises on 503
                time.sleep(0.05)
        raise RuntimeError(f"the peer did not become ready:\n{self.log.read_text(errors='replace')[-3000:]}")

    def _end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
