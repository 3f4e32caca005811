"""A peer's client side that answers as told, and notes what it was asked."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class Peer(HTTPServer):
    """A peer's client side that answers as told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body, self.length = 200, b"{}", None
        self.headers: dict[str, str] = {}  # besides who answers
        self.pages: dict[str, object] = {}  # by path, as JSON; all others get `body`
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Peer

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers, body))
        self.send_response(self.server.status)
        for name, value in {"x-ppai-peer": "ben", **self.server.headers}.items():
            self.send_header(name, value)
        page = self.server.pages.get(self.path)
        said = self.server.body if page is None else json.dumps(page).encode()
        self.send_header("content-length", str(self.server.length or len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = _answer

    def log_message(self, *args: Any) -> None:
        pass
