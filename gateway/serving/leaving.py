"""How far one request may go: the owner's rules are asked, and the topics that they need are judged for them.

The rules themselves are pure (gateway/privacy/rules.py). Where asking them fails, whatever the reason, the request
stays on this machine.
"""

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Mapping

import msgspec
import numpy as np

from gateway.privacy.others import OtherRequest
from gateway.privacy.rules import ANYWHERE, UNASKED, Asked, Rule, Rules, Verdict
from gateway.privacy.texts import TakesLong
from gateway.routing.node import Node
from gateway.topics.mixing import in_categories
from gateway.topics.reader import RelevanceReader
from gateway.wire.reading.elsewhere import Elsewhere
from gateway.wire.reading.turns import MEDIA_NEEDS
from gateway.wire.request import Request

log = logging.getLogger(__name__)

INLINE_BYTES = 1 << 14  # of a request that were not read before; where more are new, a thread reads them
TOPIC_S = 2.0  # s that a turn may take to be judged; the next rule is that it stays here
TOPIC_SHARE = 0.25  # of what a text is about, from which on it is about that category
_MEDIA = frozenset(MEDIA_NEEDS.values())
_NONE = frozenset[str]()
REMEMBERED = 4096  # conversations of which the topics are remembered: turns that were judged once go on being sent


class Came(msgspec.Struct, frozen=True):
    """A request as its program sent it; `key` is the name of its API key.

    `read` is what another process read of it, where one did (gateway/workers). `began`: when it was here, our clock.
    """

    body: bytes
    headers: Mapping[str, str]
    key: str = ""
    read: Elsewhere | None = None
    request_id: str = ""
    began: float = 0.0


class Leaving:
    """Asks the rules."""

    def __init__(self, rules: Rules, node: Node, reader: RelevanceReader) -> None:
        self._rules, self._node, self._reader = rules, node, reader
        self.held: Counter[str] = Counter()  # by rule, how many requests it has kept from going further
        self._topics: OrderedDict[str, frozenset[str]] = OrderedDict()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The owner's."""
        return self._rules.all

    def at_once(self, text: bytes | None = None, *, always: bool = False) -> Verdict | None:
        """The verdict where nothing of a request is looked at, or a look at what came is enough; None: ask for it.

        Nothing is without rules, and while all who could answer run on this machine, unless `always`. A look is enough
        at `text`, a body without lists in which a text may be split, in which no rule finds what it looks for.
        """
        if not self._rules:
            return ANYWHERE
        if not always and self._node.roster.is_all_here:
            return UNASKED
        try:
            return ANYWHERE if text is not None and self._rules.clear(text) else None
        except Exception:  # a bug: the rules themselves say so
            return None

    async def verdict(self, request: Request, came: Came, *, always: bool = False, is_quick: bool = False) -> Verdict:
        """How far this request may go. `is_quick`: decoding what came holds up nobody."""
        if (known := self.at_once(always=always)) is not None:
            return known
        topics = await self._topics_of(request) if self._rules.needs_topics else _NONE
        asked = _of(request, came, topics)
        verdict = self._asked_at_once(asked, is_quick) or await self._asked(asked)
        return verdict if always else self._counted(verdict)

    async def of_other(self, request: OtherRequest, headers: Mapping[str, str], key: str) -> Verdict:
        """The same of an endpoint beside chat. What it is about is not judged, and so cannot be told."""
        if (known := self.at_once()) is not None:
            return known
        is_json, is_audio = request.fields is not None, request.endpoint.startswith("audio/")
        attached = frozenset() if is_json else frozenset({"audio" if is_audio else "file"})
        files = tuple((part.begin, part.end) for part in request.parts if part.filename is not None)
        models = (request.model or "auto",)
        asked = Asked(request.body, is_json, models, headers, attached, key, None, files)
        return self._counted(self._asked_at_once(asked) or await self._asked(asked))

    async def explain(self, request: Request, came: Came) -> tuple[Verdict, list[tuple[Rule, bool | None]]]:
        """The verdict, and of every rule whether it holds; None: that cannot be told."""
        topics = await self._topics_of(request) if self._rules.needs_topics else _NONE
        asked = _of(request, came, topics)
        return await self._asked(asked), await asyncio.to_thread(self._rules.explain, asked)

    def _counted(self, verdict: Verdict) -> Verdict:
        if verdict.rule:
            self.held[verdict.rule] += 1
        return verdict

    def _asked_at_once(self, asked: Asked, is_quick: bool = False) -> Verdict | None:
        """What the rules say, where reading what is new holds up nobody; None: ask them in a thread."""
        if not is_quick and len(asked.body) > INLINE_BYTES:
            return None
        try:
            return self._rules.verdict(asked, INLINE_BYTES)
        except TakesLong:
            return None
        except Exception as error:
            return _not_judged(error)

    async def _asked(self, asked: Asked) -> Verdict:
        try:
            return await asyncio.to_thread(self._rules.verdict, asked)
        except Exception as error:
            return _not_judged(error)

    async def _topics_of(self, request: Request) -> frozenset[str] | None:
        """What the turns that routing reads are about, and what this conversation was about before.

        None where one cannot be judged, or is unlike all that the gate knows.
        """
        turns = [turn for turn in (request.text, *request.earlier) if turn.strip()]
        found, is_told = self._topics.get(request.session, frozenset[str]()), bool(turns)
        for turn in turns:
            judged = await self._reader.judge(turn, TOPIC_S)
            if judged is None or not judged.is_familiar:
                is_told = False
                continue
            names, owner = in_categories(self._reader.gate.categories)
            shares = zip(names, np.bincount(owner, judged.relevance).tolist(), strict=True)
            found |= {judged.category, *(name for name, share in shares if share >= TOPIC_SHARE)}
        self._topics[request.session] = found
        self._topics.move_to_end(request.session)
        while len(self._topics) > REMEMBERED:
            self._topics.popitem(last=False)
        return found if is_told else None


def _of(request: Request, came: Came, topics: frozenset[str] | None) -> Asked:
    return Asked(
        came.body, not request.content.is_flat(came.body), (request.model, *request.instead), came.headers,
        request.needs & _MEDIA, came.key, topics,
    )  # fmt: skip


def _not_judged(error: Exception) -> Verdict:
    """A bug: nothing of the request is said, and it stays here."""
    log.error("privacy_not_judged why=%s", type(error).__name__)
    return Verdict("this machine", "not_judged", is_told=False)
