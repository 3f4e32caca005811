"""What we say of our agents (P): which the engine serves, in what order, and as much of it as a card holds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from discovery.envelopes import card_bytes
from discovery.records import AGENTS_LIMIT, CARD_LIMIT_BYTES, Agent, Card, Profile, printable
from gateway.engines.engine_state import EngineModel, EngineState


@dataclass(frozen=True, slots=True)
class AgentsConfig:
    """What is told of our agents."""

    # names of models, those first that others should hear of first: a card holds at most 16 of them
    publish: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fitted:
    """A card that can be sealed, and what had to be left out of it, in words for the owner."""

    card: Card
    left_out: tuple[str, ...] = ()


def own_agents(
    state: EngineState, profiles: Callable[[str], Mapping[str, Profile]], first: Sequence[str] = ()
) -> tuple[Agent, ...]:
    """What our engine serves, as agents with their vectors; none while it does not answer.

    `profiles` gives an agent's vectors, space -> Profile, the newest space last. `first` are names of agents that come
    first, in this order; the others follow as the engine lists them.
    """
    if not state.is_ready:
        return ()
    models = {model.name: model for model in state.models if model.name}
    names = dict.fromkeys([*(name for name in first if name in models), *models])
    return tuple(_agent(models[name], state, profiles(name)) for name in names)


def fit(card: Card) -> Fitted:
    """The card in 8 KiB and with at most 16 agents. Until it fits, this is left out:

    1. the older vectors of agents, those of the last agent first;
    2. the last agent. Who stays keeps its newest vector.
    """
    agents, older, dropped = list(card.agents[:AGENTS_LIMIT]), [], [agent.name for agent in card.agents[AGENTS_LIMIT:]]
    for index in reversed(range(len(agents))):
        if _fits(card, agents):
            break
        if len(agents[index].profiles) > 1:
            older.append(agents[index].name)
            agents[index] = replace(agents[index], profiles=dict(list(agents[index].profiles.items())[-1:]))
    while agents and not _fits(card, agents):
        dropped.insert(0, agents.pop().name)
    left_out = [f"the agent {name}" for name in dropped]
    left_out += [f"the older vector of {name}" for name in reversed(older) if name not in dropped]
    return Fitted(replace(card, agents=tuple(agents)), tuple(left_out))


def _fits(card: Card, agents: Sequence[Agent]) -> bool:
    return card_bytes(replace(card, agents=tuple(agents))) <= CARD_LIMIT_BYTES


def _agent(model: EngineModel, state: EngineState, profiles: Mapping[str, Profile]) -> Agent:
    return Agent(
        name=model.name,
        model=model.name,
        context_tokens=min(max(0, model.context_tokens), 2**31 - 1),
        modalities=_modalities(model.modalities) or ("text",),
        profiles=profiles,
        untold=_modalities(model.untold),
        place=state.place or "",
        is_embedded=state.is_embedded,
        parameters=model.parameters,
        quantisation=printable(model.quantisation, 32),
    )


def _modalities(said: Sequence[str]) -> tuple[str, ...]:
    """What the engine says, within what a card holds."""
    named = dict.fromkeys(printable(modality, 16) for modality in said)
    return tuple(name for name in named if name)[:8]
