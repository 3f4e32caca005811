"""What the owner is told while the peer runs: in which words, and once."""

from types import SimpleNamespace as Fake
from typing import Any

import pytest

from discovery.membership import Event
from discovery.records import PeerId
from gateway.runtime.telling import Telling
from gateway.telemetry.notices import NOTICES_BURST, Notices


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def telling(said: list[str]) -> Telling:
    return Telling(Notices(said.append, lambda: 0.0))


def test_what_became_of_peers_and_of_our_id_is_told_once(telling: Telling, said: list[str]) -> None:
    """Whoever merely joins is not."""
    events = [Event(kind, PeerId("b"), reason=f"why {kind}") for kind in ("refused", "identity_in_use", "joined")]  # type: ignore[arg-type]
    telling.events(events)
    telling.events(events)

    assert ["refused: why refused", "why identity_in_use"] == said


def test_who_waits_is_not_looked_up_where_nothing_would_be_said(telling: Telling, said: list[str]) -> None:
    looks = []

    def waiting() -> dict[PeerId, str]:
        looks.append(1)
        return {PeerId(f"peer-{len(looks)}"): "ben"}

    for _ in range(50):
        telling.waiting(waiting)

    assert 0 < len(looks) < 50 and len(said) == NOTICES_BURST


def test_limits_name_whom_they_do_not_mean(telling: Telling, said: list[str]) -> None:
    class Unmeant(list[str]):
        def unmeant(self) -> list[str]:
            return [*self]

    limits: Any = Unmeant(["`ben` is nobody"])
    telling.limits(limits)
    none: Any = Unmeant()
    telling.limits(none)

    assert ["`ben` is nobody"] == said


def test_engines_are_told_with_what_they_serve_and_those_left_alone(telling: Telling, said: list[str]) -> None:
    state = Fake(is_ready=False, problem="nobody listens")
    engine = Fake(name="e", origin="http://127.0.0.1:9", state=state, not_adopted=("ollama is run by ben",))
    doors: Any = Fake(all=[Fake(engine=engine)], shown=[Fake(engine=engine)])
    telling.engines(doors)
    telling.engines(doors)

    assert ["not adopted: ollama is run by ben", "engine: nobody listens"] == said


@pytest.mark.parametrize(
    ("problem", "full_problem", "word"),
    [("no encoder", "no other", "by load alone"), (None, "not pulled", "less exactly: not pulled"), (None, None, "")],
)
def test_why_topics_are_not_told_apart(
    telling: Telling, said: list[str], problem: str | None, full_problem: str | None, word: str
) -> None:
    reader: Any = Fake(problem=problem, full_problem=full_problem)
    telling.topics(reader)

    assert bool(word) == bool(said) and all(word in text for text in said)
