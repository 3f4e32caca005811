"""The way of one request: in order, within its budget, and with outcomes that mean what they say."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from msgspec import structs

from discovery.records import WHOLE, PeerId
from gateway.beliefs.jobs import Outcome
from gateway.routing.choice import Candidate, Choice
from gateway.routing.course import AGAIN_S, ROOM_LIMIT_S, ROOM_S, Course, CourseConfig, ends_at_once
from gateway.routing.decision import Query
from tests.gateway.routing.ada import Ada, agent

CONFIG = CourseConfig(attempts=3, refusals=2, within_s=60.0)
ANYTHING = Query(relevance=np.array([1.0, 0.0]))


def candidate(name: str, *, local: bool = False, agent: str = "a") -> Candidate:
    """A row; only who it is matters here."""
    return Candidate(
        "", 0, 1.0, 0.0, 1.0, 0.0, None, 0, agent,
        PeerId(name), PeerId(name), WHOLE, name, agent, local, False, score=0.5, wait_s=0.0, service_s=0.0,
        risk_s=0.0, crowding_s=0.0, cost_s=0.0, utility=0.0, excluded=None, unprofiled=False, arrives_in_s=0.0,
    )  # fmt: skip


def course(*names: str, config: CourseConfig = CONFIG) -> Course:
    """Along these peers; `own` is ours."""
    return Course(choice(*names), config, now=0.0)


def choice(*names: str) -> Choice:
    rows = tuple(candidate(name, local=name == "own") for name in names)
    return Choice("best", 1.0, rows, may_go_elsewhere=True)


def outcome(name: str, status: str, *, tokens: int = 0) -> Outcome:
    return Outcome(PeerId(name), status, None, 0.1, tokens)  # type: ignore[arg-type]


def walk(way: Course, said: dict[str, str], *, by_engine: bool = False, now: float = 0.0) -> list[str]:
    """Ask until somebody answers or nobody is left; who was asked. `said`: each peer's outcome, else it refuses."""
    asked = []
    while (row := way.next(now)) is not None:
        asked.append(row.peer_name)
        status = said.get(row.peer_name, "refused")
        way.ended(row.reservation(now), outcome(row.peer_name, status), by_engine=by_engine)
        if status == "ok":
            break
    return asked


# --- who is asked


def test_candidates_are_asked_in_order_until_one_answers() -> None:
    assert ["a", "b"] == walk(course("a", "b", "c"), {"a": "failed", "b": "ok"})


def test_so_many_may_fail() -> None:
    assert ["a", "b", "c"] == walk(course("a", "b", "c", "d"), dict.fromkeys("abcd", "failed"))


def test_the_last_attempt_is_our_own_agents() -> None:
    """However many others stand before it."""
    assert ["a", "b", "own"] == walk(course("a", "b", "c", "own"), {**dict.fromkeys("abc", "failed"), "own": "ok"})


def test_a_single_attempt_goes_to_the_best() -> None:
    """It is the first as well as the last."""
    once = CourseConfig(attempts=1)

    assert ["a"] == walk(course("a", "own", config=once), {"a": "failed", "own": "ok"})


def test_refusals_are_counted_apart() -> None:
    """A closed door has run nothing: it costs a round trip, and no attempt."""
    said = {"a": "refused", "b": "failed", "c": "failed", "own": "failed"}

    assert ["a", "b", "c", "own"] == walk(course("a", "b", "c", "d", "own"), said)


def test_after_so_many_refusals_our_own_engine_takes_it() -> None:
    assert ["a", "b", "own"] == walk(course("a", "b", "c", "own"), {"own": "ok"})
    assert ["a", "b"] == walk(course("a", "b", "c"), {})


def test_who_cannot_take_a_request_has_run_nothing_and_counts_as_one_that_refuses() -> None:
    """Two older peers that do not know a field leave as many attempts as before; and neither is asked again."""
    way = course("a", "b", "c", config=replace(CONFIG, attempts=1, refusals=3))
    for name in ("a", "b"):
        row = way.next(0.0)
        assert row and row.peer_name == name
        told = way.ended(row.reservation(0.0), outcome(name, "failed"), is_unsuited=True)
        assert [("ok", 0)] == [(learnt.status, learnt.tokens) for _, learnt in told]

    assert not way.leads_elsewhere(choice("a"))
    assert ["c"] == walk(way, {"c": "ok"})


def test_a_new_choice_begins_with_no_refusal() -> None:
    """While the request waited at home, doors may have opened."""
    way = course("a", "b", "c", "own")
    walk(way, {"own": "ok"})

    way.turn(choice("c", "a", "own"))

    assert ["c", "a", "own"] == walk(way, {"own": "ok"})


