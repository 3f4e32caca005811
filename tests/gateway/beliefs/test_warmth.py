"""Where a conversation is believed to be warm, and how much of its next prompt is held there."""

import pytest
from msgspec import structs

from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.jobs import Outcome
from gateway.beliefs.sessions import SessionConfig
from gateway.beliefs.table import Beliefs
from gateway.beliefs.warmth import Warmth
from tests.gateway.beliefs.one_peer import PEER, beliefs, reservation

Held = tuple[int | None, float]  # the row that holds the conversation, and how many tokens of its next prompt
NOBODY: Held = (None, 0.0)


def turn_of(warmth: Warmth, status: str = "ok", tokens: int = 100, session: str = "talk") -> None:
    """A turn with a prompt of 1,000 tokens ended at 0 s."""
    job = reservation()
    said = structs.replace(job.job, session=session, agent="small", conversation_tokens=1000)
    job = structs.replace(job, job=said)
    warmth.observe(job, Outcome(PEER, status, 0.1, 1.0, tokens), 0.0)  # type: ignore[arg-type]


def after_a_turn(slots: int = 1) -> tuple[Beliefs, Warmth]:
    table = beliefs(slots)
    table[PEER].doing.gen = 1
    warmth = Warmth(table)
    turn_of(warmth)
    return table, warmth


def held(
    warmth: Warmth, prompt_tokens: int = 2000, context_tokens: float = 4096.0, session: str | None = "talk"
) -> Held:
    """A second later, where the agent `small` of PEER is in row 3."""
    return warmth.held(session, prompt_tokens, {(PEER, "small"): 3}, (0.0,) * 3 + (context_tokens,), 1.0)


def test_the_next_prompt_finds_the_last_one_and_its_answer() -> None:
    _, warmth = after_a_turn()

    assert [(3, 1100.0), (3, 400.0)] == [held(warmth, tokens) for tokens in (2000, 400)]


@pytest.mark.parametrize(("slots", "context_tokens", "expected"), [(1, 4096.0, 550.0), (2, 4096.0, 825.0)])
def test_other_work_displaces_it_where_there_is_less_room(slots: int, context_tokens: float, expected: float) -> None:
    """2,048 tokens of others are half of one slot, a quarter of two."""
    table, warmth = after_a_turn(slots)

    table[PEER].doing.tokens = 2 * 1100 + 2048

    assert (3, expected) == held(warmth, 2000, context_tokens)


@pytest.mark.parametrize(
    ("status", "tokens", "is_warm"), [("failed", 0, False), ("cancelled", 5, True), ("ok", 0, True)]
)
def test_a_turn_that_failed_leaves_nothing_known_and_one_without_an_answer_changes_nothing(
    status: str, tokens: int, is_warm: bool
) -> None:
    _, warmth = after_a_turn()

    turn_of(warmth, status, tokens)

    assert ((3, 1100.0) if is_warm else NOBODY) == held(warmth)


def test_nobody_holds_a_conversation_without_a_name_nor_one_of_an_agent_or_a_peer_that_is_gone() -> None:
    table, warmth = after_a_turn()

    assert NOBODY == warmth.held(None, 2000, {(PEER, "small"): 0}, (0.0,), 1.0)
    assert NOBODY == warmth.held("talk", 2000, {(PEER, "large"): 0}, (0.0,), 1.0)
    table.forget(PEER)

    assert NOBODY == held(warmth)


def test_the_latest_conversations_are_remembered() -> None:
    table = beliefs(config=BeliefConfig(sessions=SessionConfig(limit=3)))
    table[PEER].doing.gen = 1
    warmth = Warmth(table)

    for name in ("one", "two", "three", "two", "four", "two"):
        turn_of(warmth, session=name)

    where = {(PEER, "small"): 0}
    held_in = [warmth.held(name, 2000, where, (0.0,), 1.0)[0] for name in ("one", "two", "three", "four")]
    assert [None, 0, 0, 0] == held_in


def test_a_conversation_is_warm_for_a_while() -> None:
    _, warmth = after_a_turn()

    where, keep_s = {(PEER, "small"): 0}, SessionConfig().keep_s
    assert [0, None] == [warmth.held("talk", 2000, where, (0.0,), now)[0] for now in (keep_s, keep_s + 0.1)]
