"""Eq. (4) and (5) worked by hand, and the laws of shrinkage."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.scoring import (
    Shrinkage,
    Specialism,
    capability,
    dequantise,
    difficulty,
    mean_capability,
    pair_scores,
    quantise,
)

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


def test_a_vector_survives_the_wire_to_half_a_step() -> None:
    values = np.linspace(0, 1, 64)

    packed = quantise(values)

    assert 64 == len(packed)
    assert np.abs(dequantise(packed) - values).max() <= 0.5 / 255 + 1e-6


# --- vectors that carry means

THIRTY = np.arange(30)  # a prototype each, its own task and category
SEVENTEEN = np.repeat(THIRTY, 17)  # as many questions a category as the built-in set has
TASKS = np.array([0, 0, 1, 2, 2, 3, 4])  # of seven prototypes
CATEGORIES = np.array([0, 0, 0, 1, 1, 1, 2])

Graded = list[tuple[int, float]]  # (prototype, grade) of each question
graded = st.lists(st.tuples(st.integers(0, 6), st.floats(0, 1)), min_size=1, max_size=60)


def means(answers: Graded) -> np.ndarray:
    weights, grades = np.eye(7)[[k for k, _ in answers]], np.array([grade for _, grade in answers])
    return mean_capability(weights, grades, TASKS, CATEGORIES).values


def drawn(strength: np.ndarray, seed: int) -> np.ndarray:
    """The vector of an agent that was asked 17 questions in each of thirty categories."""
    right = np.random.default_rng(seed).random(len(SEVENTEEN)) < strength[SEVENTEEN]
    return mean_capability(np.eye(30)[SEVENTEEN], right.astype(float), THIRTY, THIRTY).values


def test_the_means_by_hand() -> None:
    """Two categories of one prototype, two questions each, (1, 1) and (0, 0). No pull below the category.

    The agent's mean with two imaginary answers at 1/2 is (2 + 1) / 6 = 1/2, and so is its usual level, since both
    categories are as likely usual. Seen from the first, the other has the variance (0 + 1/4) / 3 = 1/12. Of a usual
    category (pull 2 to 1/2) the mean of two answers strays by the variance 1/24 + 1/24, of a special one (pull 1 to
    1/2) by 1/24 + 1/12; it is 1."""
    usual, special = (np.exp(-(0.5**2) / (2 * spread)) / spread**0.5 for spread in (1 / 12, 1 / 8))
    share = special / (special + usual)
    first = (1 - share) * (2 + 2 / 2) / 4 + share * (2 + 1 / 2) / 3

    belief = Specialism(share=0.5, usual=2.0, special=1.0, task=1e12, prototype=1e12)
    answers = np.eye(2)[[0, 0, 1, 1]], np.array([1.0, 1, 0, 0])
    found = mean_capability(*answers, np.arange(2), np.arange(2), belief=belief)

    assert np.allclose([first, 1 - first], found.values)
    assert [2, 2] == found.evidence.tolist()


def test_below_a_category_tasks_and_prototypes_are_pulled_by_hand() -> None:
    """One category of six answers, which is as usual: 1/2 at a pull without end.

    The task of prototypes 0 and 1 has (1, 1, 1) and is half of the category, so that the pull of 3 counts twice:
    (3 + 6 · 1/2) / (3 + 6) = 2/3. Prototype 0 has two of them, so the pull of 2 counts thrice: (2 + 6 · 2/3) / (2 + 6).
    Prototype 1 has one, and the pull counts 3/2: (1 + 3 · 2/3) / (1 + 3). The other task has (0, 0, 0), 1/3, and one
    prototype, which is all of it."""
    belief = Specialism(share=1e-9, usual=1e12, task=3.0, prototype=2.0)
    answers = one_hot(0, 0, 1, 2, 2, 2), np.array([1.0, 1, 1, 0, 0, 0])

    found = mean_capability(*answers, np.array([0, 0, 1]), ONE_CATEGORY, belief=belief).values

    assert np.allclose([3 / 4, 3 / 4, 1 / 3], found)


@given(graded, st.randoms())
def test_the_order_of_questions_does_not_matter(answers: Graded, random: Random) -> None:
    shuffled = random.sample(answers, len(answers))

    assert np.allclose(means(answers), means(shuffled))


@given(graded, st.permutations(range(7)))
def test_the_order_of_prototypes_does_not_matter(answers: Graded, order: list[int]) -> None:
    weights, grades = np.eye(7)[[k for k, _ in answers]], np.array([grade for _, grade in answers])

    found = mean_capability(weights[:, order], grades, TASKS[order], CATEGORIES[order]).values

    assert np.allclose(means(answers)[order], found)


@given(graded, st.data())
def test_a_better_grade_lowers_nothing_in_its_own_category(answers: Graded, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(answers) - 1))
    prototype, grade = answers[index]
    better = [*answers]
    better[index] = prototype, data.draw(st.floats(grade, 1))

    gain = means(better) - means(answers)

    assert np.all(gain[CATEGORIES == CATEGORIES[prototype]] >= -1e-9)


@given(graded)
def test_means_are_probabilities_and_evidence_counts_the_questions(answers: Graded) -> None:
    weights, grades = np.eye(7)[[k for k, _ in answers]], np.array([grade for _, grade in answers])

    found = mean_capability(weights, grades, TASKS, CATEGORIES)

    assert np.all((found.values >= 0) & (found.values <= 1))
    assert np.array_equal(np.bincount([k for k, _ in answers], minlength=7), found.evidence)


def test_a_specialist_of_one_category_in_thirty_is_found() -> None:
    """.85 at home and .5 elsewhere, beside a generalist of .65: in 100 draws of 17 questions a category."""
    home = 4
    strength = np.where(home == THIRTY, 0.85, 0.5)

    specialist = np.stack([drawn(strength, seed) for seed in range(100)])
    generalist = np.stack([drawn(np.full(30, 0.65), 1000 + seed) for seed in range(100)])

    assert np.mean(specialist[:, home] > generalist[:, home]) > 0.65
    others = home != THIRTY
    assert np.mean(specialist[:, others] > generalist[:, others]) < 0.02


def test_one_pull_for_all_hides_that_specialist() -> None:
    """What this folding replaces, so that its reason stays."""
    home, weights = 4, np.eye(30)[SEVENTEEN]

    def older(strength: np.ndarray, seed: int) -> np.ndarray:
        right = np.random.default_rng(seed).random(len(SEVENTEEN)) < strength[SEVENTEEN]
        return capability(weights, right.astype(float), THIRTY).values

    specialist = np.stack([older(np.where(home == THIRTY, 0.85, 0.5), seed) for seed in range(100)])
    generalist = np.stack([older(np.full(30, 0.65), 1000 + seed) for seed in range(100)])

    assert np.mean(specialist[:, home] > generalist[:, home]) < 0.3


def test_what_an_agent_is_special_in_does_not_raise_it_elsewhere() -> None:
    """Right in one category of four alone: its mean is 1/4, its usual level 0."""
    asked = np.repeat(np.arange(4), 17)

    found = mean_capability(np.eye(4)[asked], (asked == 1).astype(float), np.arange(4), np.arange(4)).values

    assert found[1] > 0.9
    assert np.delete(found, 1).max() < 0.05


def test_an_even_agents_means_are_flat() -> None:
    """17 questions a category alone would scatter by .116."""
    found = np.stack([drawn(np.full(30, 0.65), seed) for seed in range(100)])

    assert found.std(axis=1).mean() < 0.116 / 2
    assert abs(found.mean() - 0.65) < 0.01


def test_an_expert_of_one_task_in_a_category_is_seen_there() -> None:
    """Two tasks of one category, 40 questions each, .9 and .3, and an even rest."""
    tasks, categories = np.arange(10), np.array([0, 0, *range(1, 9)])
    asked = np.repeat(np.arange(10), 40)
    strength = np.array([0.9, 0.3, *[0.5] * 8])
    right = (np.random.default_rng(0).random(len(asked)) < strength[asked]).astype(float)

    found = mean_capability(np.eye(10)[asked], right, tasks, categories).values

    assert found[0] - found[1] > 0.15


def test_a_category_without_a_question_is_as_usual() -> None:
    answers = [(k, float(grade)) for k in range(6) for grade in (1, 1, 1, 0) * 3]

    assert means(answers)[6] == pytest.approx(0.75, abs=0.02)


def test_three_right_of_three_leave_some_doubt() -> None:
    found = means([(0, 1.0)] * 3)

    assert np.all((found > 0.75) & (found < 1.0))


def test_means_without_answers_say_nothing() -> None:
    found = mean_capability(np.zeros((0, 3)), np.zeros(0), np.arange(3), ONE_CATEGORY)

    assert ([0, 0, 0], [0, 0, 0]) == (found.values.tolist(), found.evidence.tolist())


def test_means_are_the_difficulty_for_who_answers_as_the_references() -> None:
    base, reference = np.array([0.9, 0.5, 0.2]), np.array([0.0, 1.0, 0.0, 0.0])

    found = mean_capability(one_hot(2, 2, 2, 1), reference, np.arange(3), ONE_CATEGORY, reference, base).values

    assert np.allclose(base, found)


@pytest.mark.parametrize("bad", [-0.01, 1.01, np.nan])
def test_values_out_of_range_are_not_sent(bad: float) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        quantise(np.array([0.5, bad]))
