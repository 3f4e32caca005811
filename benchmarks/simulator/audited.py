"""Liars among peers that were audited: every router has asked every peer some questions of known answers before."""

from collections.abc import Sequence

import numpy as np

from benchmarks.simulator.asks import Answered, Ask
from benchmarks.simulator.contenders import Contender
from benchmarks.simulator.fleet import Fleet
from benchmarks.simulator.request import carry
from benchmarks.simulator.world import Setting, World
from discovery.records import PeerId
from gateway.trust.honesty import Honesty
from profiler.scoring import dequantise

CLAIMED, TRUE, AUDITS, PEERS = 0.9, 0.6, 40, 4000  # the lie that is to be found out, within so many audits
_BEN = PeerId("ben")


def simulate_audited(
    setting: Setting, who: Contender, asks: Sequence[Ask], fleet: Fleet, audits: int
) -> list[Answered]:
    """One run as `simulate`; every router has made so many audits of every other peer before, by the learnt half."""
    world = World(setting, who.policy_of, fleet.seed)
    for entry in {ask.entry for ask in asks}:
        for peer in range(len(setting.peers)):
            if peer != entry:
                _audit(world, fleet, entry, peer, audits)
        world.nodes[entry].roster_changed()  # so that its roster is built anew
    return carry(world, asks)


def found_out(seed: int) -> dict[str, object]:
    """Of peers that claim .9 and are right in .6, the share that is found out within 40 audits; of honest .9, too."""
    rng = np.random.default_rng([seed, 8])
    return {f"claimed {CLAIMED:g}, true {true:g}": _share(true, rng) for true in (TRUE, CLAIMED)}


def _share(true: float, rng: np.random.Generator) -> dict[str, object]:
    found = []
    for _ in range(PEERS):
        honesty, worst = Honesty(), False
        for score in (rng.random(AUDITS) < true).astype(float).tolist():
            honesty.audited(_BEN, CLAIMED, score, 0.0)
            worst = worst or honesty.standing(_BEN, 0.0).verdict == "worse"
        found.append(worst)
    mean, half = float(np.mean(found)), 1.96 * float(np.std(found)) / PEERS**0.5
    return {"of": f"found out within {AUDITS} audits", "mean": mean, "ci": [mean - half, mean + half]}


def _audit(world: World, fleet: Fleet, entry: int, peer: int, audits: int) -> None:
    """What audits of one peer find: whether its model was right, by the recorded outcomes."""
    recorded, spec, node = fleet.recorded, world.setting.peers[peer], world.nodes[entry]
    rows = np.random.default_rng([fleet.seed, 7, entry, peer]).choice(fleet.learn, audits)
    vector = dequantise(spec.agent.profiles[recorded.gate.space].capability)
    claimed = recorded.relevance[rows] @ vector
    scores = np.zeros(audits) if spec.answers_wrong else recorded.grades[rows, spec.model]
    name, there = spec.agent.name, world.ids
    for row, claim, score in zip(rows.tolist(), claimed.tolist(), scores.tolist(), strict=True):
        node.observations.observe(there[peer], name, str(recorded.category[row]), score, 1.0, 0.0)
        node.honesty.audited(there[peer], min(1.0, claim), score, 0.0, there)
