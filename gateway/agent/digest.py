"""Says in eight digits how a personal agent is configured (P): what is measured of one is not of another."""

from dataclasses import MISSING, Field, fields, is_dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from gateway.agent.settings import AgentSettings

# who may use the agent, what it is for, how its sources are shown; its engine and model are told as its base
_SHAPES_NO_ANSWER = frozenset({"description", "engine", "model", "sources", "use", "questions", "topics"})


def digest_of(settings: AgentSettings, base: str, documents: int = 0) -> str:
    """8 hex digits of all that shapes an answer: the prompt, the model, where documents lie, tools and limits.

    `base`: the model that it asks. `documents`: how many it has read. They count in doublings, so that an agent is
    measured anew once it knows much more or much less, and not with each file that is saved.
    """
    shaping = {name: value for name, value in _changed(settings).items() if name not in _SHAPES_NO_ANSWER}
    encoded = msgspec.json.encode((shaping, base, documents.bit_length()), order="deterministic")
    return blake2b(encoded, digest_size=4).hexdigest()


def _changed(settings: Any) -> dict[str, Any]:
    """The keys that are not at their default: one that a later version adds makes no agent another."""
    values = ((each, getattr(settings, each.name)) for each in fields(settings))
    return {each.name: _value(value) for each, value in values if value != _default(each)}


def _value(value: Any) -> Any:
    if is_dataclass(value):
        return _changed(value)
    return [_value(one) for one in value] if isinstance(value, tuple) else value


def _default(each: Field[Any]) -> Any:
    return each.default_factory() if each.default_factory is not MISSING else each.default
