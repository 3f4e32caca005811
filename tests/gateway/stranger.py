"""An engine that another user of this machine runs. Only root can start one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

UID = 65534  # nobody: no account of the system's, and not ours

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may run a program as another user")

_ENGINE = """
import encodings.idna, encodings.iso8859_1, encodings.latin_1, http.server, json, os, sys

MODELS = json.dumps({"object": "list", "data": [{"id": "strange", "owned_by": "vllm"}]}).encode()

class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/v1/models" else 404)
        self.send_header("content-length", str(len(MODELS)))
        self.end_headers()
        self.wfile.write(MODELS)

    def do_POST(self):
        if self.path.startswith("/v1/"):  # /tokenize, with words of ours, is how a vLLM is known to go on with answers
            print("prompt", flush=True)

    def log_message(self, *args):
        pass

os.setuid(int(sys.argv[2]))  # from here on nothing can be imported
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Pages)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def strangers_engine(port: int = 0) -> Iterator[int]:
    """Its port."""
    command = [sys.executable, "-c", _ENGINE, str(port), str(UID)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()
        assert b"" == process.stdout.read(), "a prompt reached the stranger"
