"""Audits (gateway/trust/audits.py) on the way of every request: the dispatcher is asked as by a program of ours."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from discovery.records import PeerId
from gateway.capacity.doors import Doors
from gateway.measuring.kept import read_kept, write_kept
from gateway.measuring.reply import choices
from gateway.models.same import model_key
from gateway.routing.node import Node
from gateway.serving.dispatch import Dispatcher
from gateway.topics.reader import RelevanceReader
from gateway.trust.audits import Audits, TrustConfig
from gateway.trust.budget import Due
from gateway.trust.honesty import Honesty, Kept
from gateway.trust.observed import KeptPair, Observations
from gateway.trust.twins import Twin
from gateway.wire.errors import InvalidRequest
from gateway.wire.events import EventSplitter, OversizedEvent
from profiler.engine import EngineError

_CHAT = "chat/completions"
KEEP_S = 60.0  # s between two looks whether anything is to be written: a crash loses what was learnt since
ANSWER_S = 300.0  # s that an answer may take: one is asked at a time, and slowness is no score
JUDGE_S = 10.0  # s that a question may take to be judged: nobody waits for it


class Outliving(Protocol):
    """What is known and shall outlive this process."""

    @property
    def changes(self) -> int:
        """Rises with whatever is learnt."""
        ...

    def kept(self, now: float, wall: float) -> Any:
        """What is to be restored; it is `wall` s by the wall's clock."""
        ...

    def restore(self, kept: Any, now: float, wall: float) -> None:
        """Take over what `kept` returned in an earlier run."""
        ...


