"""The first hour of a new user: a laptop with the small model that comes with PPAI, beside it a peer with a 32B.

Nobody has measured the large one, and the small one perhaps. Questions come one after another; each is decided by the
production Node, lasts as long as its engine needs, and is learnt from. In virtual time.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.routing.specialists import Floats, graded
from discovery.admission import Admission
from discovery.envelopes import Signed, seal
from discovery.gossip import Gossip
from discovery.records import Address, Agent, Card, Profile, Pulse, Record, peer_id
from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.jobs import Doing, Outcome
from gateway.beliefs.table import Beliefs
from gateway.models.published import shipped_priors
from gateway.routing.node import Node
from gateway.routing.policies import policy
from gateway.routing.policy import SchedulerConfig
from gateway.routing.query import Query
from gateway.routing.worth import Space
from profiler.folding import vector
from profiler.qagate import QAGate
from profiler.scoring import quantise

QUESTIONS = 30
NET = "first-hour"
ME, OTHER = (peer_id(bytes([number]) * 32) for number in (1, 2))
SMALL = Agent("SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct", 8192, place="here", is_embedded=True)
MIDDLE = Agent("llama3.2:3b", "llama3.2:3b", 32768, place="here")
LARGE = Agent("qwen3:32b", "qwen3:32b", 32768)
RIGHT = {SMALL.model: 0.17, MIDDLE.model: 0.3, LARGE.model: 0.8}  # of everything; the first as measured, else assumed
GOOD_AT, GOOD = frozenset({"maths", "science", "facts", "food", "travel", "small talk", "advice"}), 0.75  # MIDDLE alone
TOKENS_PER_S = {SMALL.model: 100.0, MIDDLE.model: 60.0, LARGE.model: 30.0}
ANSWER_TOKENS, PROMPT_TOKENS, FIRST_TOKEN_S, THINKS_S, SLOTS = 200, 60, 0.2, 5.0, 2


@dataclass(frozen=True, slots=True)
class Case:
    """Who the laptop runs, who was measured, and whether the large one is busy."""

    laptop: Agent
    measured: tuple[Agent, ...] = ()
    is_full: bool = False  # all slots of the large one are taken by others, for as long as it lasts


CASES = {
    "135M, nobody measured": Case(SMALL),
    "135M measured": Case(SMALL, (SMALL,)),
    "both measured": Case(SMALL, (SMALL, LARGE)),
    "135M measured, 32B full": Case(SMALL, (SMALL,), is_full=True),
    "3B measured": Case(MIDDLE, (MIDDLE,)),
    "3B measured, 32B full": Case(MIDDLE, (MIDDLE,), is_full=True),
    "3B and 32B measured, 32B full": Case(MIDDLE, (MIDDLE, LARGE), is_full=True),
}


def first_hour(gate: QAGate, own: Floats, relevance: Floats, seeds: Sequence[int]) -> dict[str, Any]:
    """{case: {"questions", "to_32b", "least", "kept_where_good", "kept_where_weak"}}.

    How many of the questions went to the large one, mean and least of the seeds; and means of those that the laptop
    kept, of what it is good at and of what it is not. own (n, K): the prototype that each built-in question counts for.
    relevance (m, K) of prompts: each seed draws some.
    """
    found: dict[str, Any] = {}
    for name, case in CASES.items():
        runs = [[*_answers(gate, own, relevance, case, seed)] for seed in seeds]
        went = [sum(is_large for is_large, _ in run) for run in runs]
        kept = {
            good: [sum(not large and is_good is good for large, is_good in run) for run in runs]
            for good in (True, False)
        }
        found[name] = {
            "questions": QUESTIONS,
            "to_32b": _mean(went),
            "least": min(went),
            "kept_where_good": _mean(kept[True]),
            "kept_where_weak": _mean(kept[False]),
        }
    return found


def _answers(gate: QAGate, own: Floats, relevance: Floats, case: Case, seed: int) -> Iterator[tuple[bool, bool]]:
    """Of each question in turn: whether the large one was asked, whether the laptop is good at it."""
    rng = np.random.default_rng(seed)
    laptop, large = (
        _measured(agent, gate, own, rng) if agent in case.measured else agent for agent in (case.laptop, LARGE)
    )
    node = _node(gate, laptop, seed)
    load = replace(_PULSE, running=SLOTS, waiting=SLOTS) if case.is_full else _PULSE
    now = 0.0
    for number, row in enumerate(rng.choice(len(relevance), QUESTIONS)):
        heard: list[Record] = [replace(load, seq=number + 1, t_ms=round(1000 * now))]
        if not number:
            heard.insert(0, _card(large))
        step = node.gossip.learn([_sealed(record) for record in heard], now)
        node.receive(step.events, now)
        category = gate.categories[int(relevance[row].argmax())]
        query = Query(relevance=relevance[row], category=category, prompt_tokens=PROMPT_TOKENS, max_tokens=512)
        chosen = node.decide(query, node.plan(query, now), now).target
        assert chosen is not None, "our own agent can always answer"
        reservation = node.dispatch(chosen, now)
        took_s = FIRST_TOKEN_S + ANSWER_TOKENS / TOKENS_PER_S[chosen.model]
        now += took_s
        node.observe(reservation, Outcome(chosen.peer_id, "ok", FIRST_TOKEN_S, took_s, ANSWER_TOKENS), now)
        now += THINKS_S
        yield chosen.model == LARGE.model, _right(laptop, category) == GOOD


def _right(agent: Agent, category: str) -> float:
    """How often the agent is right there."""
    return GOOD if agent.model == MIDDLE.model and category in GOOD_AT else RIGHT[agent.model]


def _measured(agent: Agent, gate: QAGate, own: Floats, rng: np.random.Generator) -> Agent:
    strengths = np.array([[_right(agent, gate.categories[k]) for k in own.argmax(axis=1)]])
    found = vector(gate, own, graded(strengths, rng)[0])
    return replace(agent, profiles={gate.space: Profile(quantise(found.values), tuple(found.evidence.tolist()))})


def _mean(values: Sequence[int]) -> float:
    return round(float(np.mean(values)), 1)


def _node(gate: QAGate, small: Agent, seed: int) -> Node:
    gossip = Gossip(ME, 1, _sealed, random.Random(seed), vouched=lambda _: True)
    gossip.publish(replace(_card(small), id=ME, name="laptop", gen=0, seq=0), 0.0)
    node = Node(
        "laptop", gossip, Admission("allowlist", NET, None, frozenset({OTHER})), policy(SchedulerConfig()),
        Beliefs(BeliefConfig()), np.random.default_rng(seed), Space(gate.space, gate.categories, gate.carries_means),
        shipped_priors(),
    )  # fmt: skip
    node.serve([small])
    node.count_own([Doing()], 0.0)
    return node


def _card(agent: Agent) -> Card:
    return Card(OTHER, "tower", 1, 1, "join", 0, (Address("10.0.0.2", 8471),), bytes(32), SLOTS, 86400, (agent,))


_PULSE = Pulse(
    id=OTHER, gen=1, seq=1, running=0, waiting=0, slots=SLOTS, arrivals=0, completions=0, busy_ms=0, t_ms=0,
    tokens_in=0, tokens_out=0, admission="open",
)  # fmt: skip


def _sealed(record: Record) -> Signed:
    return seal(record, NET, lambda _: bytes(64))
