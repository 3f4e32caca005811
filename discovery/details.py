"""What a peer tells of its agents to those who may ask it, beyond its card: POST /peer/1/agents.

The answer is msgpack: a list of agents, each a map from a field's name to its value. A later version may add fields, so
a reader passes over names that it does not know. Evidence, not truth: each value is bounded where it is read, and an
agent with one out of bounds is left out. Knows nothing of sockets, or of whom to tell what.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, replace

import msgspec

from discovery.envelopes import UNREADABLE, MalformedMessage
from discovery.records import (
    ENGINES_LIMIT,
    PARAMETERS_LIMIT,
    QUESTIONS_LIMIT,
    WHOLE,
    Agent,
    Domain,
    InvalidRecord,
    Kind,
    Place,
    Profile,
    printable,
    validate_agent,
)

DETAILS_LIMIT_BYTES = 256 * 1024
DETAILED_LIMIT = 256  # agents in one answer
TOPICS_LIMIT = 16  # of an agent
TOPIC_CHARS = 96
DESCRIPTION_CHARS = 300
WORDS_LIMIT = 16  # endpoints, and what an engine does not tell
CONTINUE_FEATURE = "continue"  # in the card of a peer that may be sent an unfinished answer to go on with


class _Details(msgspec.Struct, omit_defaults=True):
    """An agent on the wire."""

    name: str
    model: str
    context_tokens: int = 0
    modalities: tuple[str, ...] = ("text",)
    profiles: dict[str, tuple[bytes, tuple[int, ...]]] = {}
    untold: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    place: Place = ""
    is_embedded: bool = False
    parameters: int = 0
    quantisation: str = ""
    topics: tuple[str, ...] = ()
    last_resort: bool = False
    engine: int = WHOLE
    continues: tuple[str, ...] = ()
    kind: Kind = "model"
    base: str = ""
    tools: tuple[str, ...] = ()
    domain: tuple[int, float, float, float] = (0, 0.0, 0.0, 0.0)
    description: str = ""


_DECODE_LIST = msgspec.msgpack.Decoder(list[msgspec.Raw])
_DECODE_DETAILS = msgspec.msgpack.Decoder(_Details)


def encode_details(agents: Sequence[Agent]) -> bytes:
    """What is told of these agents, in as much as fits: what does not fit is left out from the end."""
    encoded = [msgspec.msgpack.encode(_details(agent)) for agent in agents[:DETAILED_LIMIT]]
    size = 5  # of the list's head, at most
    for count, one in enumerate(encoded):
        size += len(one)
        if size > DETAILS_LIMIT_BYTES:
            encoded = encoded[:count]
            break
    return msgspec.msgpack.encode([msgspec.Raw(one) for one in encoded])


def decode_details(answer: bytes) -> tuple[Agent, ...]:
    """The agents that a peer tells of; those out of bounds are left out. Raises MalformedMessage."""
    if len(answer) > DETAILS_LIMIT_BYTES:
        raise MalformedMessage(f"details of more than {DETAILS_LIMIT_BYTES} bytes")
    try:
        listed = _DECODE_LIST.decode(answer)
    except UNREADABLE as error:
        raise MalformedMessage(f"details: {error}") from error
    agents: dict[str, Agent] = {}
    for one in listed[:DETAILED_LIMIT]:
        try:
            agent = _agent(_DECODE_DETAILS.decode(one))
            validate_agent(agent)
        except (*UNREADABLE, InvalidRecord):
            continue
        agents.setdefault(agent.name, agent)
    return tuple(agents.values())


def digest(details: bytes, key: bytes) -> bytes:
    """(8,) bytes that change when the details do. `key` is secret, so that nobody finds the details by guessing."""
    return hashlib.blake2b(details, digest_size=8, key=key).digest()


def detailed(agent: Agent, details: Agent) -> Agent:
    """An agent of a card with what its peer told of it: the card is newer, and wins where both say something."""
    return replace(
        details,
        name=agent.name,
        model=agent.model,
        context_tokens=agent.context_tokens,
        modalities=agent.modalities,
        profiles={**details.profiles, **agent.profiles},
    )


def _details(agent: Agent) -> _Details:
    return _Details(
        agent.name, agent.model, agent.context_tokens, agent.modalities,
        {space: (profile.capability, profile.evidence) for space, profile in agent.profiles.items()},
        agent.untold, agent.endpoints, agent.place, agent.is_embedded, agent.parameters, agent.quantisation,
        agent.topics, agent.last_resort, agent.engine, agent.continues, agent.kind, agent.base, agent.tools,
        astuple(agent.domain), agent.description,
    )  # fmt: skip


def _agent(details: _Details) -> Agent:
    profiles = {space: Profile(capability, evidence) for space, (capability, evidence) in details.profiles.items()}
    return Agent(
        details.name, details.model, details.context_tokens, details.modalities, profiles, _words(details.untold, 32),
        _words(details.endpoints, 64), details.place, details.is_embedded,
        max(0, min(details.parameters, PARAMETERS_LIMIT)), printable(details.quantisation, 32),
        _words(details.topics[:TOPICS_LIMIT], TOPIC_CHARS),
        details.last_resort,
        details.engine if 0 <= details.engine < ENGINES_LIMIT else WHOLE,
        _words(details.continues, 64), details.kind, printable(details.base, 256), _words(details.tools, 32),
        _domain(details.domain), printable(details.description, DESCRIPTION_CHARS),
    )  # fmt: skip


def _domain(said: tuple[int, float, float, float]) -> Domain:
    questions, *shares = said
    return Domain(max(0, min(questions, QUESTIONS_LIMIT)), *(_share(share) for share in shares))


def _share(said: float) -> float:
    """In [0, 1]; what is no number is 0."""
    return min(max(said, 0.0), 1.0) if said == said else 0.0


def _words(said: Sequence[str], chars: int) -> tuple[str, ...]:
    return tuple(word for word in (printable(one, chars) for one in said[:WORDS_LIMIT]) if word)
