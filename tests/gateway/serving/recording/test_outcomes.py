"""What is learnt of an attempt that did not go as usual, and who is told that a request has ended."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import structs

from gateway.peering.hop.reply import FIELDS_REFUSED
from gateway.routing.choice import Choice
from gateway.serving.deciding.decider import Routed
from gateway.serving.deciding.targets import Attempt
from gateway.serving.engine_errors import ABILITY_REFUSED
from gateway.serving.leaving import Came
from gateway.serving.recording.lines import Done, route_line
from gateway.serving.recording.outcomes import Outcomes
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.recent import Recorded
from gateway.wire.errors import ENDPOINT_MISSING
from tests.gateway.routing.test_course import candidate
from tests.gateway.serving.deciding.test_asking import OWN, routed

BEN = candidate("ben", agent="small")
ANSWERED = Attempt("ok", 0.25, 1.0, prompt_tokens=7, tokens=4)


@dataclass
class Told:
    """Whoever is told something: which methods were called, with what."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return lambda *said, **more: self.calls.append((name, *said))


@dataclass
class Log:
    """A request's line is that of its attempts."""

    def ended(self, way: "Way") -> object:
        return route_line(0.0, way.recorded, way.choice, way.done, is_left=way.is_left, is_continued=way.is_continued)


@dataclass
class Way:
    """A request that has ended."""

    came: Came
    routed: Routed
    done: Done
    trace: Any
    recorded: Recorded = field(default_factory=Recorded)
    is_left: bool = False
    is_continued: bool = False

    @property
    def choice(self) -> Choice:
        return self.routed.choice


def outcomes(told: Told, telemetry: Telemetry | None = None) -> Outcomes:
    return Outcomes(told, told, told, told, telemetry or Telemetry(), Log(), told.answered, lambda: 9.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ABILITY_REFUSED, ("refused", "ben", "small", frozenset({"text"}))),
        (ENDPOINT_MISSING, ("lacks", "ben", "small", "chat/completions")),
        (FIELDS_REFUSED, ("refused_fields", "ben", frozenset({"n"}))),
    ],
)
def test_what_a_peer_refused_is_learnt_of_it(error: str, call: tuple[object, ...]) -> None:
    told, failed = Told(), Attempt("refused", None, 0.1, 0, 0, error)

    outcomes(told).heard(routed().request, frozenset({"n"}), BEN, failed)

    assert [("look_around",), call] == told.calls


def test_a_peer_that_has_answered_from_its_documents_has_served_us_and_has_room() -> None:
    told = Told()

    outcomes(told).heard(routed().request, frozenset(), BEN, structs.replace(ANSWERED, from_documents=True))

    assert [("observe_documents", BEN, True, 9.0), ("served", "ben"), ("look_around",)] == told.calls


def test_a_request_that_ends_is_laid_to_who_failed_it_and_who_answered() -> None:
    """Its line and its count are those of the last attempt."""
    told, telemetry, asked = Told(), Telemetry(), routed()
    came, session = Came(b"", {}, request_id="r1", began=3.0), asked.request.session
    done = ((BEN, structs.replace(ANSWERED, status="failed")), (OWN, ANSWERED))

    outcomes(told, telemetry).ended(Way(came, asked, done, told), is_left=False)

    assert [
        ("remember", session, "ben", True), ("remember", session, "own", False), ("answered", "r1", asked, OWN, 3.0),
        ("ended", "auto", "ok", "best", 2),
    ] == told.calls  # fmt: skip
    assert b'ppai_answers_total{reason="best",status="ok"} 1.0' in telemetry.exposition()


def test_a_request_that_goes_on_as_a_chat_is_not_counted_yet() -> None:
    told, telemetry = Told(), Telemetry()

    outcomes(told, telemetry).ended(Way(Came(b"", {}), routed(), (), told), is_left=True)

    assert [] == told.calls and b"ppai_answers_total{" not in telemetry.exposition()
