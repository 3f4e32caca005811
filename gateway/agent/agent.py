"""A personal agent: what its owner wrote, put between a request and the engine that answers it.

The engine is asked as any client would ask it, with the owner's prompt and passages of the documents before the
conversation; its answer is passed on under the agent's name, and says where it comes from. Whatever else the client
sent stays as it is. An agent without anything of its own is its model.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from gateway.agent.citing import NamedStream, Sources, fixes_form, named_whole
from gateway.agent.parts import Acts, Found, Knows
from gateway.agent.prompt import question_in, with_prompt
from gateway.agent.quoting import quotation, quotes
from gateway.agent.settings import AgentSettings
from gateway.agent.steps import answer
from gateway.agent.whole import answered
from gateway.upstream import Patience, Reply, Upstream, UpstreamError
from gateway.wire.bodies import PERSONAL_ENDPOINTS
from gateway.wire.codec import UNREADABLE, Fields, Pieces, read_fields, view_of, write_fields
from gateway.wire.errors import ENDPOINT_MISSING
from gateway.wire.events import Event

_PASSAGES = 3  # that a model is shown: more of them confuse a small one


@dataclass(frozen=True, slots=True)
class PersonalAgent:
    """See gateway.upstream.Personal. `knows` and `acts` are None where its file names no documents, or no tools."""

    name: str
    settings: AgentSettings
    knows: Knows | None = None
    acts: Acts | None = None
    takes_tools: Callable[[str], bool] = lambda model: False  # whether an engine lets the model of this name call them
    lost: Callable[[str, str], None] = lambda model, said: None  # it did, and does so no more; in the engine's words

    def over(self, engine: Upstream, *, is_own: bool) -> Upstream:
        """The engine as this agent asks it, for one request; `is_own`: of its owner's programs."""
        return _Asked(self, engine, is_own)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request to an agent (see gateway.upstream.Upstream)."""

    agent: PersonalAgent
    engine: Upstream
    is_own: bool

    @asynccontextmanager
    async def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> AsyncIterator[Reply]:
        """Ask; leaving the context hangs up. Raises UpstreamError."""
        name, settings = self.agent.name, self.agent.settings
        if endpoint not in PERSONAL_ENDPOINTS:
            words = f"`{name}` is a personal agent, which answers /v1/{PERSONAL_ENDPOINTS[0]} alone: ask it there"
            raise UpstreamError(words, status=404, code=ENDPOINT_MISSING, is_unsuited=True)
        fields: Fields = _fields(body)
        found = await self._found(fields)
        passages = found.passages[:_PASSAGES] if found is not None and found.is_enough else ()
        quoted = quotes(passages, fields) if settings.knowledge.answers == "quotation" else ()
        passages = tuple(dict.fromkeys(passage for passage, _ in quoted)) or passages
        sources = Sources(
            name, passages, None if found is None else bool(passages),
            has_line=settings.sources == "line" and not fixes_form(fields),
            has_annotations=settings.sources != "none",
        )  # fmt: skip
        if quoted:
            written = quotation([sentence for _, sentence in quoted])
            yield PersonalReply(answered(written, stream=stream), name, sources)
            return
        if "messages" in fields:
            fields = {**fields, "messages": with_prompt(fields["messages"], settings, passages)}
        if self.agent.acts is None:
            asked = self.engine.open(endpoint, write_fields(fields), headers, stream=stream, patience=patience)
        else:
            model = _model_in(fields)
            asked = answer(
                self.engine, fields, self.agent.acts, settings.limits, is_own=self.is_own, stream=stream,
                patience=patience, native=self.agent.takes_tools(model), headers=headers,
                lost=lambda said: self.agent.lost(model, said),
            )  # fmt: skip
        async with asked as reply:
            yield PersonalReply(reply, name, sources)

    async def _found(self, fields: Fields) -> Found | None:
        """What the documents have for the question; None of an agent that has none."""
        if self.agent.knows is None:
            return None
        question = question_in(fields["messages"]) if "messages" in fields else ""
        return await self.agent.knows.find(question, _PASSAGES) if question.strip() else Found()


@dataclass(slots=True)
class PersonalReply:
    """An agent's answer that has begun (see gateway.upstream.Reply)."""

    _reply: Reply
    _name: str
    _sources: Sources
    status: int = field(init=False)
    content_type: str = field(init=False)
    retry_after: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.status, self.content_type = self._reply.status, self._reply.content_type
        self.retry_after = self._reply.retry_after

    @property
    def is_stream(self) -> bool:
        return self._reply.is_stream

    @property
    def is_from_documents(self) -> bool | None:
        """Whether the agent's documents had the answer; None of an agent that has none."""
        return self._sources.is_from_documents

    async def read(self) -> bytes:
        """The whole body, as the agent says it. Raises UpstreamError."""
        body = await self._reply.read()
        return named_whole(body, self._name, self._sources) if self.status == 200 else body

    async def events(self) -> AsyncIterator[Event]:
        """The events, as the agent says them. Raises UpstreamError."""
        named = NamedStream(self._name, self._sources)
        async for event in self._reply.events():
            if event.is_comment or event.is_done or event.is_error:
                yield event
                continue
            for passed in named.passed(event):
                yield passed


def _model_in(fields: Fields) -> str:
    """The model that a request names, which is the engine's by now."""
    try:
        model: object = msgspec.json.decode(view_of(fields["model"]))
    except (KeyError, *UNREADABLE):
        return ""
    return model if isinstance(model, str) else ""


def _fields(body: Pieces) -> dict[str, msgspec.Raw]:
    """The fields of a request that was read before. Raises UpstreamError."""
    try:
        return read_fields(body[0] if len(body) == 1 and isinstance(body[0], bytes) else b"".join(body))
    except UNREADABLE as error:
        raise UpstreamError("the request is no JSON object", status=400, code="invalid_json") from error
