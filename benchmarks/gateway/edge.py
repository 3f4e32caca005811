"""A peer's edge with nothing behind it: `python edge.py PORT`, in the folder of a checkout of PPAI.

The listener and the app of the applications' side, before somebody who answers at once. What that costs is what a
request pays before it is read and after it is answered. Streams have 32 words.
"""

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WORDS = 32
WHOLE = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Good morning."}}],"model":"mock-model"}'
WORD = b'data: {"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}],"model":"mock-model"}\n\n'
HEADERS = {
    "server-timing": "route;dur=0.10", "x-ppai-peer": "edge", "x-ppai-model": "mock-model", "x-ppai-score": "0.5000",
    "x-ppai-cost-s": "0.1000", "x-ppai-reason": "best", "x-ppai-attempts": "1",
}  # fmt: skip


class Answering:
    """Stands where the Dispatcher does, in whichever checkout this is."""

    async def answer(
        self, endpoint: str, body: bytes, headers: Mapping[str, str], client: Any, request_id: str, *more: object
    ) -> None:
        if b'"stream":true' not in body:
            await client.answer(200, "application/json", WHOLE, HEADERS)
            return
        await client.start(200, "text/event-stream", HEADERS)
        for _ in range(WORDS):
            await client.send(WORD, more=True)
            await asyncio.sleep(0)
        await client.send(b"data: [DONE]\n\n", more=False)


async def a_page(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def main(port: int) -> None:
    sys.path.insert(0, str(Path.cwd()))
    from gateway.client.api_keys import ApiKeys
    from gateway.client.app import ClientApp, ClientConfig
    from gateway.server.bounds import Bounds
    from gateway.server.event_loop import new_event_loop
    from gateway.server.listeners import bind, places_for_programs, server

    dispatcher: Any = Answering()
    with (
        tempfile.TemporaryDirectory() as home,
        asyncio.Runner(loop_factory=new_event_loop) as runner,
        bind("127.0.0.1", port, "PORT") as listener,
    ):
        keys = ApiKeys(Path(home) / "keys")
        app = ClientApp(dispatcher, a_page, ClientConfig(), keys, "".__eq__)
        bounds = Bounds(head_bytes=64 << 10, first_head_s=75.0)  # a peer's own lie elsewhere in other checkouts
        runner.run(server(app, places_for_programs(4096), bounds).serve(sockets=[listener]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
