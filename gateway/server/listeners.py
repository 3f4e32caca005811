"""Listening sockets and the uvicorn servers behind them, run inside our own event loop and stopped by us."""

import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

KEEPALIVE_S = 75  # longer than what pooled clients keep, so that they close first and never meet a closed connection
GRACE_S = 5  # answers in progress may end when the peer is stopped


class PortTaken(Exception):
    """Another program listens there; the message names the remedy."""


def bind(host: str, port: int, flag: str) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises PortTaken naming `flag`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"port {port} on {host} is taken; stop the program there or choose another: {flag} N"
            ) from error
        raise PortTaken(f"cannot listen on {host} port {port}: {error.strerror}; choose another: {flag} N") from error
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """Where this machine reaches the listener."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{host}:{port}"


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the runtime."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server(app: Any, **tls: Any) -> Server:
    """A server for `app`, without what costs time on every request (access log, lifespan, websockets)."""
    return Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEPALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            **tls,
        )
    )
