"""An answer in one piece: mostly it goes a short way, and everything comes to the same as by the long one."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from gateway.engines.openai_http import OpenAIEngine
from gateway.serving.deciding.targets import Attempt, Target
from gateway.serving.forward import Forwarder
from gateway.upstream import UpstreamError
from gateway.wire.request import read_request
from tests.fakes import ScriptedEngine
from tests.garbage import garbage
from tests.gateway.serving.forwarding import DONE, ENDED, PATIENCE, SAID, Line, Recorder, forward

BODY = b'{"messages":[{"role":"user","content":"hi"}]}'
WHOLE = b'{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":7,"completion_tokens":4}}'
JSON = {"content-type": "application/json"}


def in_pieces(*pieces: bytes) -> Mapping[str, Callable[[object], object]]:
    """An engine's answers of chats, sent piece by piece."""
    return {"chat/completions": lambda body: pieces}


BEHAVIOURS: Mapping[str, dict[str, object]] = {
    "answers": {},
    "answers under another name": {"shown": "asked"},
    "fails": {"status": 500},
    "is busy": {"status": 429, "headers": {"retry-after": "7"}},
    "says that the request is wrong": {"status": 400},
    "does not know the model": {"status": 404},
    "made something": {"status": 201, "error": b'{"choices":[]}'},
    "says 200 with an error": {"page": b'{"error":{"message":"no"}}'},
    "says 200 with nothing": {"page": b""},
    "compresses": {"apis": in_pieces(WHOLE), "headers": JSON | {"content-encoding": "br"}},
    "says that it does not compress": {"apis": in_pieces(WHOLE), "headers": JSON | {"content-encoding": "identity"}},
    "answers in pieces": {"apis": in_pieces(WHOLE[:9], WHOLE[9:]), "headers": JSON, "token_s": 0.02},
    "breaks off": {"apis": in_pieces(WHOLE[:9], WHOLE[9:]), "headers": JSON, "token_s": 0.02, "cut_after": 1},
    "hangs up": {"cut_after": 0},
    "streams unasked": {"apis": in_pieces(SAID, ENDED, DONE)},
}


class LongWay(Recorder):
    """A client that might have hands, so that its answer is passed on by whoever has them."""

    def hands(self) -> None:
        return None


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
async def test_the_short_way_comes_to_the_same_as_the_long(behaviour: dict[str, object]) -> None:
    """For the client and for what is learnt; the engine is asked once, and nothing stays open at it."""
    seen = list[object]()
    shown = str(behaviour.get("shown", "scripted-1"))
    fields = {name: value for name, value in behaviour.items() if name != "shown"}
    for client in (Recorder(), LongWay()):
        async with ScriptedEngine(**fields).serving() as engine:  # type: ignore[arg-type]
            _, attempts = await forward(engine, stream=False, shown=shown, client=client)
            told = [(each.status, each.prompt_tokens, each.tokens, each.error, each.by_engine) for each in attempts]
            begun = [each.ttft_s is None for each in attempts]
            body = client.body.replace(engine.url.encode(), b"its URL")
            seen.append((client.status, client.headers, body, told, begun, len(engine.asked)))

    assert seen[0] == seen[1]


async def test_an_engine_that_is_not_there_is_asked_once_and_leaves_nothing_to_the_collector() -> None:
    with garbage() as found:
        async with ScriptedEngine().serving() as good:
            client, attempts = await forward("http://127.0.0.1:9", good, stream=False)

    assert (200, "p1") == (client.status, client.headers["x-ppai-peer"])
    assert [("failed", "engine_unreachable"), ("ok", None)] == [(each.status, each.error) for each in attempts]
    assert [] == found


def asked(engine: OpenAIEngine, client: Recorder, attempts: list[Attempt]) -> asyncio.Task[UpstreamError | None]:
    target = Target(engine, (BODY,), "m", "m", {}, began=0.0)
    request = read_request("chat/completions", BODY)
    clock = asyncio.get_running_loop().time
    return asyncio.create_task(Forwarder(request, Line([target], attempts), PATIENCE, clock).run(client, {}))


async def test_who_hangs_up_before_the_answer_is_there_leaves_nothing_open() -> None:
    attempts = list[Attempt]()
    async with ScriptedEngine(delay_s=5.0).serving() as fake:
        engine = OpenAIEngine(fake.url)
        asking = asked(engine, Recorder(), attempts)
        await fake.until(lambda fake: fake.active == 1)
        assert 1 == engine.in_flight

        asking.cancel()
        await asyncio.wait([asking])

        assert [("cancelled", None, 0)] == [(each.status, each.ttft_s, each.tokens) for each in attempts]
        assert 0 == engine.in_flight
        await fake.until(lambda fake: fake.active == 0)


class Unread(Recorder):
    """One that takes the answer, and then nothing until it hangs up; `has_all`: it has all by then."""

    def __init__(self, *, has_all: bool) -> None:
        super().__init__()
        self._has_all, self.is_reading = has_all, asyncio.Event()

    async def answer(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> None:
        if self._has_all:
            await super().answer(status, content_type, body, headers)
        self.is_reading.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize(("has_all", "status"), [(False, "cancelled"), (True, "ok")])
async def test_who_hangs_up_while_it_is_answered_was_answered_if_it_had_all(has_all: bool, status: str) -> None:
    attempts, client = list[Attempt](), Unread(has_all=has_all)
    async with ScriptedEngine().serving() as fake:
        engine = OpenAIEngine(fake.url)
        asking = asked(engine, client, attempts)
        await client.is_reading.wait()
        assert 0 == engine.in_flight  # the engine has said all

        asking.cancel()
        await asyncio.wait([asking])

    assert [(status, 4)] == [(each.status, each.tokens) for each in attempts]


async def test_an_answer_that_cannot_be_said_to_its_client_is_a_failure() -> None:
    """As of a chat that is told in another API; the next one is asked."""

    class Choosy(Recorder):
        async def answer(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> None:
            if status == 200 and headers["x-ppai-peer"] == "p0":
                raise UpstreamError("cannot be said", code="not_translated")
            await super().answer(status, content_type, body, headers)

    async with ScriptedEngine().serving() as first, ScriptedEngine().serving() as second:
        client, attempts = await forward(first, second, stream=False, client=Choosy())

    assert (200, "p1") == (client.status, client.headers["x-ppai-peer"])
    assert [("failed", "not_translated"), ("ok", None)] == [(each.status, each.error) for each in attempts]
