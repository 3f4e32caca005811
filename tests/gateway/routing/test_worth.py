"""What agents are worth: each term moves what it is to move, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.records import Agent, PeerId, Profile
from gateway.models.priors import Priors
from gateway.models.published import shipped_priors
from gateway.routing.worth import (
    CLAIM_LIMIT,
    NAMES_SPREAD,
    PROVEN_LIMIT,
    STRANGER,
    Basis,
    Space,
    Trial,
    Worth,
    claims,
    corrected,
)
from gateway.trust.observed import Observations

CATEGORIES = ("maths", "coding", "food", "small talk", "maths")
OLD, NEW = Space("s", CATEGORIES), Space("s", CATEGORIES, carries_means=True)
BEN, CLEO = PeerId("ben"), PeerId("cleo")
TINY, LARGE = Agent("SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct", 0), Agent("qwen3:32b", "qwen3:32b", 0)
TERMS = ("claimed", "weight", "doubt", "limit", "right", "seen")


def measured(agent: Agent, value: float, questions: int = 20) -> Agent:
    """Asked so many questions a prototype, always as good."""
    profile = Profile(bytes([round(255 * value)]) * 5, (questions,) * 5)
    return replace(agent, profiles={"s": profile})


def worth(*agents: Agent, honesty: float | None = 1.0, space: Space = NEW, priors: Priors | None = None) -> Worth:
    return claims(agents, [honesty] * len(agents), space, priors or shipped_priors())[0]


def changed(one: Worth, other: Worth) -> dict[str, list[int]]:
    """The terms that differ, and at which prototypes."""
    differ = {name: np.flatnonzero(getattr(one, name)[0] != getattr(other, name)[0]).tolist() for name in TERMS}
    return {name: where for name, where in differ.items() if where}


# --- claims ---


def test_a_personal_agent_is_expected_to_do_as_its_model_does() -> None:
    """Not as its own name lets expect, which may be any model's."""
    model = Agent("qwen3:8b", "qwen3:8b", 4096)
    agents = [model, replace(model, name="llama3.1:405b", model="llama3.1:405b", kind="agent", base="qwen3:8b")]

    expected, bases, _ = claims(agents, [1.0, 1.0], NEW, shipped_priors())

    assert expected.value[0].tolist() == expected.value[1].tolist()
    assert bases[0].claim == bases[1].claim


def test_without_a_vector_the_name_counts_and_with_one_the_vector() -> None:
    named, vector = worth(LARGE), worth(measured(LARGE, 0.4), honesty=None)

    assert shipped_priors().expected("qwen3:32b").mean("food") == pytest.approx(named.claimed[0, 2])
    assert [0.4] * 5 == pytest.approx(vector.claimed[0], abs=0.002)


@pytest.mark.parametrize(("questions", "share"), [(0, 0.0), (1, 5 / 8), (2, 1.0), (100, 1.0)])
def test_a_vector_takes_over_from_the_name_as_its_evidence_grows(questions: int, share: float) -> None:
    """Of a vector that went stale the evidence falls, and the name comes back. So it is for ours, and for bounds."""
    name, vector = worth(LARGE), measured(LARGE, 0.2, questions)

    for found in (worth(vector, honesty=None), worth(vector, space=OLD)):
        assert share * 0.2 + (1 - share) * name.claimed[0] == pytest.approx(found.claimed[0])


@pytest.mark.parametrize("questions", [0, 1, 12, 48, 200])
def test_a_name_stands_beside_another_s_vector_as_many_answers(questions: int) -> None:
    """The surer the name the more: after 60 questions the luckiest of many equal agents is not believed."""
    name, found = worth(LARGE), worth(measured(LARGE, 0.2, questions))

    share = 5 * questions / (5 * questions + NAMES_SPREAD * name.weight[0])
    assert share * 0.2 + (1 - share) * name.claimed[0] == pytest.approx(found.claimed[0])


