"""What we say of our agents (P): which the engine serves, in what order, and as much of it as a card holds."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from discovery.envelopes import card_bytes
from discovery.records import AGENTS_LIMIT, CARD_LIMIT_BYTES, WHOLE, Agent, Card, Profile, printable
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


@dataclass(frozen=True, slots=True)
class OwnEngine:
    """One of our engines, as far as its agents are concerned: what it is called, its number, what is known of it."""

    name: str
    number: int  # WHOLE while it is the only one
    state: EngineState
    last_resort: bool = False


# (agent, whether models of several kinds have its name) -> space -> its vector, the newest last
Profiles = Callable[[str, bool], Mapping[str, Profile]]


def own_agents(engines: Sequence[OwnEngine], profiles: Profiles, first: Sequence[str] = ()) -> tuple[Agent, ...]:
    """What our engines serve, as agents with their vectors; nothing of an engine that does not answer.

    Replicas are one agent by several engines, and stand here once an engine: the same model of one family,
    quantisation and context. Any other model of a name that is taken is called NAME@ENGINE, also while the engine that
    has the name does not answer: an agent keeps its name and its vector.

    `first` are names of agents that come first, in this order; the others follow as the engines list them.
    """
    agents: list[Agent] = []
    kinds: dict[str, _Kind] = {}  # by agent
    shared = _shared_names(engines)
    for engine in engines:
        for model in _models(engine):
            name, kind = model.name, _kind(model, engine)
            if kinds.setdefault(name, kind) != kind:
                name = printable(f"{model.name[: 127 - len(engine.name)]}@{engine.name}", 128)
                kinds.setdefault(name, kind)
            if engine.state.is_ready:
                agents.append(_agent(name, model, engine, profiles(name, model.name in shared)))
    return in_order(agents, first)


def in_order(agents: Sequence[Agent], first: Sequence[str]) -> tuple[Agent, ...]:
    """The agents, those named in `first` in front."""
    rank = {name: number for number, name in enumerate(first)}
    return tuple(sorted(agents, key=lambda agent: rank.get(agent.name, len(rank))))


def distinct(agents: Sequence[Agent]) -> tuple[Agent, ...]:
    """The agents as others see them: replicas are one, served by the peer as a whole."""
    counts = Counter(agent.name for agent in agents)
    by_name = {agent.name: agent for agent in reversed(agents)}
    names = dict.fromkeys(agent.name for agent in agents)
    return tuple(replace(by_name[name], engine=WHOLE) if counts[name] > 1 else by_name[name] for name in names)


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


_Kind = tuple[str, str, int]  # family, quantisation, context: replicas have all three in common


def _kind(model: EngineModel, engine: OwnEngine) -> _Kind:
    return engine.state.family, model.quantisation, model.context_tokens


def _models(engine: OwnEngine) -> list[EngineModel]:
    """What it serves, or served when it last answered."""
    return list({model.name: model for model in engine.state.models if model.name}.values())


def _shared_names(engines: Sequence[OwnEngine]) -> set[str]:
    """Names that models of several kinds have."""
    kinds = {(model.name, _kind(model, engine)) for engine in engines for model in _models(engine)}
    counts = Counter(name for name, _ in kinds)
    return {name for name, count in counts.items() if count > 1}


def _fits(card: Card, agents: Sequence[Agent]) -> bool:
    return card_bytes(replace(card, agents=tuple(agents))) <= CARD_LIMIT_BYTES


def _agent(name: str, model: EngineModel, engine: OwnEngine, profiles: Mapping[str, Profile]) -> Agent:
    return Agent(
        name=name,
        model=model.name,
        context_tokens=min(max(0, model.context_tokens), 2**31 - 1),
        modalities=_modalities(model.modalities) or ("text",),
        profiles=profiles,
        untold=_modalities(model.untold),
        place=engine.state.place or "",
        is_embedded=engine.state.is_embedded,
        parameters=model.parameters,
        quantisation=printable(model.quantisation, 32),
        engine=engine.number,
        last_resort=engine.last_resort,
        endpoints=model.endpoints,
        continues=model.continues,
    )


def _modalities(said: Sequence[str]) -> tuple[str, ...]:
    """What the engine says, within what a card holds."""
    named = dict.fromkeys(printable(modality, 16) for modality in said)
    return tuple(name for name in named if name)[:8]