def test_who_failed_is_not_asked_again() -> None:
    """Neither by a new choice; who refused may be, for its door may be open now."""
    way = course("a", "b")
    walk(way, {"a": "failed"})

    way.turn(choice("a", "b", "c"))

    assert ["b", "c"] == walk(way, {"c": "ok"})


def test_another_agent_of_a_peer_whose_engine_refused_this_request_may_do() -> None:
    """Not where the peer itself was not there."""
    rows = (candidate("a", agent="small"), candidate("a", agent="large"))
    both = Choice("best", 1.0, rows, may_go_elsewhere=True)

    assert ["a", "a"] == walk(Course(both, CONFIG, 0.0), {"a": "failed"}, by_engine=True)
    assert ["a"] == walk(Course(both, CONFIG, 0.0), {"a": "failed"})


def test_a_further_attempt_begins_within_its_time_or_not_at_all() -> None:
    """The first one always does: who has waited at our own door is still there."""
    late = CONFIG.within_s + 1
    way = course("a", "b")
    assert ["a"] == walk(way, {"a": "failed", "b": "ok"}, now=late)


# --- who is late


def late_for(*names: str, after_s: float = 2.0, reason: str = "best", config: CourseConfig = CONFIG) -> Course:
    """Along these peers, of whom the first is asked."""
    rows = tuple(structs.replace(row, late_after_s=after_s) for row in choice(*names).order)
    way = Course(structs.replace(choice(*names), order=rows, reason=reason), config, now=0.0)
    way.next(0.0)
    return way


def test_another_peer_is_late_after_a_while_and_ours_whom_the_client_named_and_who_loads_never() -> None:
    assert 2.0 == late_for("a", "b").late_after_s
    assert None is late_for("own", "a").late_after_s
    assert None is late_for("a", reason="pinned").late_after_s
    assert None is late_for("a", after_s=inf).late_after_s
    assert None is late_for("a", config=replace(CONFIG, leaves=0)).late_after_s


def test_who_is_late_is_left_for_another_queue_that_has_not_failed() -> None:
    way = late_for("a", "b")
    assert not way.may_leave_for(choice("a", "b"))
    assert not way.may_leave_for(choice())
    assert way.may_leave_for(choice("own"))

    way.ended(candidate("a").reservation(0.0), outcome("a", "failed"))
    way.next(0.0)

    assert not way.may_leave_for(choice("a"))


def test_who_is_late_is_not_left_while_it_gets_further_with_loading_its_model() -> None:
    """It begins at nothing with everybody who is asked; who says no more than before does not get on."""
    way = late_for("a", "b")
    way.next(0.0)
    assert [True, True, False, False, True, False] == [way.gets_on(said) for said in (0.0, 0.5, 0.5, 0.25, 1.0, None)]

    way.next(0.0)
    assert way.gets_on(0.25)


def test_who_was_left_has_not_failed_and_three_are_left_at_most() -> None:
    way, asked = late_for("a", "b"), []
    for name in "bcd":
        told = way.ended(candidate("x").reservation(0.0), outcome("x", "cancelled"))
        assert ["cancelled"] == [one.status for _, one in told]
        assert way.late_after_s is not None
        rows = tuple(structs.replace(row, late_after_s=1.0) for row in choice(name, "a").order)
        way.leave(structs.replace(choice(name, "a"), order=rows))
        asked.append(way.next(0.0))

    assert ["b", "c", "d"] == [row.peer_name for row in asked if row]
    assert None is way.late_after_s
    assert "a" == getattr(way.next(0.0), "peer_name", None)


def test_nobody_who_goes_on_with_an_answer_is_left() -> None:
    way = late_for("a")
    way.ended(candidate("a").reservation(0.0), outcome("a", "failed", tokens=3))
    assert way.go_on()
    rows = tuple(structs.replace(row, late_after_s=1.0) for row in choice("b").order)
    way.turn(structs.replace(choice("b"), order=rows))
    way.next(0.0)

    assert None is way.late_after_s


# --- waiting at our own door


@pytest.mark.parametrize(
    ("names", "expected"), [(("own", "b"), False), (("b", "own"), True), (("a", "own"), False), ((), False)]
)
def test_a_choice_leads_elsewhere_where_its_first_is_another_that_has_not_failed(
    names: tuple[str, ...], expected: bool
) -> None:
    way = course("a", "own")
    row = way.next(0.0)
    assert row is not None
    way.ended(row.reservation(0.0), outcome("a", "failed"))

    assert expected == way.leads_elsewhere(choice(*names))


