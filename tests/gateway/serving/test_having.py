"""Who is asked for an endpoint beside chat: ours that say so, ours that may be tried, others that say so."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from discovery.records import Agent, PeerId
from gateway.serving.having import Other, Wanted, who_has

ME, BEN = PeerId("me"), PeerId("ben")
RERANK = Wanted("rerank", None)
HAS = Agent("r", "r", 0, place="here", endpoints=("rerank",))
SILENT, LACKS = replace(HAS, name="s", endpoints=()), replace(HAS, name="l", endpoints=("embeddings",))
OTHER = Other(BEN, "ben", "alive", True, True, (HAS, SILENT, LACKS))


def asked(wanted: Wanted = RERANK, own: Sequence[Agent] = (), other: Other = OTHER) -> list[tuple[str, str, str]]:
    """(peer, agent, why not) of all."""
    return [(one.peer, one.agent.name, one.excluded) for one in who_has(wanted, ME, "ada", own, [other])]


def test_ours_come_first_and_only_ours_are_tried_untold() -> None:
    costly = replace(HAS, name="costly", last_resort=True)

    found = asked(own=[SILENT, LACKS, costly, HAS])

    assert [(ME, "r", ""), (ME, "costly", ""), (ME, "s", ""), (BEN, "r", "")] == found


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (OTHER._replace(state="dead"), "dead"),
        (OTHER._replace(may_answer=False), "not_approved"),
        (OTHER._replace(knows=False), "version"),
    ],
)
def test_who_has_it_and_may_not_be_asked_is_named_with_the_reason(other: Other, why: str) -> None:
    assert [(BEN, "r", why)] == asked(other=other)


@pytest.mark.parametrize(
    ("wanted", "ours", "theirs"),
    [
        (RERANK._replace(pin="local"), "", "pinned"),
        (RERANK._replace(pin=BEN), "pinned", ""),
        (RERANK._replace(stays_here=True), "", "pinned"),
    ],
)
def test_a_pin_and_a_request_that_stays_leave_out_the_rest(wanted: Wanted, ours: str, theirs: str) -> None:
    assert [(ME, "r", ours), (BEN, "r", theirs)] == asked(wanted, [HAS])


@pytest.mark.parametrize("agent", [replace(HAS, place="cloud"), replace(HAS, last_resort=True)], ids=["cloud", "paid"])
def test_what_must_stay_here_reaches_no_cloud_and_no_last_resort(agent: Agent) -> None:
    assert (ME, "r", "place") in asked(RERANK._replace(stays_here=True), [agent])


@pytest.mark.parametrize(
    ("reach", "place", "other", "ours", "theirs"),
    [
        ("my machines", "here", OTHER, "", "privacy:r"),
        ("my machines", "here", OTHER._replace(is_mine=True), "", ""),
        ("my machines", "cloud", OTHER._replace(is_mine=True), "privacy:r", "privacy:r"),
        ("approved", "other host", OTHER, "", ""),
        ("approved", "here", OTHER._replace(is_vouched=False), "", "privacy:r"),
        ("approved", "", OTHER, "privacy:r", "privacy:r"),
        ("anyone", "", OTHER._replace(is_vouched=False), "", ""),
    ],
)
def test_a_rule_says_who_may_be_asked(reach: str, place: str, other: Other, ours: str, theirs: str) -> None:
    agent = replace(HAS, place=place)  # type: ignore[arg-type]
    wanted = RERANK._replace(reach=reach, rule="privacy:r")  # type: ignore[arg-type]

    assert [(ME, "r", ours), (BEN, "r", theirs)] == asked(wanted, [agent], other._replace(agents=[agent]))


def test_only_the_model_that_was_asked_for_will_do() -> None:
    assert [] == asked(RERANK._replace(models=frozenset({"x"})), [HAS])
    assert [(BEN, "r", "")] == asked(RERANK._replace(models=frozenset({"r"})))
