"""Eq. (4) and (5) worked by hand, and the laws of shrinkage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.scoring import Shrinkage, capability, dequantise, difficulty, pair_scores, quantise, unprofiled

RELEVANCE = np.array([0.8, 0.2, 0.0])
AGENTS = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 1.0], [0.1, 0.0, 0.0], [0.0, 0.0, 0.0]])
ONE_CATEGORY = np.zeros(3, np.int64)


def one_hot(*prototypes: int, K: int = 3) -> np.ndarray:
    return np.eye(K)[list(prototypes)]


def test_dot_is_the_expected_accuracy() -> None:
    assert np.allclose([0.8, 0.5, 0.08, 0.0], pair_scores(RELEVANCE, AGENTS))


def test_paper_is_the_cosine() -> None:
    """Eq. (5): |f̃| = sqrt(.68), |p_2| = sqrt(1.5); the third agent's weakness cancels, a zero vector scores 0."""
    expected = [0.8 / 0.68**0.5, 0.5 / (0.68 * 1.5) ** 0.5, 0.8 / 0.68**0.5, 0.0]

    assert np.allclose(expected, pair_scores(RELEVANCE, AGENTS, "paper"))


def test_zero_relevance_scores_zero_in_both_modes() -> None:
    for mode in ("dot", "paper"):
        assert [0.0] * 4 == pair_scores(np.zeros(3), AGENTS, mode).tolist()  # type: ignore[arg-type]


def test_column_major_scores_the_same() -> None:
    assert np.array_equal(pair_scores(RELEVANCE, AGENTS), pair_scores(RELEVANCE, np.asfortranarray(AGENTS)))


def test_fixed_pull_by_hand() -> None:
    """Two right on prototype 0, one wrong on 1; one category. No pull on it, one pseudo-question on each prototype:
    the category and the agent are at 2/3; p_0 = (2 + 2/3)/3, p_1 = (0 + 2/3)/2, p_2 = 2/3."""
    fixed = Shrinkage(to_category=(1.0, 1.0), to_mean=(0.0, 0.0), z=0.0)

    found = capability(one_hot(0, 0, 1), np.array([1.0, 1, 0]), ONE_CATEGORY, shrinkage=fixed)

    assert np.allclose([8 / 9, 1 / 3, 2 / 3], found.values)
    assert [2, 1, 0] == found.evidence.tolist()


def test_without_evidence_a_prototype_gets_its_category_and_a_category_the_mean() -> None:
    categories = np.array([0, 0, 1, 2])
    no_margin = Shrinkage(z=0.0)
    right = np.array([1.0] * 20 + [0.0] * 20)

    found = capability(one_hot(*[0] * 20, *[2] * 20, K=4), right, categories, shrinkage=no_margin).values

    assert found[0] >= found[1] > 0.9
    assert found[2] < 0.1
    assert found[3] == pytest.approx(0.5)


def test_a_specialist_is_seen_with_eight_questions_a_category() -> None:
    """The pull is learnt from the agent's own spread; a fixed pull of 30 would publish .3 here."""
    K = 15
    asked = np.repeat(np.arange(K), 8)
    weights, categories = np.eye(K)[asked], np.arange(K)

    specialist = capability(weights, (asked == 4).astype(float), categories).values

    assert specialist[4] > 0.7
    assert np.delete(specialist, 4).max() < 0.1


def test_an_even_agents_noise_is_averaged_away() -> None:
    K = 15
    asked = np.repeat(np.arange(K), 8)
    right = np.random.default_rng(1).random(len(asked)) < 0.5
    raw = np.array([right[asked == k].mean() for k in range(K)])

    found = capability(np.eye(K)[asked], right.astype(float), np.arange(K)).values

    assert found.std() < raw.std() / 2


def test_luck_with_one_question_a_category_is_not_expertise() -> None:
    right = np.zeros(23)
    right[[4, 9]] = 1.0

    found = capability(np.eye(23), right, np.arange(23)).values

    assert found.max() < 0.15


def test_more_evidence_of_the_same_gives_more() -> None:
    few = capability(one_hot(0, 1, 2), np.array([1.0, 1, 0]), ONE_CATEGORY).values
    many = capability(one_hot(*[0, 1, 2] * 50), np.array([1.0, 1, 0] * 50), ONE_CATEGORY).values

    assert many[0] > few[0]


def test_perfect_answers_are_not_certainty() -> None:
    found = capability(one_hot(0, 0, 0), np.ones(3), ONE_CATEGORY).values

    assert np.all((found < 1.0) & (found > 0.8))


def test_without_answers_nothing_is_known() -> None:
    found = capability(np.zeros((0, 3)), np.zeros(0), ONE_CATEGORY)

    assert ([0, 0, 0], [0, 0, 0]) == (found.values.tolist(), found.evidence.tolist())


def test_an_agent_that_answers_as_the_references_do_gets_their_difficulty() -> None:
    """Control variate: it was asked hard questions only, and is not punished for it."""
    base = np.array([0.9, 0.5, 0.2])
    reference = np.array([0.0, 1.0, 0.0, 0.0])

    found = capability(one_hot(2, 2, 2, 1), reference, ONE_CATEGORY, reference, base, shrinkage=Shrinkage(z=0.0)).values

    assert np.allclose(base, found)


def test_beating_the_references_raises_every_prototype() -> None:
    base = np.array([0.4, 0.5, 0.2])

    found = capability(one_hot(*[0, 1, 2] * 20), np.ones(60), ONE_CATEGORY, np.full(60, 0.5), base).values

    assert np.all(found > base + 0.3)


def test_difficulty_follows_the_references() -> None:
    reference = np.array([0.9] * 30 + [0.1] * 30)

    found = difficulty(one_hot(*[0] * 30, *[1] * 30), reference, np.arange(3))

    assert np.allclose([0.9, 0.1, 0.5], found, atol=0.06)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), max_size=40), st.floats(0, 3))
def test_capability_is_always_a_probability(answers: list[tuple[int, float]], z: float) -> None:
    weights = np.eye(6)[[k for k, _ in answers]] if answers else np.zeros((0, 6))
    right = np.array([grade for _, grade in answers])

    found = capability(weights, right, np.array([0, 0, 1, 1, 2, 3]), shrinkage=Shrinkage(z=z))

    assert np.all((found.values >= 0) & (found.values <= 1))
    assert len(answers) == found.evidence.sum()


def test_an_unprofiled_agent_is_the_prior_drawn_to_its_mean_less_a_margin() -> None:
    assert np.allclose([0.35, 0.55], unprofiled(np.array([0.3, 0.7]), keep=0.5, margin=0.05))


def test_a_vector_survives_the_wire_to_half_a_step() -> None:
    values = np.linspace(0, 1, 64)

    packed = quantise(values)

    assert 64 == len(packed)
    assert np.abs(dequantise(packed) - values).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("bad", [-0.01, 1.01, np.nan])
def test_values_out_of_range_are_not_sent(bad: float) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        quantise(np.array([0.5, bad]))