def test_only_a_request_that_another_may_answer_looks_around() -> None:
    stays = Course(structs.replace(choice("own"), may_go_elsewhere=False), CONFIG, 0.0)
    travels = course("own")
    for way in (stays, travels):
        way.next(0.0)

    assert (False, True) == (stays.may_look, travels.may_look)


# --- a peer that the client named, and that is busy


def named(name: str, *, refusals: int, by_engine: bool) -> Course:
    """A request that `name` alone may answer, and has refused so often."""
    pinned = structs.replace(choice(name), reason="pinned")
    way = Course(pinned, CONFIG, now=0.0)
    for _ in range(refusals):
        way.turn(pinned)
        row = way.next(0.0)
        assert row is not None
        way.ended(row.reservation(0.0), outcome(name, "refused"), by_engine=by_engine)
    return way


def test_a_peer_is_waited_for_that_the_client_named_and_that_is_busy() -> None:
    chosen = course("a")
    walk(chosen, {})

    assert named("a", refusals=1, by_engine=False).waits(is_busy=True)
    assert not named("a", refusals=1, by_engine=False).waits(is_busy=False)
    assert not named("own", refusals=1, by_engine=False).waits(is_busy=True)
    assert not chosen.waits(is_busy=True)


def test_it_is_asked_for_room_ever_more_rarely_where_its_engine_refuses_at_an_open_door() -> None:
    shut = named("a", refusals=3, by_engine=False)
    pauses = [named("a", refusals=number, by_engine=True).asks_for_room_in(0.0, 0) for number in (1, 2, 3, 4, 1100)]

    assert ROOM_S == shut.asks_for_room_in(0.0, 0) == shut.asks_for_room_in(0.0, 1)
    assert [2 * ROOM_S, 4 * ROOM_S, 8 * ROOM_S, ROOM_LIMIT_S, ROOM_LIMIT_S] == pauses
    assert ROOM_S == named("a", refusals=4, by_engine=True).asks_for_room_in(0.0, 1)


def test_it_is_asked_for_room_as_long_as_an_attempt_may_begin() -> None:
    way = named("a", refusals=1, by_engine=False)

    assert ROOM_S == way.asks_for_room_in(CONFIG.within_s - ROOM_S, 1)
    assert None is way.asks_for_room_in(CONFIG.within_s - ROOM_S + 0.01, 1)


# --- what an outcome means


def told(way: Course, *ends: tuple[str, str, int, bool]) -> list[tuple[str, str]]:
    """What beliefs hear of these attempts: (peer, status) in order."""
    heard = []
    for name, status, tokens, by_engine in ends:
        row = way.next(0.0)
        assert row is not None and name == row.peer_name
        heard += way.ended(row.reservation(0.0), outcome(name, status, tokens=tokens), by_engine=by_engine)
    return [(verdict.peer_id, verdict.status) for _, verdict in (*heard, *way.settled())]


def test_an_engines_error_is_its_fault_where_another_answers() -> None:
    assert [("a", "failed"), ("b", "ok")] == told(course("a", "b"), ("a", "failed", 0, True), ("b", "ok", 9, False))


def test_an_error_that_everybody_gives_is_nobodys_fault() -> None:
    """An answer without tokens: the slot is free again, and nothing is learnt."""
    ends = [(name, "failed", 0, True) for name in "abc"]

    assert [("a", "ok"), ("b", "ok"), ("c", "ok")] == told(course("a", "b", "c"), *ends)


def test_a_clients_own_error_says_nothing_of_who_failed_before() -> None:
    """A 400 is an answer without tokens: the next engine thinks as little of this request."""
    assert [("b", "ok"), ("a", "ok")] == told(course("a", "b"), ("a", "failed", 0, True), ("b", "ok", 0, False))


def test_a_peer_that_was_not_there_has_failed_whatever_others_say() -> None:
    assert [("a", "failed"), ("b", "ok")] == told(course("a", "b"), ("a", "failed", 0, False), ("b", "failed", 0, True))


def test_every_reservation_is_told_once() -> None:
    way = course("a", "b", "c")
    rows = [way.next(0.0)]
    heard = list(way.ended(rows[0].reservation(0.0), outcome("a", "failed"), by_engine=True))  # type: ignore[union-attr]
    way.next(0.0)
    heard += way.ended(candidate("b").reservation(0.0), outcome("b", "ok", tokens=5))
    heard += [*way.settled(), *way.settled()]

    assert 2 == len(heard) == len({id(reservation) for reservation, _ in heard})