class KeptTrust:
    """What audits found and what answers were worth, in the home: a restart of this peer acquits nobody.

    `run` writes what changed, once a minute and when it ends; `keep` writes it now.
    """

    def __init__(
        self,
        home: Path,
        honesty: Honesty,
        observations: Observations,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        """`warnings`: what the owner is to hear of files that could not be read. Raises KeptError."""
        self._clock, self._wall, self.warnings = clock, wall, list[str]()
        self._files: list[tuple[Path, Outliving]] = []
        self._written: dict[Path, int] = {}
        self._open(home / "audits.json", honesty, Kept, "peers are audited anew, and believed until then")
        self._open(home / "seen.json", observations, list[KeptPair], "what agents are worth is learnt anew")

    def _open(self, path: Path, of: Outliving, kind: Any, remedy: str) -> None:
        kept, warning = read_kept(path, kind, remedy)
        self.warnings += [warning] if warning else []
        if kept:
            of.restore(kept, self._clock(), self._wall())
        self._files.append((path, of))
        self._written[path] = of.changes

    async def run(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Until cancelled."""
        try:
            while True:
                await pause(KEEP_S)
                await self.keep()
        finally:
            for changed in self._changed():
                self._write(*changed)

    async def keep(self) -> None:
        """Without room for it what is known goes on, and is known until this peer stops."""
        for changed in self._changed():
            await asyncio.to_thread(self._write, *changed)

    def _changed(self) -> list[tuple[Path, Any, int]]:
        now, wall = self._clock(), self._wall()
        changed = [(path, of) for path, of in self._files if of.changes != self._written[path]]
        return [(path, of.kept(now, wall), of.changes) for path, of in changed]

    def _write(self, path: Path, kept: Any, changes: int) -> None:
        with suppress(OSError):
            write_kept(path, kept)
            self._written[path] = changes


class Auditing:
    """When a peer may be audited, how it is asked, and who is told what came of it."""

    def __init__(
        self,
        config: TrustConfig,
        node: Node,
        doors: Doors,
        dispatcher: Dispatcher,
        reader: RelevanceReader,
        clock: Callable[[], float],
        tell: Callable[[str], None],
        keep: Callable[[], Awaitable[None]],
    ) -> None:
        """`tell` is given what the owner is to hear; `keep` is called when there is something new to be kept."""
        self._keep = keep
        self._node, self._doors, self._dispatcher, self._reader, self._clock = node, doors, dispatcher, reader, clock
        self.audits = Audits(
            config, self.ask, self.may, self.found, clock, tell=tell, is_doubted=node.honesty.is_doubted,
            twins=self.twins, compared=node.honesty.compared,
        )  # fmt: skip

    def may(self, peer: PeerId) -> bool:
        """Both of us approved the other, it is there and has room, and nobody here has anything to do."""
        member, admission = self._node.gossip.member(peer), self._node.admission
        if member is None or member.state != "alive" or member.pulse is None:
            return False
        pulse = member.pulse
        has_room = pulse.admission == "open" and not pulse.waiting and pulse.running < max(1, member.card.slots)
        both = admission.may(peer, "ask") and admission.may(peer, "answer")
        is_aside = peer in self._node.honesty.set_aside(self._clock())
        load = self._doors.load
        return both and has_room and not is_aside and not load.ours and not load.waiting

    def twins(self, due: Due) -> list[Twin]:
        """Bare models that claim to be the one of this agent: of ours, and of peers that may be audited now."""
        roster = self._node.roster
        rows = list(zip(roster.peer_ids, roster.agents, roster.models, roster.local.tolist(), strict=True))
        is_model = [one is None for one in roster.personal or [None] * len(rows)]
        key = next((model_key(model) for peer, agent, model, _ in rows if (peer, agent) == (due.peer, due.agent)), None)
        return [
            Twin(peer, agent, is_own)
            for (peer, agent, model, is_own), is_bare in zip(rows, is_model, strict=True)
            if is_bare and peer != due.peer and model_key(model) == key and (is_own or self.may(peer))
        ]

    async def ask(self, peer: PeerId, agent: str, messages: Sequence[dict[str, str]], request_id: str) -> str | None:
        """What this agent of this peer answers; None where it does not, or may not be asked this."""
        body = {"model": agent, "messages": messages, "temperature": 0, "stream": True}
        client = Collected(request_id)
        headers = {"x-ppai-route": peer, "x-ppai-continue": "0"}
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._dispatcher.answer(_CHAT, msgspec.json.encode(body), headers, client, request_id)
        except (TimeoutError, InvalidRequest):  # it has left, or serves something else now
            return None
        return client.text

    async def found(self, due: Due, query: str, score: float) -> None:
        """An audit was graded: it counts for the category that its question is of."""
        judged = await self._reader.judge(query, JUDGE_S)
        if judged is not None:
            relevance = judged.relevance.astype(np.float64)
            self._node.observe_audit(due.peer, due.agent, judged.category, relevance, score, self._clock())
            await self._keep()


class Collected:
    """A client that is a piece of this program: it takes a streamed chat, and keeps its text."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self._text, self._splitter = "", EventSplitter()
        self._status = self._sent = 0
        self._is_complete = self._is_broken = False

    @property
    def text(self) -> str | None:
        """The whole answer's; None where it failed, broke off or is still being given."""
        return self._text if self._status == 200 and self._is_complete and not self._is_broken else None

    @property
    def sent(self) -> int:
        return self._sent

    @property
    def has_started(self) -> bool:
        return bool(self._status)

    @property
    def is_complete(self) -> bool:
        return self._is_complete

    async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self._status = status

    async def send(self, body: bytes, *, more: bool, count: int = 1) -> None:
        self._sent, self._is_complete = self._sent + 1, not more
        try:
            for event in self._splitter.feed(body):
                self._is_broken = self._is_broken or event.is_error
                if event.is_object and not event.is_error:
                    self._text += "".join(one.words for one in choices(event.data))
        except (OversizedEvent, EngineError):
            self._is_broken = True

    def outlet(self, pour: object, content_type: str, headers: Mapping[str, str]) -> None:
        """None: they are read."""

    async def comment(self, said: bytes) -> None:
        return None

    async def answer(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Whole, where a stream was asked for: an error."""
        self._status, self._is_complete, self._is_broken = status, True, True
