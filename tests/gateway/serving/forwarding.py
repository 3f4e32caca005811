"""What a Forwarder is tested with: a client that records, targets in a fixed order, and pieces of streams."""

import json
from collections.abc import Mapping

import msgspec

from gateway.engines.openai_http import OpenAIEngine
from gateway.serving.continuing.said import Said
from gateway.serving.deciding.targets import Attempt, Target
from gateway.serving.forward import Forwarder
from gateway.upstream import Patience
from gateway.wire.request import encode_request, read_request
from gateway.wire.streams.pour import Pour, Put
from tests.fakes import ScriptedEngine

PATIENCE = Patience(first_event_s=2, idle_s=2, whole_s=2)


class Recorder:
    """The client's side, in memory."""

    def __init__(self) -> None:
        self.has_started, self.request_id, self.sent = False, "r1", 0
        self.status, self.content_type, self.headers, self.body, self.is_complete = 0, "", {}, b"", False
        self.poured = list[int]()  # how many events each time

    async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self._start(status, content_type, headers)

    def _start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        assert not self.has_started
        self.has_started, self.status, self.content_type, self.headers = True, status, content_type, dict(headers)

    async def answer(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> None:
        await self.start(status, content_type, headers)
        await self.send(body, more=False)

    async def send(self, body: bytes, *, more: bool, count: int = 1) -> None:
        assert self.has_started and not self.is_complete
        self.body, self.sent = self.body + body, self.sent + count
        self.is_complete = not more

    def outlet(self, pour: Pour, content_type: str, headers: Mapping[str, str]) -> Put | None:
        assert not self.is_complete
        if not self.has_started:
            self._start(200, content_type, headers)
        return self.put

    def put(self, events: bytes) -> bool:
        assert self.has_started and not self.is_complete
        count = events.count(b"\n\n")
        self.body, self.sent = self.body + events, self.sent + count
        self.poured.append(count)
        return True

    async def comment(self, said: bytes) -> None:
        assert self.has_started and not self.is_complete
        self.body += said

    @property
    def error(self) -> dict[str, object]:
        return json.loads(self.body)["error"]


class Waiting(Recorder):
    """One that never takes anything at once."""

    def outlet(self, pour: Pour, content_type: str, headers: Mapping[str, str]) -> None:
        return None


class Line:
    """Targets in a fixed order; every attempt is kept."""

    def __init__(self, targets: list[Target], attempts: list[Attempt]) -> None:
        self._targets, self._attempts, self.has_ended = iter(targets), attempts, False

    def at_once(self) -> Target | None:
        return None

    async def next(self) -> Target | None:
        return next(self._targets, None)

    def untold(self) -> frozenset[str]:
        return frozenset()

    async def go_on(self, said: Said) -> bool:
        return False

    def observe(self, attempt: Attempt) -> None:
        self._attempts.append(attempt)

    def ended(self, *, is_left: bool) -> None:
        assert not self.has_ended
        self.has_ended = True


class GoingOn(Line):
    """Those who go on with what the first of them began, asked for the rest."""

    def __init__(self, targets: list[Target], attempts: list[Attempt]) -> None:
        super().__init__(targets[:1], attempts)
        self._others, self.asked = targets[1:], list[str]()

    async def go_on(self, said: Said) -> bool:
        self.asked.append(said.text)
        body = encode_request(said.rest(), "scripted-1", {"continue_final_message": True})
        others, self._others = [msgspec.structs.replace(target, body=body) for target in self._others], self._others[1:]
        self._targets = iter(others)
        return bool(others)


async def forward(
    *engines: ScriptedEngine | str,
    stream: bool = True,
    shown: str = "scripted-1",
    endpoint: str = "chat/completions",
    kind: type[Line] = Line,
    client: Recorder | None = None,
    **fields: object,
) -> tuple[Recorder, list[Attempt]]:
    texts = {"completions": {"prompt": "hi"}, "responses": {"input": "hi"}}
    asked: dict[str, object] = {**texts.get(endpoint, {"messages": [{"role": "user", "content": "hi"}]})}
    body = json.dumps({**asked, "stream": stream, **fields}).encode()
    client, attempts = client or Recorder(), list[Attempt]()
    targets = [
        Target(
            OpenAIEngine(engine if isinstance(engine, str) else engine.url),
            (body,),
            "scripted-1",
            shown,
            {"x-ppai-peer": f"p{index}"},
            began=-1.0,
        )
        for index, engine in enumerate(engines)
    ]
    line, clock = kind(targets, attempts), iter(range(10_000)).__next__
    forwarder = Forwarder(read_request(endpoint, body), line, PATIENCE, clock, continues=kind is GoingOn)
    await forwarder.run(client, {})
    assert client.is_complete and line.has_ended
    return client, attempts


def chunk(**fields: object) -> bytes:
    return b"data: " + json.dumps({"object": "chat.completion.chunk", **fields}).encode() + b"\n\n"


SAID = chunk(choices=[{"index": 0, "delta": {"content": "hello"}, "finish_reason": None}])


ENDED = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])


USED = chunk(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4})


DONE = b"data: [DONE]\n\n"


TEXT = " ".join(f"w{number}" for number in range(12))


def text_of(client: Recorder) -> str:
    events = [line[6:] for line in client.body.split(b"\n") if line.startswith(b"data: {")]
    choices = [choice for event in map(json.loads, events) for choice in event.get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)
