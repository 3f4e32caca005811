"""API keys of the client side: made, listed, withdrawn, checked. The file keeps their SHA-256 alone.

A key has 256 random bits, so a plain hash cannot be guessed back: no salt, no slow hash, nothing to pay a request.
"""

import hashlib
import hmac
import secrets
import shlex
import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from math import inf
from pathlib import Path

import msgspec

from discovery.private_files import OpenToOthers, read_unchanged, write_private
from gateway.wire.codec import UNREADABLE

PREFIX = "sk-ppai-"  # what scanners for leaked keys and people recognise
LOOK_S = 0.25  # s for which what the file held counts


class ApiKeyError(Exception):
    """A key cannot be made, withdrawn or read, or is missing where one is needed; the message names the remedy."""


class ApiKeys:
    """The keys in one file. It is read again when it has changed, so keys hold without a restart.

    Whether it has changed is looked at every LOOK_S, and at once where there are keys and another is shown. So a
    further key holds at once; the first one, and that one was withdrawn, after LOOK_S at the latest.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file, self._clock = file, clock
        self._looked_at = -inf
        self._seen: tuple[int, int, int] | None = None
        self._hashes: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """Whom keys were made for. Raises ApiKeyError where the file cannot be read."""
        self._refresh()
        return list(self._hashes)

    def add(self, name: str) -> str:
        """A new key. Only its hash is kept, so it can be shown this once. Raises ApiKeyError."""
        if name in self.names:
            raise ApiKeyError(f"`{name}` has a key already; withdraw it with: ppai key remove {shlex.quote(name)}")
        key = PREFIX + secrets.token_urlsafe(32)
        self._write({**self._hashes, name: _hash(key)})
        return key

    def remove(self, name: str) -> None:
        """The key stops counting at once. Raises ApiKeyError."""
        if name not in self.names:
            raise ApiKeyError(f"`{name}` has no key; there are: {', '.join(self._hashes) or 'none'}")
        self._write({known: digest for known, digest in self._hashes.items() if known != name})

    def name_of(self, key: str) -> str:
        """Whose key this is; empty where it is none. Takes as long for a wrong one as for a right one."""
        return self.look_up(key)[0]

    def look_up(self, key: str) -> tuple[str, bool]:
        """The same, and whether there are any keys. Raises ApiKeyError where the file cannot be read."""
        is_fresh = self._clock() - self._looked_at < LOOK_S
        if is_fresh and not self._hashes:
            return "", False
        found = self._known(key) if is_fresh else ""
        if not is_fresh or (key and not found):
            self._refresh()
            found = self._known(key)
        return found, bool(self._hashes)

    def _known(self, key: str) -> str:
        """Whose key this is, as the file was when it was looked at last."""
        if not self._hashes:
            return ""
        given, found = _hash(key), ""
        for name, digest in self._hashes.items():
            found = name if hmac.compare_digest(digest, given) else found
        return found

    def _refresh(self) -> None:
        self._looked_at = -inf  # where it cannot be read, the next request looks again
        try:
            now = self._file.stat()
            if (seen := (now.st_mtime_ns, now.st_ino, now.st_size)) != self._seen:
                self._hashes = msgspec.json.decode(read_unchanged(self._file), type=dict[str, str])
                self._seen = seen
        except (FileNotFoundError, NotADirectoryError):  # a home that cannot be made is told as that
            self._hashes, self._seen = {}, None
        except OpenToOthers as error:
            raise ApiKeyError(str(error)) from error
        except (OSError, *UNREADABLE) as error:
            raise ApiKeyError(
                f"{self._file} cannot be read ({error}); remove it and make new keys: ppai key add"
            ) from error
        self._looked_at = self._clock()

    def _write(self, hashes: dict[str, str]) -> None:
        try:
            write_private(self._file, msgspec.json.encode(hashes))
            self._looked_at = -inf
        except OSError as error:
            raise ApiKeyError(
                f"cannot write {self._file}: {error.strerror}. "
                "Choose another home with --home DIR or PPAI_HOME, or change its owner"
            ) from error


def asks_for_key(host: str, are_there_any: bool, is_open: bool) -> bool:
    """Whether a request needs a key: where there are keys, and off loopback also where there are none (any more)."""
    return not is_open and (are_there_any or not _is_loopback(host))


def check_reachable(host: str, keys: ApiKeys, is_open: bool) -> None:
    """Raises ApiKeyError where a key is asked for and nobody has one."""
    if is_open or keys.names or not asks_for_key(host, False, is_open):
        return
    raise ApiKeyError(
        f"client.host is {host}, which other machines reach, and there is no API key: make one: `ppai key add NAME`,"
        " or stay on 127.0.0.1; where something else keeps strangers out, set client.api_keys to open"
    )


def bearer_of(authorization: str, x_api_key: str) -> str:
    """The key in a request's headers: OpenAI's `authorization: Bearer`, or Anthropic's `x-api-key`."""
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" and key else x_api_key


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@lru_cache(maxsize=16)
def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`; not known of a name, so False."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
