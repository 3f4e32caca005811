"""What our card says of our agents (P): those that the engine serves, with as many of their vectors as fit."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from discovery.records import SPACES_LIMIT, Agent, Card, Profile, printable
from gateway.engines.engine_state import EngineModel, EngineState


def own_agents(state: EngineState, profiles: Callable[[str], Mapping[str, Profile]]) -> tuple[Agent, ...]:
    """What our engine serves, as agents with their vectors; none while it does not answer.

    `profiles` gives an agent's vectors, space -> Profile, the newest space last.
    """
    if not state.is_ready:
        return ()
    models = {model.name: model for model in state.models}
    return tuple(
        Agent(name, name, min(max(0, model.context_tokens), 2**31 - 1), _modalities(model), profiles(name))
        for name, model in models.items()
        if name
    )


def _modalities(model: EngineModel) -> tuple[str, ...]:
    """What the engine says, within what a card holds; text where it says nothing."""
    named = dict.fromkeys(printable(modality, 16) for modality in model.modalities)
    return tuple(name for name in named if name)[:8] or ("text",)


def shortened(card: Card) -> Iterator[Card]:
    """The card, then with the newest vector of each agent alone, then with none: it must fit into 8 KiB."""
    for spaces in (SPACES_LIMIT, 1, 0):
        yield replace(card, agents=tuple(_with_newest(agent, spaces) for agent in card.agents))


def _with_newest(agent: Agent, spaces: int) -> Agent:
    """The agent with its newest vectors only."""
    return replace(agent, profiles=dict(list(agent.profiles.items())[-spaces:] if spaces else ()))