def test_one_bad_prompt_visits_three_of_a_thousand_peers_and_slanders_none() -> None:
    """Everybody's engine answers it with an error, at once: three attempts, and nobody is believed slow for it."""
    ada = Ada()
    ada.node.serve([])
    peers = [ada.meet(number, agent()) for number in range(1, 1001)]
    before = ada.node.view(ANYTHING, ada.now).expected
    way = Course(ada.decide(ANYTHING).choice(CourseConfig().rows), CourseConfig(), ada.now)

    attempts = 0
    while (row := way.next(ada.now)) is not None:
        attempts += 1
        error = Outcome(row.peer_id, "failed", None, 0.01, 0)
        for reservation, verdict in way.ended(ada.node.dispatch(row, ada.now), error, by_engine=True):
            ada.node.observe(reservation, verdict, ada.now)
    for reservation, verdict in way.settled():
        ada.node.observe(reservation, verdict, ada.now)

    after = ada.node.view(ANYTHING, ada.now).expected
    assert 3 == attempts
    assert not any(ada.node.beliefs[peer].reservations for peer in peers)
    assert before.wait_factor.tolist() == after.wait_factor.tolist()
    assert before.backlog.tolist() == pytest.approx(after.backlog.tolist())


def test_an_engine_of_ours_that_failed_is_not_asked_again_and_another_of_ours_is() -> None:
    """Replicas are one agent by name: who failed is told by the engine, too."""
    first = structs.replace(candidate("own", local=True), queue=PeerId("own/0"), engine=0)
    second = structs.replace(first, queue=PeerId("own/1"), engine=1)
    way = Course(structs.replace(choice("own"), order=(first, second)), CONFIG, now=0.0)
    row = way.next(0.0)
    assert row is first

    assert way.leads_elsewhere(structs.replace(choice("own"), order=(second,)))
    assert not way.leads_elsewhere(structs.replace(choice("own"), order=(first,)))
    way.ended(first.reservation(0.0), outcome("own", "failed"))

    assert second is way.next(0.0)


# --- an answer that breaks off


def broken(way: Course, name: str) -> bool:
    """Whether somebody may go on where this one breaks off in mid-stream."""
    row = way.next(0.0)
    assert row is not None and row.peer_name == name
    way.ended(row.reservation(0.0), outcome(name, "failed", tokens=3))
    return way.go_on()


def test_who_goes_on_is_asked_as_in_a_request_of_its_own_but_for_whoever_broke_off() -> None:
    """Before the break two could not be reached. One of them may go on all the same."""
    way = course("a", "b", "c")
    for name in ("a", "b"):
        row = way.next(0.0)
        assert row is not None
        way.ended(row.reservation(0.0), outcome(name, "failed"))

    assert broken(way, "c")
    way.turn(choice("c", "a", "b"))

    assert ["a", "b"] == walk(way, {"a": "failed", "b": "ok"})


def test_an_answer_breaks_off_at_as_many_as_may_fail_and_no_more() -> None:
    """A prompt that breaks engines in mid-answer visits no more of them than one that breaks them before."""
    way = course("a")
    went_on = []
    for name, following in (("a", "b"), ("b", "c"), ("c", "d")):
        went_on.append(broken(way, name))
        way.turn(choice(following))

    assert [True, True, False] == went_on


def test_those_who_could_not_be_reached_are_asked_once_more() -> None:
    way = course("a")
    assert broken(way, "a")
    way.turn(choice("b", "c"))
    assert ["b", "c"] == walk(way, {"b": "failed", "c": "failed"}) and not way.may_go_on(0.0)

    assert AGAIN_S[0] == way.again()
    way.turn(choice("b", "c"))

    assert ["b"] == walk(way, {"b": "ok"})


def test_they_are_asked_again_ever_more_rarely_and_then_no_more() -> None:
    way = course("a")

    assert [*AGAIN_S, None, None] == [way.again() for _ in range(len(AGAIN_S) + 2)]
    assert list(AGAIN_S) == sorted(AGAIN_S)


@pytest.mark.parametrize("status", ["ok", "refused", "failed", "cancelled"])
@pytest.mark.parametrize("tokens", [0, 3])
@pytest.mark.parametrize("by_engine", [True, False])
def test_a_first_attempt_that_ends_a_request_is_told_as_it_is(status: str, tokens: int, by_engine: bool) -> None:
    """So that who carries a request out need not ask its course about that."""
    way, reservation, done = course("a", "b"), candidate("a").reservation(0.0), outcome("a", status, tokens=tokens)
    way.next(0.0)

    told = way.ended(reservation, done, by_engine)

    if ends_at_once(done):
        assert (((reservation, done),), ()) == (told, way.settled())
