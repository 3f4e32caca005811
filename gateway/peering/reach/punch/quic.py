"""What punching needs of QUIC: an endpoint, links to others, streams in them. By iroh; nothing of its makers' is asked.

No relay, list of addresses or name service of theirs is used: an endpoint is dialled at the address that is given.
"""

import asyncio
import importlib
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any, Protocol

from discovery.records import Address
from gateway.peering.reach.both_ways import Stream

ALPN = b"ppai/punch/1"
ID_CHARS = 64  # hexadecimal, of an endpoint's public key
HANDSHAKES = 16  # that others begin with us at once
STREAMS = 128  # that the other end may have open in one link
MISSING = "gives direct ways through NATs: pip install 'ppai[punch]'"


class Link(Protocol):
    """A connection between two endpoints. Methods that wait raise OSError when it is gone."""

    endpoint: str  # of the other end, ID_CHARS hexadecimal digits: its public key, which the handshake has proved

    def at(self) -> Address | None:
        """Where packets of the other end come from now."""
        ...

    async def open(self) -> Stream: ...

    async def accept(self) -> Stream:
        """The next stream that the other end opened."""
        ...

    def say(self, words: bytes) -> None:
        """Send a datagram, which may be lost."""
        ...

    async def hear(self) -> bytes:
        """The next datagram."""
        ...

    def close(self) -> None: ...


Came = Callable[[Link], Coroutine[Any, Any, None]]


class Quic(Protocol):
    """An endpoint."""

    id: str

    async def connect(self, endpoint: str, at: Address) -> Link:
        """Raises OSError where it does not answer there, or somebody else does. Waits as long as the caller lets it."""
        ...

    async def run(self, came: Came) -> None:
        """Have `came` deal with each link that others open, until cancelled."""
        ...

    async def close(self) -> None: ...


Bind = Callable[[str], Coroutine[Any, Any, Quic]]  # by IP:PORT; raises OSError


def is_there() -> bool:
    """Whether iroh is installed."""
    return find_spec("iroh") is not None


async def bind(at: str) -> Quic:
    """An endpoint of iroh's, with a key of its own, at IP:PORT. Raises OSError."""
    ffi = _iroh()
    ffi.uniffi_set_event_loop(asyncio.get_running_loop())
    options = ffi.EndpointOptions(
        preset=ffi.preset_minimal(), bind_addr=at, alpns=[ALPN], relay_mode=ffi.RelayMode.disabled()
    )
    return _Endpoint(ffi, await _asked(ffi.Endpoint.bind(options)))


def _iroh() -> Any:
    """The bindings, which few installations have; they take .1 s to load."""
    return importlib.import_module("iroh.iroh_ffi")


@contextmanager
def _in_words() -> Iterator[None]:
    """Raise what iroh raises as OSError, in its words."""
    try:
        yield
    except _iroh().IrohError as error:
        raise OSError(error.message()) from error


async def _asked(what: Any) -> Any:
    """What iroh answers. Raises OSError."""
    with _in_words():
        return await what


class _Endpoint:
    def __init__(self, ffi: Any, endpoint: Any) -> None:
        self._ffi, self._endpoint = ffi, endpoint
        self.id = endpoint.id().to_bytes().hex()
        self._dealing = set[asyncio.Task[None]]()

    async def connect(self, endpoint: str, at: Address) -> Link:
        with _in_words():  # half of all numbers are no key
            key = self._ffi.EndpointId.from_bytes(bytes.fromhex(endpoint))
        where = self._ffi.EndpointAddr(key, None, [str(at)])
        return _Link(await _asked(self._endpoint.connect(where, ALPN)))

    async def run(self, came: Came) -> None:
        hands = 0

        async def shake(incoming: Any) -> None:
            nonlocal hands
            hands += 1
            try:
                link = _Link(await _asked((await _asked(incoming.accept())).connect()))
            except OSError:
                return
            finally:
                hands -= 1
            try:
                await came(link)
            except OSError:
                pass  # it is gone
            finally:
                link.close()

        try:
            while (incoming := await _asked(self._endpoint.accept_next())) is not None:
                if hands >= HANDSHAKES:
                    await _asked(incoming.refuse())
                    continue
                task = asyncio.create_task(shake(incoming))
                self._dealing.add(task)
                task.add_done_callback(self._dealing.discard)
        finally:
            for task in tuple(self._dealing):
                task.cancel()

    async def close(self) -> None:
        await _asked(self._endpoint.close())


class _Link:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.endpoint = connection.remote_id().to_bytes().hex()
        with _in_words():
            connection.set_max_concurrent_bi_streams(STREAMS)
            connection.set_max_concurrent_uni_streams(0)

    def at(self) -> Address | None:
        for path in self._connection.paths():
            if path.is_selected and path.is_ip:
                ip, _, port = path.remote_addr.rpartition(":")
                return Address(ip.strip("[]"), int(port))
        return None

    async def open(self) -> Stream:
        return _Stream(await _asked(self._connection.open_bi()))

    async def accept(self) -> Stream:
        return _Stream(await _asked(self._connection.accept_bi()))

    def say(self, words: bytes) -> None:
        with _in_words():
            self._connection.send_datagram(words)

    async def hear(self) -> bytes:
        return bytes(await _asked(self._connection.read_datagram()))

    def close(self) -> None:
        with suppress(OSError), _in_words():
            self._connection.close(0, b"")


class _Stream:
    def __init__(self, pair: Any) -> None:
        self._receive, self._send = pair.recv(), pair.send()

    async def read(self, limit: int) -> bytes:
        return bytes(await _asked(self._receive.read(limit)))

    async def write(self, piece: bytes) -> None:
        await _asked(self._send.write_all(piece))

    async def finish(self) -> None:
        await _asked(self._send.finish())

    async def abort(self) -> None:
        for half in (self._send.reset, self._receive.stop):
            with suppress(OSError):  # it has ended
                await _asked(half(0))
