"""The route log's line: of one attempt, of several, of an answer in parts, and of a request that was left."""

import msgspec

from gateway.serving.deciding.targets import Attempt
from gateway.serving.recording.lines import CODE_CHARS, route_line
from gateway.telemetry.recent import Recorded
from tests.gateway.routing.test_course import candidate, choice

BEN, OWN = candidate("ben"), candidate("own", local=True)
RUNNING = Recorded(1.0, "r1", "chat/completions", "small")
FAILED = Attempt("failed", None, 1.5, 0, 0, error="e" * 1000)
ANSWERED = Attempt("ok", 0.25, 1.0, prompt_tokens=7, tokens=4)


def line(*done: Attempt, is_left: bool = False, is_continued: bool = False) -> dict[str, object]:
    """Of attempts at ben and then at ourselves."""
    tried = list(zip((BEN, OWN), done, strict=False))
    told = route_line(2.0, RUNNING, choice("ben", "own"), tuple(tried), is_left=is_left, is_continued=is_continued)
    written: dict[str, object] = msgspec.to_builtins(told)
    return written


def test_one_attempt_is_the_whole_line() -> None:
    told = line(ANSWERED)

    expected = {
        "at": 2.0, "request": "r1", "endpoint": "chat/completions", "asked": "small", "peer": "ben", "attempts": 1,
        "status": "ok", "ttft_s": 0.25, "latency_s": 1.0, "prompt_tokens": 7, "tokens": 4,
    }  # fmt: skip
    assert expected.items() <= told.items()
    assert not {"parts", "tried"} & told.keys()
    assert isinstance(told["considered"], list) and 2 == len(told["considered"])


def test_of_several_attempts_each_is_told_with_a_short_code() -> None:
    """The line itself is that of the last."""
    told = line(FAILED, ANSWERED)

    assert ("own", 2, "ok") == (told["peer"], told["attempts"], told["status"])
    assert [
        {"peer": "ben", "model": "a", "status": "failed", "code": "e" * CODE_CHARS, "latency_s": 1.5},
        {"peer": "own", "model": "a", "status": "ok", "code": None, "latency_s": 1.0},
    ] == told["tried"]


def test_of_an_answer_in_parts_those_are_told_who_said_something() -> None:
    told = line(FAILED, ANSWERED, is_continued=True)

    assert [{"peer": "own", "model": "a", "status": "ok", "tokens": 4}] == told["parts"]


def test_a_request_that_its_client_left_is_cancelled_asked_or_not() -> None:
    """Before anybody was asked it has the candidate that would have been."""
    unasked, waiting = line(), line(FAILED, is_left=True)

    assert ("ben", 0, "cancelled", None) == tuple(unasked[key] for key in ("peer", "attempts", "status", "latency_s"))
    assert ("ben", 1, "cancelled") == tuple(waiting[key] for key in ("peer", "attempts", "status"))


def test_where_nobody_is_left_to_go_on_the_line_is_of_who_was_asked() -> None:
    told = route_line(2.0, RUNNING, choice(), ((BEN, FAILED),), is_left=False, is_continued=True)

    assert ("ben", [], "failed") == (told.peer, told.considered, told.status)
