"""Who may answer, and the reason why not: laws of the candidate set."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from discovery.records import Agent
from gateway.routing.candidates import Excluded, among, candidate_set, may_answer
from gateway.routing.query import Query
from gateway.routing.utility import assess
from tests.gateway.routing.world import CERTAIN, QUERY, Peer, World, decide, names

PIRATE = Agent("pirate", "m", 0, kind="agent", base="small")
LIBRARIAN = replace(PIRATE, topics=("holidays",))


@pytest.mark.parametrize(
    ("peer", "query", "reason"),
    [
        (Peer("b"), QUERY, None),
        (Peer("b", dead=True, suspect=True, approved=False), QUERY, "dead"),
        (Peer("b", suspect=True, approved=False), QUERY, "suspect"),
        (Peer("b", approved=False, model="other"), structs.replace(QUERY, models=frozenset({"m"})), "not_approved"),
        (Peer("b", model="other"), structs.replace(QUERY, models=frozenset({"m"})), "model"),
        (Peer("b", model="other"), structs.replace(QUERY, models=frozenset({"b/other"})), None),
        (Peer("b"), structs.replace(QUERY, needs=frozenset({"image"})), "modality"),
        (Peer("b", modalities=frozenset({"text", "image"})), structs.replace(QUERY, needs=frozenset({"image"})), None),
        (Peer("b", context_tokens=49), QUERY, "context"),
        (Peer("b", context_tokens=300), QUERY, None),
        (Peer("b"), structs.replace(QUERY, pinned_local="field:n"), "field:n"),
        (Peer("b"), structs.replace(QUERY, pinned_local="privacy:email"), "privacy:email"),
        (Peer("b"), structs.replace(QUERY, pin="local"), "pinned"),
        (Peer("b"), structs.replace(QUERY, pin="c"), "pinned"),
        (Peer("b"), structs.replace(QUERY, pin="b"), None),
        (Peer("b"), structs.replace(QUERY, pin="b's machine"), "pinned"),  # a name was made an id before it came here
        (Peer("b", admission="soft"), QUERY, None),
        (Peer("b", admission="closed"), QUERY, "closed"),
        (Peer("b", admission="closed"), structs.replace(QUERY, pin="b"), None),  # it says itself whether it still is
        (Peer("b", score=0.49), QUERY, "score"),
        (Peer("b", score=0.5), QUERY, None),
        (Peer("b", profiled=False), QUERY, None),
        (Peer("b"), structs.replace(QUERY, endpoint="responses"), None),  # not told is not cannot
        (Peer("b", endpoints=frozenset({"messages"})), structs.replace(QUERY, endpoint="messages"), None),
        (
            Peer("b", endpoints=frozenset({"messages"})),
            structs.replace(QUERY, endpoint="messages/count_tokens"),
            "endpoint",
        ),
        (Peer("b", missing=frozenset({"responses"})), structs.replace(QUERY, endpoint="responses"), "endpoint"),
        (
            Peer("b", missing=frozenset({"messages"})),
            structs.replace(QUERY, endpoint="messages/count_tokens"),
            "endpoint",
        ),
        (Peer("b", missing=frozenset({"messages/count_tokens"})), structs.replace(QUERY, endpoint="messages"), None),
        (Peer("b", endpoints=frozenset({"responses"})), QUERY, None),
        (Peer("b"), structs.replace(QUERY, goes_on="completions"), "continuing"),
        (Peer("b", continues=("chat/completions",)), structs.replace(QUERY, goes_on="completions"), "continuing"),
        (Peer("b", continues=("completions",)), structs.replace(QUERY, goes_on="completions"), None),
        (Peer("b", personal=PIRATE, profiled=False), QUERY, "agent"),  # nothing speaks for it
        (Peer("b", personal=PIRATE, profiled=False), structs.replace(QUERY, pin="b"), "agent"),
        (Peer("b", personal=PIRATE, profiled=False), structs.replace(QUERY, models=frozenset({"m"})), None),
        (Peer("b", personal=PIRATE), QUERY, None),  # it was measured
        (Peer("b", personal=LIBRARIAN, profiled=False, likely=0.9), QUERY, None),
        (Peer("b", personal=LIBRARIAN, profiled=False, likely=0.4), QUERY, "agent"),  # its topics are of other things
        (Peer("b", personal=LIBRARIAN), structs.replace(QUERY, is_chat=False), "endpoint"),
        (Peer("b"), structs.replace(QUERY, is_chat=False), None),
    ],
)
def test_each_exclusion_has_its_reason(peer: Peer, query: Query, reason: str | None) -> None:
    world = World([Peer("us"), peer])

    decision = assess(query, world.view(query), replace(CERTAIN, theta_s=0.5))

    assert reason == decision.excluded_because(1)


def test_what_concerns_travelling_never_excludes_our_own() -> None:
    query = structs.replace(QUERY, pinned_local="field:n", pin="local")

    excluded = candidate_set(query, World([Peer("us", admission="closed"), Peer("b")]).view(query)).excluded

    assert 0 == excluded[0]


@pytest.mark.parametrize(
    "us", [Peer("us", here=False), Peer("us", here=False, context_tokens=1), Peer("us", here=False, score=0.0)]
)
def test_what_may_not_leave_this_machine_is_sent_to_no_engine_elsewhere_not_even_as_the_last_resort(us: Peer) -> None:
    """Brothers of a peer: our own engine on another host, a litellm provider, a cloud model."""
    world = World([us, Peer("b")])
    query = structs.replace(QUERY, pinned_local="client", here_only=True)

    decision = decide(world, query)

    assert ((), "none", "place") == (decision.order, decision.reason, decision.excluded_because(0))
    assert not may_answer(query, world.view(query).roster).any()


def test_what_may_not_leave_this_machine_is_answered_by_an_engine_on_it() -> None:
    world = World([Peer("us"), Peer("b", score=1.0)])

    decision = decide(world, structs.replace(QUERY, pinned_local="client", here_only=True))

    assert ((0,), "client") == (decision.order, decision.reason)


def test_who_failed_the_conversation_is_avoided_while_somebody_else_can_answer() -> None:
    world = World([Peer("us"), Peer("b"), Peer("c")])
    failed = world.view(QUERY).roster.peer_ids[1]
    query = structs.replace(QUERY, avoid=failed)

    assert [None, "retried", None] == [assess(query, world.view(query), CERTAIN).excluded_because(i) for i in range(3)]
    alone = World([Peer("us", model="other"), Peer("b")])
    query = structs.replace(query, models=frozenset({"m"}))
    assert 0 == candidate_set(query, alone.view(query)).excluded[1]


@pytest.mark.parametrize(
    ("query", "who"),
    [
        (QUERY, ["us", "b", "tired"]),
        (structs.replace(QUERY, models=frozenset({"m"})), ["us", "tired"]),
        (structs.replace(QUERY, pin="local"), ["us"]),
        (structs.replace(QUERY, pin="tired"), ["tired"]),
        (structs.replace(QUERY, pinned_local="field:n", pin="b"), ["us"]),
        (structs.replace(QUERY, needs=frozenset({"image"}), prompt_tokens=10**6), ["us", "b", "tired"]),
    ],
)
def test_who_may_answer_at_all_is_asked_neither_for_load_nor_for_abilities(query: Query, who: list[str]) -> None:
    world = World(
        [
            Peer("us", score=0.1),
            Peer("b", model="other"),
            Peer("tired", admission="closed", context_tokens=10),
            Peer("gone", dead=True),
            Peer("stranger", approved=False),
        ]
    )

    may = may_answer(query, world.view(query).roster)

    assert who == names(world, np.flatnonzero(may).tolist())


@pytest.mark.parametrize(
    ("reach", "who"),
    [("my machines", ["us", "mine"]), ("approved", ["us", "mine", "known"]), ("anyone", ["us", "mine", "known", "b"])],
)
def test_a_rule_leaves_out_who_is_further_away(reach: str, who: list[str]) -> None:
    """And says so, whatever else is against them: the small context of our own engine is tried all the same."""
    world = World(
        [
            Peer("us", mine=True, vouched=True),
            Peer("mine", mine=True, vouched=True),
            Peer("known", vouched=True),
            Peer("b"),
        ]
    )
    query = structs.replace(QUERY, reach=reach, rule="privacy:r")  # type: ignore[arg-type]

    decision = decide(world, query)

    assert who == sorted(names(world, decision.order), key=["us", "mine", "known", "b"].index)
    assert who == names(world, np.flatnonzero(may_answer(query, world.view(query).roster)).tolist())
    left = {each.peer_id: each.excluded for each in decision.candidates if each.peer_id not in who}
    assert set() == set(left.values()) - {"privacy:r"}
    assert (decision.reason == "privacy:r") == bool(left)


def test_our_own_engine_in_a_cloud_is_no_fallback_for_what_a_rule_keeps() -> None:
    """Its context seems too short, so that it would be tried where nobody else is left."""
    world = World([Peer("us", context_tokens=10), Peer("b")])

    for reach in ("my machines", "approved"):
        assert () == decide(world, structs.replace(QUERY, reach=reach, rule="privacy:r")).order  # type: ignore[arg-type]
    assert "us" in names(world, decide(world, structs.replace(QUERY, prompt_tokens=9)).order)


def test_a_reason_has_the_word_that_people_read() -> None:
    assert ("dead", "not_approved", "pinned_local") == (
        Excluded.DEAD.word,
        Excluded.NOT_APPROVED.word,
        Excluded.PINNED_LOCAL.word,
    )


def test_a_table_of_codes_holds_these_and_no_other() -> None:
    table = among(0, Excluded.CLOSED)
    codes = np.arange(max(Excluded) + 1)
    assert table[codes].tolist() == [code in (0, Excluded.CLOSED) for code in codes]


@pytest.mark.parametrize(
    ("contexts", "who"),
    [
        ((299, 300), ["b"]),  # of 100 tokens and an answer of 200
        ((299, 0), ["b"]),  # nobody knows: it may be long
        ((299, 200), ["us", "b"]),  # nobody has room for so long an answer: each engine says how long it may be
        ((100, 200), ["b"]),  # but one has room for the prompt
        ((90, 80), ["us"]),  # by our estimate nobody has: the largest may have
        ((90, 90), ["us", "b"]),
        ((49, 90), ["b"]),
        ((49, 30), []),  # too short even at half of our estimate
    ],
)
def test_a_context_is_too_short_while_another_candidate_has_the_room(contexts: tuple[int, int], who: list[str]) -> None:
    world = World([Peer("us", context_tokens=contexts[0]), Peer("b", context_tokens=contexts[1])])

    decision = assess(QUERY, world.view(QUERY), CERTAIN)

    assert who == [peer.name for peer, code in zip(world.peers, decision.excluded, strict=True) if not code]
    assert {"context", None} >= {decision.excluded_because(index) for index in (0, 1)}


def test_a_larger_context_that_is_no_candidate_excludes_nobody() -> None:
    """But what cannot fit is not asked meanwhile: the larger one is waited for."""
    for context_tokens, code in ((60, 0), (49, Excluded.CONTEXT)):
        world = World([Peer("us", context_tokens=context_tokens), Peer("b", admission="closed", context_tokens=999)])

        assert [code, Excluded.CLOSED] == candidate_set(QUERY, world.view(QUERY)).excluded.tolist()


@pytest.mark.parametrize(
    ("peers", "who"),
    [
        pytest.param((Peer("us", embedded=True), Peer("b")), ["b"], id="another begins at once"),
        pytest.param((Peer("us"), Peer("b", embedded=True)), ["us"], id="theirs"),
        pytest.param((Peer("us", embedded=True), Peer("b", embedded=True)), ["us", "b"], id="only embedded ones"),
        pytest.param((Peer("us", embedded=True), Peer("b", jobs=99)), ["us", "b"], id="the other is busy for long"),
        pytest.param((Peer("us", embedded=True), Peer("b", dead=True)), ["us"], id="the other is no candidate"),
        pytest.param((Peer("us", embedded=True), Peer("b", model="other")), ["us"], id="the other has another model"),
    ],
)
def test_the_embedded_model_stands_back_while_another_can_begin_soon(peers: tuple[Peer, ...], who: list[str]) -> None:
    """However well it is measured: it is there so that a peer without an engine answers at all."""
    world, query = (
        World([replace(peer, score=0.9 if peer.embedded else 0.1) for peer in peers]),
        structs.replace(QUERY, models=frozenset({"m"})),
    )

    excluded = assess(query, world.view(query), CERTAIN).excluded

    assert who == [peer.name for peer, code in zip(peers, excluded, strict=True) if not code]
    assert {0, Excluded.EMBEDDED, Excluded.DEAD, Excluded.MODEL} >= set(excluded.tolist())


def test_our_embedded_model_answers_where_all_others_fail() -> None:
    world = World([Peer("us", embedded=True), Peer("b")])

    assert ["b", "us"] == names(world, decide(world).order)


@pytest.mark.parametrize(
    ("peers", "expected"),
    [
        pytest.param((Peer("us", last_resort=True), Peer("b")), {"us": Excluded.LAST_RESORT}, id="another can"),
        pytest.param((Peer("us"), Peer("b", last_resort=True)), {"b": Excluded.LAST_RESORT}, id="theirs"),
        pytest.param((Peer("us", last_resort=True), Peer("b", admission="closed")), {"b": Excluded.CLOSED}, id="busy"),
        pytest.param((Peer("us", last_resort=True), Peer("b", model="other")), {"b": Excluded.MODEL}, id="no model"),
        pytest.param((Peer("us", last_resort=True), Peer("b", last_resort=True)), {}, id="only last resorts"),
    ],
)
def test_a_last_resort_is_a_candidate_only_while_there_is_no_other(
    peers: tuple[Peer, ...], expected: dict[str, int]
) -> None:
    excluded = candidate_set(structs.replace(QUERY, models=frozenset({"m"})), World(peers).view()).excluded

    assert expected == {peer.name: code for peer, code in zip(peers, excluded.tolist(), strict=True) if code}


def test_a_last_resort_is_never_asked_for_what_must_stay_here() -> None:
    world = World([Peer("us", last_resort=True)])

    assert not decide(world, structs.replace(QUERY, pinned_local="client", here_only=True)).order
    assert decide(world, QUERY).order


def test_a_last_resort_is_asked_after_all_others_and_says_so() -> None:
    first = decide(World([Peer("us", last_resort=True), Peer("b"), Peer("c")]), QUERY)
    alone = decide(World([Peer("us", last_resort=True), Peer("b", dead=True)]), QUERY)

    assert ("us", False) == (first.choice(9).order[-1].peer_id, first.choice(9).order[0].last_resort)
    assert (["us"], "last_resort") == ([row.peer_id for row in alone.choice(9).order], alone.reason)
