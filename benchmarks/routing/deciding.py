"""`python -m benchmarks.routing.deciding`: what one decision costs, and what learning from its outcome does.

A peer in memory with so many agents to choose among, its own first, on beliefs as a busy network has them. For each
query somebody is chosen and reserved, and the outcome is told; nobody is probed, since
asking is not this peer's work. Figures are microseconds, which a tenth of the queries took less than: other work on
the machine slows the rest down.

    decide    from a query to a choice and its first candidate: `Node.alone`, or plan, decide and choice
    observe   reserve the first of them, and learn from its answer
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.gossip.cluster import card_of, id_of, pulse_of, signed
from discovery.admission import Admission
from discovery.gossip import Gossip
from discovery.records import Agent, Card, Profile, Pulse
from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.jobs import Doing, Outcome
from gateway.beliefs.table import Beliefs
from gateway.routing.choice import Choice
from gateway.routing.node import Node
from gateway.routing.policies import policy
from gateway.routing.policy import SchedulerConfig
from gateway.routing.query import Query
from gateway.routing.worth import Space

NET = "deciding"
PROTOTYPES = 128  # the shipped gate's
RELEVANT = 4  # of which a query is about so many
ROWS = 11  # that a choice names, as many as a course may ask
SLOTS = 8


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.routing.deciding",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--candidates", default="1,2,8,16,64,1000", help="so many, our own agent among them")
    parser.add_argument("--queries", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(argv)
    rows = [measured(int(count), options.queries, options.seed) for count in options.candidates.split(",")]
    if options.json:
        print(json.dumps({"rows": rows}))
    else:
        print("| candidates | decide, µs | observe, µs |\n|--:|--:|--:|")
        print("\n".join(f"| {row['candidates']} | {row['decide_us']} | {row['observe_us']} |" for row in rows))
    return 0


def measured(candidates: int, queries: int, seed: int = 0) -> dict[str, float]:
    """One row, of so many queries."""
    rng = np.random.default_rng(seed)
    node, now = network(candidates, seed), 100.0
    decide_s, observe_s = list[float](), list[float]()
    for _ in range(queries):
        query = _query(rng, is_judged=candidates > 1)
        began = time.perf_counter()
        first = _decide(node, query, now).order[0]
        decided = time.perf_counter()
        reservation = node.dispatch(first, now)
        node.observe(reservation, Outcome(reservation.queue, "ok", 0.3, 0.8, 40), now + 0.8)
        observe_s.append(time.perf_counter() - decided)
        decide_s.append(decided - began)
        now += 0.01
    return {"candidates": candidates, "decide_us": _quick_us(decide_s), "observe_us": _quick_us(observe_s)}


def _quick_us(took_s: Sequence[float]) -> float:
    return round(statistics.quantiles(took_s, n=10)[0] * 1e6, 1)


def _decide(node: Node, query: Query, now: float) -> Choice:
    choice, _ = node.alone(query, now, ROWS)
    if choice is None:
        choice = node.decide(query, node.plan(query, now), now).choice(ROWS)
    return choice


def network(candidates: int, seed: int) -> Node:
    """A peer that knows so many agents, one a peer and its own first, and has heard pulses of all."""
    rng = np.random.default_rng(seed)
    gossip = Gossip(id_of(0), 1, signed, random.Random(seed), vouched=lambda _: True)
    gossip.publish(_card(0, rng), 0.0)
    config = SchedulerConfig()
    space = Space("deciding", tuple(f"category {k % 30}" for k in range(PROTOTYPES)), carries_means=True)
    others = frozenset(id_of(number) for number in range(1, candidates))
    node = Node(
        "we", gossip, Admission("allowlist", NET, None, others), policy(config), Beliefs(BeliefConfig()), rng,
        space, alone=config,
    )  # fmt: skip
    node.serve(_card(0, rng).agents)
    node.count_own([Doing(2, SLOTS, 0)], 0.0)
    for number in range(1, candidates):
        first, second = _pulse(number, 1, rng), _pulse(number, 2, rng)
        node.receive(gossip.learn([signed(_card(number, rng)), signed(first)], 98.0).events, 98.0)
        node.receive(gossip.learn([signed(second)], 99.0).events, 99.0)
    return node


def _query(rng: np.random.Generator, *, is_judged: bool) -> Query:
    relevance = np.zeros(PROTOTYPES)
    relevance[rng.choice(PROTOTYPES, RELEVANT, replace=False)] = 1 / RELEVANT
    judged = relevance if is_judged else None
    return Query(relevance=judged, category="category 1", prompt_tokens=80, max_tokens=64, body_bytes=300, session="s")


def _card(number: int, rng: np.random.Generator) -> Card:
    capability = bytes(rng.integers(0, 256, PROTOTYPES, dtype=np.uint8))
    profile = Profile(capability, (9,) * PROTOTYPES)
    agents = (Agent("small", "test/small", 4096, profiles={"deciding": profile}),)
    return replace(card_of(id_of(number), name=f"peer-{number}"), slots=SLOTS, agents=agents)


def _pulse(number: int, seq: int, rng: np.random.Generator) -> Pulse:
    idle = pulse_of(id_of(number), seq=seq, t_ms=1000 * seq, running=int(rng.integers(SLOTS)))
    return replace(
        idle, slots=SLOTS, arrivals=5 * seq, completions=4 * seq, busy_ms=3000 * seq, tokens_in=400 * seq,
        tokens_out=300 * seq,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
