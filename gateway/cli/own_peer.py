"""A command's way to the peer that serves from its home: plain HTTP on loopback, with the owner's token."""

import json
import os
import shlex
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from gateway.home.folder import Home, HomeError, Running
from gateway.home.port_owner import name_of, owner_of
from gateway.wire.text import header_text

STARTS_S, LOOK_S = 10.0, 0.05  # s for a peer that holds the home to serve; between two looks whether it does
SILENT_S = 60.0  # s without an event, after which the peer counts as gone; it sends one every 15 s


class NotRunning(Exception):
    """No peer serves from this home; the message names the command that starts one."""


class PeerRefused(Exception):
    """The running peer answered with an error; the message is its own, `status` is HTTP's, 0 in a stream."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def serving(home: Home) -> str:
    """The command that serves from this home; of the usual one nothing needs to be said."""
    try:
        is_usual = home == Home.default()
    except HomeError:
        is_usual = False
    return "ppai serve" + ("" if is_usual else f" --home {shlex.quote(str(home.path))}")


def _awaited(home: Home) -> Running | None:
    """The peer that is about to serve from this home, once it does. Raises NotRunning where that takes long."""
    until = time.monotonic() + STARTS_S
    while home.is_taken():
        if running := home.running():
            return running
        if time.monotonic() > until:
            raise NotRunning(f"a peer is starting from {home.path}, or ending, and does not answer: see ppai logs")
        time.sleep(LOOK_S)
    return None


class OwnPeer:
    """The running peer of one home; one that is starting is waited for. Raises NotRunning where there is none."""

    def __init__(self, home: Home) -> None:
        running = home.running() or _awaited(home)
        if running is None:
            raise NotRunning(f"no peer is running from {home.path}; start one with: {serving(home)}")
        self._running: Running = running
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def url(self) -> str:
        return self._running.url

    def get(self, path: str) -> Any:
        """The JSON at `path`. Raises NotRunning, PeerRefused."""
        return self._ask(path, None, 10)

    def post(self, path: str, body: Mapping[str, object], headers: Mapping[str, str] = MappingProxyType({})) -> Any:
        """The JSON that `path` answers to `body`. Raises NotRunning, PeerRefused."""
        return self._ask(path, body, 60, headers)

    def stream(
        self, path: str, body: Mapping[str, object], headers: Mapping[str, str]
    ) -> tuple[Mapping[str, str], Iterator[dict[str, Any]]]:
        """(response headers, the data of each event). Raises NotRunning, PeerRefused."""
        response = self._open(path, body, headers, 600)
        return {name.lower(): value for name, value in response.headers.items()}, self._events(response)

    def events(self, path: str) -> Iterator[tuple[str, Any]]:
        """(its name, its data) of each event at `path`, until the peer ends them. Raises NotRunning, PeerRefused."""
        name = ""
        with self._open(path, None, {}, SILENT_S) as response:
            try:
                for line in response:
                    field, _, value = line.decode().rstrip("\r\n").partition(": ")
                    if field == "event":
                        name = value
                    elif field == "data":
                        yield name, json.loads(value)
            except (OSError, HTTPException, ValueError) as error:
                raise self._gone(error) from error
        raise self._gone(EOFError("it ends"))

    def _events(self, response: HTTPResponse) -> Iterator[dict[str, Any]]:
        """The data of each event up to `[DONE]`. Raises PeerRefused for an error, NotRunning where they break off."""
        with response:
            try:
                for line in response:
                    if line.startswith(b"data: [DONE]"):
                        return
                    if not line.startswith(b"data: "):
                        continue
                    event = json.loads(line[6:])
                    if "error" in event:
                        raise PeerRefused(event["error"]["message"])
                    yield event
            except (OSError, HTTPException, ValueError) as error:
                raise self._gone(error) from error
        raise self._gone(EOFError("the answer broke off"))

    def _ask(
        self,
        path: str,
        body: Mapping[str, object] | None,
        timeout_s: float,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Any:
        with self._open(path, body, headers, timeout_s) as response:
            try:
                return json.load(response)
            except (OSError, HTTPException, ValueError) as error:
                raise self._gone(error) from error

    def _open(
        self, path: str, body: Mapping[str, object] | None, headers: Mapping[str, str], timeout_s: float
    ) -> HTTPResponse:
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "content-type": "application/json",
                "authorization": f"Bearer {self._running.token}",
                **{name: header_text(value) for name, value in headers.items()},
            },
        )
        self._require_ours()
        try:
            response: HTTPResponse = self._opener.open(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            raise PeerRefused(_message_of(error.read()), error.code) from error
        except (OSError, HTTPException) as error:
            raise self._gone(error) from error
        return response

    def _require_ours(self) -> None:
        """A home that other machines or containers share names a port there, which is somebody else's here."""
        address = urlsplit(self.url)
        owner = owner_of(address.hostname or "", address.port or 0)
        if owner not in (None, 0, os.geteuid()):
            raise NotRunning(
                f"a program of `{name_of(owner)}` listens at {self.url}, not our peer, and was told nothing;"
                " start one on this machine: ppai serve"
            )

    def _gone(self, error: Exception) -> NotRunning:
        reason = getattr(error, "reason", error)
        return NotRunning(f"the peer at {self.url} does not answer ({reason}); restart it: ppai serve")


def _message_of(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")[:300]
