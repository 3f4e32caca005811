"""HTTP as some clients speak it: with an offer of another protocol, or in version 1.0, which knows no chunks."""

from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.server.edge import AsgiApp, Receive, Scope, Send


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


def in_http_1_0(cycle: RequestResponseCycle, app: AsgiApp) -> AsgiApp:
    """`app`, answering a client of HTTP/1.0: an answer that does not say its length ends where the connection closes.

    uvicorn frames such answers in chunks for every version. An old client would take chunk sizes for words, and has
    no use for `100 Continue` (RFC 9110, section 10.1.1).
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        says_length = False

        async def send_unframed(message: dict[str, Any]) -> None:
            nonlocal says_length
            if message["type"] == "http.response.start":
                says_length = any(name.lower() == b"content-length" for name, _ in message["headers"])
                cycle.chunked_encoding = None if says_length else False
            elif not says_length:
                cycle.expected_content_length = len(message.get("body", b""))  # of this piece: uvicorn counts it down
            await send(message)

        await app(scope, receive, send_unframed)

    cycle.waiting_for_100_continue = False
    return answer
