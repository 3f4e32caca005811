"""Which name a TLS ClientHello asks for (P): RFC 8446, 4.1.2; RFC 6066, 3. Nothing else of TLS is read by a relay."""

HELLO_LIMIT_BYTES = 16 << 10  # of one record, beyond which nobody reads on
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME = 22, 1, 0, 0


class Incomplete(Exception):
    """More bytes are needed to tell."""


class NoHello(ValueError):
    """This is no ClientHello in one record."""


def name_asked(received: bytes) -> str:
    """The name of the first record; empty where none is asked for. Raises Incomplete, NoHello."""
    if received[:1] not in (b"", bytes([_HANDSHAKE])):
        raise NoHello("no TLS handshake")
    if len(received) < 5:
        raise Incomplete
    size = int.from_bytes(received[3:5], "big")
    if not 0 < size <= HELLO_LIMIT_BYTES:
        raise NoHello("a record of a length that no hello has")
    if len(received) < 5 + size:
        raise Incomplete
    return _name_in(_Fields(received[5 : 5 + size]))


def _name_in(record: "_Fields") -> str:
    if record.number(1) != _CLIENT_HELLO:
        raise NoHello("no ClientHello")
    hello = _Fields(record.block(3))
    hello.take(2 + 32)  # version, random
    for width in (1, 2, 1):  # session id, cipher suites, compression
        hello.block(width)
    extensions = _Fields(hello.block(2) if hello.is_left else b"")
    while extensions.is_left:
        kind, content = extensions.number(2), extensions.block(2)
        if kind == _SERVER_NAME:
            names = _Fields(_Fields(content).block(2))
            while names.is_left:
                name_kind, name = names.number(1), names.block(2)
                if name_kind == _HOST_NAME:
                    return name.decode("ascii", "replace").lower()
    return ""


class _Fields:
    """Bytes, read from the front."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    @property
    def is_left(self) -> bool:
        return self._at < len(self._content)

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._content):
            raise NoHello("a field is longer than what holds it")
        self._at += size
        return self._content[self._at - size : self._at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def block(self, width: int) -> bytes:
        """A field behind its length."""
        return self.take(self.number(width))
