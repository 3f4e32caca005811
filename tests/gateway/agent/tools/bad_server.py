"""A server of tools by hand that misbehaves: bad_server.py MODE [FILE]. FILE gets the ids of its processes."""

import json
import os
import signal
import subprocess
import sys
import time

MODE = sys.argv[1]
READS = {"annotations": {"readOnlyHint": True}}
TOOLS = [
    {"name": "echo", "description": "says it again", "inputSchema": {"type": "object"}, **READS},
    {"name": "write", "description": "changes things", "inputSchema": {"type": "object"}},
]
HELPER = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"


def send(message: dict) -> None:
    print(json.dumps(message), flush=True)


def answer(request: dict, result: dict) -> None:
    send({"result": result, "jsonrpc": "2.0", "id": request["id"]})


def text(words: str) -> dict:
    return {"content": [{"type": "text", "text": words}]}


def call(request: dict) -> None:
    params = request["params"]
    if MODE == "hang":
        time.sleep(1000)
    if MODE == "crash":
        print("out of luck", file=sys.stderr)
        os._exit(3)
    if MODE == "endless":
        while True:
            os.write(1, b"x" * 65536)
    if MODE == "flood":
        while True:
            send({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x" * 999}})
    if MODE == "error":
        send({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32602, "message": "no such city"}})
        return
    words = f"{params['name']} {json.dumps(params.get('arguments'))} {os.environ.get('TOKEN', '')}"
    answer(request, text({"big": "x" * 10_000_000, "long": "x" * 500_000}.get(MODE, words)))


def main() -> None:
    if len(sys.argv) > 2:
        nothing = subprocess.DEVNULL
        helper = subprocess.Popen(
            [sys.executable, "-c", HELPER], stdin=nothing, stdout=nothing, start_new_session=MODE == "escape"
        )
        with open(sys.argv[2], "a") as file:  # noqa: PTH123
            file.write(f"{os.getpid()} {helper.pid}\n")
    if MODE == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if MODE == "mute":
        time.sleep(1000)
    if MODE == "dead":
        sys.exit("no configuration found")
    if MODE == "garbage":
        print("Welcome to the server!\n{oops\n[]\n\x1b[31m", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("method") == "initialize":
            version = request["params"]["protocolVersion"]
            info = {"name": "bad", "version": "1"}
            answer(request, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info})
        elif request.get("method") == "tools/list":
            if MODE == "hang-list":
                time.sleep(1000)
            answer(request, {"tools": TOOLS})
        elif request.get("method") == "tools/call":
            call(request)
            if MODE == "once":
                sys.exit(0)
        elif "id" in request:
            send({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "unknown"}})
    while MODE == "deaf":
        time.sleep(1000)


main()
