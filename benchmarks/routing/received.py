"""What agents are scored by at a peer that received their vectors, or knows their names alone."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from discovery.records import Agent, Profile
from gateway.models.published import shipped_priors
from gateway.routing.worth import Space, claims
from profiler.qagate import QAGate
from profiler.scoring import Capability, quantise

Floats = npt.NDArray[Any]


def received(
    gate: QAGate, vectors: Sequence[Capability | None], models: Sequence[str], carries_means: bool | None = None
) -> Floats:
    """(N, K): their vectors as they travel, 8 bits an entry, less the doubt that the receiver takes off.

    As gateway/routing/worth.py has it. A vector that is None was not measured: its model's name counts.
    `carries_means`: None for as the gate says.
    """
    agents = []
    for found, model in zip(vectors, models, strict=True):
        evidence = () if found is None else tuple(found.evidence.tolist())
        profiles = {} if found is None else {gate.space: Profile(quantise(found.values), evidence)}
        agents.append(Agent(model, model, 32768, profiles=profiles))
    space = Space(gate.space, gate.categories, gate.carries_means if carries_means is None else carries_means)
    worth, _, _ = claims(agents, [1.0] * len(agents), space, shipped_priors())
    return worth.value
