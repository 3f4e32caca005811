"""A real `ppai serve` process on this machine, for tests from outside."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 30.0


class PeerProcess:
    """One peer. `with PeerProcess(home, "--engine", url) as peer:` starts it and waits until it listens."""

    def __init__(
        self, home: Path, *args: str, env: Mapping[str, str] | None = None, python: Path | str = sys.executable
    ) -> None:
        self.home, self.args, self.python = home, args, str(python)
        self.log = home.with_suffix(".log")
        self.url = ""
        self.prefix: tuple[str, ...] = ()  # e.g. what runs it in a network namespace
        self.code: Path | None = None  # a checkout to run instead of this one
        quiet = {"PPAI_NETWORK_MDNS": "false", "PPAI_PROFILE_AUTO": "off"}  # an engine hears nothing but the test
        self._env = {**os.environ, **quiet, "PPAI_ENGINE_SCRAPE_INTERVAL_S": "0.1", **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "PeerProcess":
        command = [
            *self.prefix,
            self.python,
            "-m",
            "gateway.cli",
            "serve",
            "--home",
            str(self.home),
            "--port",
            "0",
            "--peer-port",
            "0",
            "--peer-host",
            "127.0.0.1",
            *self.args,
        ]
        self.url = ""  # that of the process before, where it is started again
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._env, cwd=self.code)
        try:
            return self.wait(lambda: self._find_url() is not None, "to listen")
        except BaseException:
            self._process.kill()  # nobody will leave what was never entered
            self._process.wait()
            raise

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def output(self) -> str:
        return self.log.read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        assert self._process
        if self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise AssertionError(f"the peer did not stop on {number}:\n{self.output}") from None
        return self._process.returncode

    def get(self, path: str) -> tuple[int, Any]:
        """(status, JSON) at `path`."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def wait_ready(self) -> "PeerProcess":
        return self.wait(lambda: self.get("/ready")[0] == 200, "to be ready")

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float = START_TIMEOUT_S) -> "PeerProcess":
        """Poll until `condition` holds; fails with the peer's output when it exits or time is up."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self._process
            assert self._process.poll() is None, f"the peer exited {self._process.returncode}:\n{self.output}"
            assert time.monotonic() < deadline, f"waited {timeout_s} s for the peer {what}:\n{self.output}"
            time.sleep(0.02)
        return self

    def _find_url(self) -> str | None:
        try:
            running = json.loads((self.home / "running.json").read_text())
        except (OSError, ValueError):
            return None
        if running["pid"] == self.pid:
            self.url = running["url"]
        return self.url or None


def ppai(*args: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run one `ppai` command to its end."""
    command = [sys.executable, "-m", "gateway.cli", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})})
