"""Heads: that of a request as it came, header fields, and the lines that they stand in (P)."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import methodcaller
from typing import Any
from urllib.parse import unquote

import httptools

from gateway.wire.text import header_text, one_line

Fields = list[tuple[bytes, bytes]]  # header lines, as they came
_PRINTABLE = bytes(range(0x20, 0x7F))
_TEXT = methodcaller("decode", "latin-1")


class Head:
    """What the head of a request says, read once. One that comes again is not read anew (discovery/heads.py).

    Requests share it whose heads are equal, so nobody changes what it holds, but `kept`.
    """

    __slots__ = ("awaits_word", "fields", "headers", "keeps_alive", "kept", "line", "method", "path", "url", "version")

    def __init__(self, method: str, line: bytes, version: str, fields: Fields, keeps_alive: bool) -> None:
        """`line`: the URL as it came. Raises HttpParserError and UnicodeError of one that is none."""
        self.method, self.line, self.version, self.fields = method, line, version, fields
        self.url = httptools.parse_url(line)
        path = self.url.path.decode("ascii")
        self.path = unquote(path) if "%" in path else path
        self.headers: Mapping[str, str] = read_fields(fields)
        self.keeps_alive = keeps_alive and version != "1.0"
        self.awaits_word = version != "1.0" and self.headers.get("expect", "").lower() == "100-continue"
        self.kept: Any = None  # what whoever answers such requests keeps for them

    def lines_with(self, anew: Mapping[str, str]) -> Fields:
        """The header lines, with other values of these headers."""
        names = [name.lower().decode("latin-1") for name, _ in self.fields]
        return [
            (field[0], anew[name].encode("latin-1")) if name in anew else field
            for name, field in zip(names, self.fields, strict=True)
        ]


def read_fields(fields: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header lines by name, in lower case; repeated ones are joined by commas (RFC 9110, section 5.3)."""
    names, values = zip(*fields, strict=True) if fields else ((), ())
    found = dict(zip(map(str.lower, map(_TEXT, names)), map(_TEXT, values), strict=True))
    if len(found) < len(fields):
        found.clear()
        for name, value in fields:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def size_of(fields: Sequence[tuple[bytes, bytes]]) -> int:
    """Bytes of these header lines, with what is between name and value, and their ends."""
    return sum(map(len, chain.from_iterable(fields))) + 4 * len(fields)


def without_offer(method: bytes, url: bytes, version: str, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A request's head as it was, except that `connection` no longer offers to speak another protocol.

    Java's HttpClient offers `h2c` with every request, proxies offer `websocket`. Who speaks neither answers as if
    nothing was offered (RFC 9110, section 7.8). httptools cannot be told so: after an offer it reads no body.
    """
    lines = [b"%s %s HTTP/%s" % (method, url, version.encode())]
    for name, value in fields:
        if name.lower() in (b"connection", b"proxy-connection"):  # httptools takes both for the same
            value = b",".join(option for option in value.split(b",") if b"upgrade" not in option.lower())
        lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def lines_of(fields: Mapping[str, str]) -> bytes:
    """The lines of a head with these fields, each with its end."""
    lines = _written(fields)
    if len(lines.translate(None, _PRINTABLE)) == 2 * len(fields):  # nothing but the two bytes that end each line
        return lines
    return _written(on_their_lines(fields))


def on_their_lines(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Header fields; a name that somebody else chose (a peer's, a model's) must not break out of its line."""
    return {name: header_text(one_line(value)) for name, value in fields.items()}


def _written(fields: Mapping[str, str]) -> bytes:
    return ("\r\n".join(map(": ".join, fields.items())) + "\r\n").encode(errors="surrogatepass")