def test_a_claim_weighs_eight_answers_at_most_times_the_honesty_of_its_peer() -> None:
    many = measured(LARGE, 0.9, 1000)

    assert {CLAIM_LIMIT} == set(worth(many).weight[0])
    assert {CLAIM_LIMIT * STRANGER} == set(worth(many, honesty=STRANGER).weight[0])
    assert (worth(LARGE).weight <= CLAIM_LIMIT).all()
    assert (worth(LARGE, honesty=STRANGER).weight == STRANGER * worth(LARGE).weight).all()


def test_a_vector_that_audits_bear_out_weighs_more_and_a_name_does_not() -> None:
    """Else the few answers of forty audits blur what thousands have measured."""
    many = measured(LARGE, 0.9, 1000)

    def weights(agent: Agent, certain: float, honesty: float = 1.0) -> set[float]:
        return set(claims([agent], [honesty], NEW, shipped_priors(), [certain])[0].weight[0])

    assert [{CLAIM_LIMIT}, {(CLAIM_LIMIT + PROVEN_LIMIT) / 2}, {PROVEN_LIMIT}] == [
        weights(many, certain) for certain in (0.0, 0.5, 1.0)
    ]
    assert {PROVEN_LIMIT * STRANGER} == weights(many, 1.0, STRANGER)
    assert {40.0, 20.0} == weights(measured(LARGE, 0.9), 1.0)  # no more than was asked
    assert weights(LARGE, 0.0) == weights(LARGE, 1.0)


def test_our_own_answers_weigh_what_they_are() -> None:
    """Two prototypes are of mathematics: 40 questions."""
    assert [40.0, 20.0, 20.0, 20.0, 40.0] == worth(measured(LARGE, 0.9), honesty=None).weight[0].tolist()


def test_the_name_of_an_agent_of_ours_counts_nothing_beside_its_answers() -> None:
    large, other = (worth(measured(agent, 0.5), honesty=None) for agent in (LARGE, Agent("x", "x", 0)))

    assert {} == changed(large, other)


def test_doubt_is_taken_off_once() -> None:
    """By who publishes in a space of the older kind, by us in one whose vectors carry means."""
    old, new, name = (worth(measured(LARGE, 0.8), space=OLD), worth(measured(LARGE, 0.8, 5000)), worth(LARGE))

    assert [0.8] * 5 == pytest.approx(old.value[0])
    assert (new.value[0] < 0.8).all()
    assert (new.value[0] > 0.77).all()
    assert (name.value < name.claimed).all()


def test_of_two_equal_claims_the_better_known_one_is_worth_more() -> None:
    few, many = worth(measured(LARGE, 0.9, 3)), worth(measured(LARGE, 0.9, 100))
    trusted, stranger = worth(LARGE), worth(LARGE, honesty=STRANGER)

    assert (few.value < many.value).all()
    assert (stranger.value < trusted.value).all()


def test_a_vector_changes_nobody_else_s_worth() -> None:
    alone = worth(LARGE).value[0]

    for value in (0.0, 0.3, 1.0):
        assert (alone == worth(LARGE, measured(TINY, value)).value[0]).all()


@pytest.mark.parametrize("space", [OLD, NEW])
@pytest.mark.parametrize("honesty", [None, 1.0])
@settings(deadline=None)
@given(value=st.floats(0, 1), questions=st.integers(0, 1000))
def test_no_measurement_puts_a_135m_before_a_32b_that_nobody_measured(
    space: Space, honesty: float | None, value: float, questions: int
) -> None:
    tiny = worth(measured(TINY, value, questions), honesty=honesty, space=space)

    for large in ("qwen3:32b", "qwen1.5:32b", "yi:34b", "nobody-knows:32b", "qwen2.5-coder:32b-q4_K_M"):
        assert (tiny.value < worth(Agent(large, large, 0), space=space).value).all(), large


