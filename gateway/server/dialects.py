"""HTTP as some clients speak it: with an offer of another protocol (P)."""

from collections.abc import Iterable


def without_offer(method: bytes, url: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A request's head as it was, except that `connection` no longer offers to speak another protocol.

    Java's HttpClient offers `h2c` with every request, proxies offer `websocket`. Who speaks neither answers as if
    nothing was offered (RFC 9110, section 7.8). httptools cannot be told so: after an offer it reads no body.
    """
    lines = [b"%s %s HTTP/%s" % (method, url, version.encode())]
    for name, value in headers:
        if name in (b"connection", b"proxy-connection"):  # httptools takes both for the same
            value = b",".join(option for option in value.split(b",") if b"upgrade" not in option.lower())
        lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"
