"""Personal agents as the network knows them (P): further agents on the engines that serve their models.

A row has the doors, slots and abilities of its model; its context is what the owner's prompt leaves of the model's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from discovery.records import WHOLE, Agent, printable
from gateway.agent.settings import AgentSettings
from gateway.models.same import model_key
from gateway.wire.bodies import PERSONAL_ENDPOINTS
from gateway.wire.estimate import estimated_tokens

PROMPT_SHARE = 2  # a prompt may take one part in so many of its model's context
_CANNOT = frozenset({"embeddings"})
KINDS_LIMIT = 16  # kinds of tools that are told (discovery/details.py)


@dataclass(frozen=True, slots=True)
class Rows:
    """What can be served now, a row an engine; and why the others cannot, by their names."""

    agents: tuple[Agent, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)


def personal_rows(settings: Mapping[str, AgentSettings], models: Sequence[Agent], engines: Mapping[str, int]) -> Rows:
    """Rows of personal agents on `models`, the rows of bare models; `engines`: their numbers by their names."""
    rows: list[Agent] = []
    problems: dict[str, str] = {}
    taken = {model_key(name): name for model in models for name in (model.model, model.name)}
    for name, one in settings.items():
        found, problem = _bases(one, models, engines)
        if model_key(name) in taken:
            problem = f"it is called like the model `{taken[model_key(name)]}`: rename its file"
        elif found and not problem:
            problem = _too_long(one, found[0])
        if problem:
            problems[name] = problem
        else:
            rows += [_row(name, one, base) for base in found]
    return Rows(tuple(rows), problems)


def kinds_of(settings: AgentSettings) -> tuple[str, ...]:
    """The kinds of tools that an agent has, as others are told: its documents, what is built in, its servers."""
    documents = ("documents",) if settings.knowledge.folders else ()
    servers = tuple(tool.name for tool in settings.tools)
    return tuple(dict.fromkeys((*documents, *settings.builtin, *servers)))[:KINDS_LIMIT]


def _bases(settings: AgentSettings, models: Sequence[Agent], engines: Mapping[str, int]) -> tuple[list[Agent], str]:
    """The rows of the model that an agent asks, one an engine; or why there is none."""
    if settings.engine and settings.engine not in engines:
        known = ", ".join(f"`{name}`" for name in engines if name) or "none has a name"
        return [], f"there is no engine `{settings.engine}`; engines here: {known} (`engines.name`)"
    number = engines.get(settings.engine, WHOLE)
    there = [one for one in models if (not settings.engine or one.engine == number) and "text" in one.modalities]
    if not settings.model:
        first = min(there, key=lambda one: (one.is_embedded, one.last_resort), default=None)
        wanted: tuple[str, ...] = () if first is None else (first.name,)
    else:
        wanted = _called(settings.model, there)
    found = [one for one in there if one.name in wanted]
    if found:
        return found, ""
    what = f"the model `{settings.model}`" if settings.model else "a model for it"
    served = ", ".join(dict.fromkeys(f"`{one.name}`" for one in there)) or "nothing yet"
    return [], f"no engine serves {what}; served now: {served}"


def _called(name: str, models: Sequence[Agent]) -> tuple[str, ...]:
    """Agents' names of the model that a name means: exactly, else in another spelling."""
    exact = [one.name for one in models if name in (one.name, one.model)]
    return tuple(exact or [one.name for one in models if model_key(one.model) == model_key(name)])[:1]


def prompt_tokens(settings: AgentSettings) -> int:
    """About how many tokens of every request the owner's prompt takes."""
    return estimated_tokens([settings.prompt]) if settings.prompt else 0


def _too_long(settings: AgentSettings, base: Agent) -> str:
    """Why an agent's prompt does not fit its model; empty where it does, or nobody tells how long a context is."""
    tokens, limit = prompt_tokens(settings), base.context_tokens
    if not limit or tokens * PROMPT_SHARE <= limit:
        return ""
    return (
        f"its prompt takes about {tokens} tokens, and `{base.model}` has {limit} for all:"
        f" at most {limit // PROMPT_SHARE}; shorten it, or name another model"
    )


def _row(name: str, settings: AgentSettings, base: Agent) -> Agent:
    context = base.context_tokens and max(1, base.context_tokens - prompt_tokens(settings))
    return replace(
        base,
        name=name,
        model=name,
        context_tokens=context,
        modalities=tuple(word for word in base.modalities if word not in _CANNOT),
        untold=tuple(word for word in base.untold if word not in _CANNOT),
        profiles={},
        endpoints=PERSONAL_ENDPOINTS,
        continues=(),
        topics=settings.topics,
        kind="agent",
        base=base.model,
        tools=kinds_of(settings),
        description=printable(settings.description, 300),
    )