def test_an_agent_with_a_purpose_of_its_own_is_believed_whatever_its_size() -> None:
    helper = replace(measured(TINY, 0.95), topics=("our invoices",))

    assert (worth(helper).value > 0.9).all()
    assert (worth(measured(TINY, 0.95)).value < 0.7).all()


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 50), st.booleans()), max_size=4))
def test_worth_is_a_share_whatever_is_claimed(rows: list[tuple[float, int, bool]]) -> None:
    agents = [measured(LARGE, value, count) if has else LARGE for value, count, has in rows]

    found = worth(*agents)

    assert (len(rows), 5) == found.value.shape
    assert ((found.value >= 0) & (found.value <= 1)).all()


# --- what was seen ---


def seeing(of: Worth, observed: Observations, now: float = 0.0, agent: str = "a") -> Worth:
    right, seen = observed.seen(BEN, agent, CATEGORIES, now)
    return of.seeing(right[None], seen[None])


def test_an_observation_moves_what_was_seen_in_its_category_and_nothing_else() -> None:
    """Mathematics has the prototypes 0 and 4. Another agent, of the same peer or another's, stays as it is."""
    observed, before = Observations(), worth(LARGE)

    observed.observe(BEN, "a", "maths", 1.0, 1.0, 0.0)

    assert {"right": [0, 4], "seen": [0, 4]} == changed(before, seeing(before, observed))
    assert {} == changed(before, seeing(before, observed, agent="b"))
    assert [0.0] * 5 == observed.seen(CLEO, "a", CATEGORIES, 0.0)[1].tolist()


def test_what_was_seen_replaces_the_claim() -> None:
    observed, claimed = Observations(), worth(measured(LARGE, 0.9, 1000))
    for _ in range(8):
        observed.observe(BEN, "a", "food", 0.0, 1.0, 0.0)

    assert 0.45 == pytest.approx(seeing(claimed, observed).mean[0, 2], abs=0.01)  # eight answers against eight
    assert seeing(worth(LARGE), observed).mean[0, 2] < 0.45


def test_what_is_claimed_of_an_agent_s_topics_gives_way_to_what_was_seen() -> None:
    """As a vector does: eight answers weigh as much as the claim."""
    assert [0.8, 0.4, 0.0] == pytest.approx([corrected(0.8, 0.0, seen) for seen in (0.0, 8.0, 1e15)], abs=1e-9)


def test_a_hint_counts_less_than_a_grade() -> None:
    grade, hint = Observations(), Observations()
    grade.observe(BEN, "a", "food", 0.0, 1.0, 0.0)
    hint.observe(BEN, "a", "food", 0.0, 0.2, 0.0)

    means = [seeing(worth(LARGE), observed).mean[0, 2] for observed in (grade, hint, Observations())]

    assert sorted(means) == means


# --- strangers ---


def test_strangers_together_get_a_tenth() -> None:
    """Whenever there is room one of them is asked; over any hundred requests ten at most."""
    trial, went = Trial(), []
    for _ in range(1000):
        went.append(trial.has_room)
        trial.note(went[-1])

    assert not any(went[:9])
    assert all(sum(went[start : start + 100]) <= 12 for start in range(900))
    assert 80 <= sum(went) <= 100


def test_a_long_time_without_strangers_saves_nothing_up() -> None:
    trial = Trial()
    for _ in range(10_000):
        trial.note(False)

    in_a_row = 0
    while trial.has_room:
        trial.note(True)
        in_a_row += 1

    assert in_a_row <= 10


# --- words ---


def test_what_a_score_rests_on_is_said_in_words() -> None:
    by_details = replace(LARGE, model="m", parameters=7_600_000_000)

    _, bases, _ = claims([LARGE, measured(TINY, 0.3), by_details], [1.0] * 3, NEW, Priors())

    assert [
        "prior from the name: 32B qwen3",
        "measured on 20 questions of food",
        "prior from what its engine says: 7.6B m",
    ] == [basis.words("food") for basis in bases]
    assert "measured on 100 questions" == bases[1].words("travel")
    assert "prior from the name: 7B x; 3 answers graded here" == Basis("7B x", False, seen=3).words("food")
