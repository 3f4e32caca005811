"""The first hour of a new user: a laptop with the small model, beside it a machine with a 32B that nobody measured.

Names, worth, costs, beliefs and policy together; questions come one at a time and last as long as they would.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from discovery.records import Agent, Profile
from gateway.beliefs.jobs import Outcome
from gateway.models.priors import Priors
from gateway.models.published import shipped_priors
from gateway.routing.query import Query
from gateway.routing.worth import Space
from tests.gateway.routing.ada import Ada

EVERYDAY = ("maths", "coding", "sql", "food", "travel", "translation", "medicine", "tool use", "small talk", "law")
BENCHMARKS = ("mmlu", "gsm8k", "cmmlu", "humaneval", "health", "law", "arc_challenge", "history", "math", "cs")
SMALL = Agent("SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct", 8192, place="here")
LARGE = Agent("qwen3:32b", "qwen3:32b", 32768)
TOKENS_A_S = {"SmolLM2-135M-Instruct": 100.0, "llama3.2:3b": 60.0, "qwen3:32b": 30.0}
ANSWER = 200  # tokens


def measured(agent: Agent, values: Sequence[float], questions: int = 20) -> Agent:
    profile = Profile(bytes(round(255 * value) for value in values), (questions,) * len(values))
    return replace(agent, profiles={"s": profile})


def laptop(agent: Agent, space: Space, priors: Priors, **large: object) -> Ada:
    ada = Ada(priors=priors)
    ada.node.use_space(space)
    ada.node.serve([agent])
    ada.busy(0, 1)
    ada.meet(1, LARGE, **large)
    return ada


def asked(ada: Ada, categories: Sequence[str], questions: int) -> list[tuple[str, str]]:
    """(category, who answered) of questions one after another, each carried out and learnt from."""
    answered = []
    for number in range(questions):
        place = number % len(categories)
        relevance = np.zeros(len(categories))
        relevance[place] = 1.0
        query = Query(relevance=relevance, category=categories[place], prompt_tokens=60, max_tokens=512)
        target = ada.decide(query).target
        reservation = ada.node.dispatch(target, ada.now)
        took_s = 0.2 + ANSWER / TOKENS_A_S[target.model]
        ada.now += took_s
        ada.node.observe(reservation, Outcome(target.peer_id, "ok", 0.2, took_s, ANSWER), ada.now)
        answered.append((categories[place], target.model))
        ada.now += 5.0
    return answered


@pytest.mark.parametrize("priors", [shipped_priors(), Priors()], ids=["table", "curves"])
@pytest.mark.parametrize("categories", [EVERYDAY, BENCHMARKS], ids=["everyday", "benchmarks"])
@pytest.mark.parametrize("carries_means", [True, False], ids=["means", "bounds"])
@pytest.mark.parametrize("value", [None, 0.2, 0.5, 0.95], ids=["unmeasured", "weak", "lucky", "very lucky"])
@pytest.mark.parametrize("is_embedded", [True, False], ids=["embedded", "engine"])
def test_of_thirty_questions_to_a_laptop_with_a_135m_the_32b_beside_it_answers_28(
    priors: Priors, categories: Sequence[str], carries_means: bool, value: float | None, is_embedded: bool
) -> None:
    small = SMALL if value is None else measured(SMALL, [value] * len(categories))
    ada = laptop(replace(small, is_embedded=is_embedded), Space("s", tuple(categories), carries_means), priors)

    found = Counter(model for _, model in asked(ada, categories, 30))

    assert found[LARGE.model] >= 28


def test_measuring_the_small_one_alone_leaves_the_large_one_as_good_as_it_was() -> None:
    space = Space("s", EVERYDAY, carries_means=True)
    before, after = (
        laptop(small, space, shipped_priors()).decide(Query(relevance=np.full(len(EVERYDAY), 0.1))).candidates[1].score
        for small in (SMALL, measured(SMALL, [0.2] * len(EVERYDAY)))
    )

    assert before == after


def test_while_the_32b_has_its_slots_full_the_laptop_helps_only_where_it_is_good_enough() -> None:
    """Some seconds of waiting are worth a few points of score, not forty."""
    good = [0.75 if category in ("small talk", "food") else 0.3 for category in EVERYDAY]
    own = replace(measured(Agent("llama3.2:3b", "llama3.2:3b", 8192, place="here"), good), is_embedded=False)
    ada = laptop(own, Space("s", EVERYDAY, carries_means=True), shipped_priors(), running=2, waiting=2)

    helped = set()
    for category in EVERYDAY:
        relevance = np.array([float(category == other) for other in EVERYDAY])
        target = ada.decide(Query(relevance=relevance, category=category, prompt_tokens=60, max_tokens=512)).target
        helped |= {category} if target.local else set()

    assert {"small talk", "food"} == helped
