"""An answer that is a quotation: the sentence of the documents that is nearest to the question, word by word.

A model of a few hundred million weights gets wrong what it reads in passages; the nearest sentence holds the answer
more often (docs/results/agents.md#the-demo). Sometimes it is the second one, which is quoted too where it is near
enough to answer by itself. No model is asked, and the answer says that it is a quotation.
"""

import secrets
import time
from collections.abc import Sequence

import msgspec

from gateway.agent.citing import fixes_form
from gateway.agent.material import LEAST, Passage
from gateway.wire.codec import UNREADABLE, Fields, view_of

QUOTED = "The documents say: {sentences}"
MOST = 2  # sentences of a quotation
_ONE = (None, 1)  # of `n`
_NO_TOOLS: tuple[object, ...] = (None, [])


def quotes(passages: Sequence[Passage], fields: Fields) -> tuple[tuple[Passage, str], ...]:
    """The sentences that answer, best first, each with its passage; none where a quotation is no answer.

    A client that fixes a form, wants several answers or brings tools wants words of the model's.
    """
    try:
        tools, n = (msgspec.json.decode(view_of(fields[name])) if name in fields else None for name in ("tools", "n"))
    except UNREADABLE:
        return ()
    if fixes_form(fields) or tools not in _NO_TOOLS or n not in _ONE:
        return ()
    found = [(nearness, text, passage) for passage in passages for nearness, text in passage.sentences]
    ranked = sorted(found, key=lambda one: -one[0])[:MOST]
    return tuple((passage, text) for at, (nearness, text, passage) in enumerate(ranked) if not at or nearness >= LEAST)


def quotation(sentences: Sequence[str]) -> bytes:
    """The whole answer of chat. It has cost no tokens."""
    said = " ".join(f"\u201c{one}\u201d" for one in sentences)
    message = {"role": "assistant", "content": QUOTED.format(sentences=said)}
    return msgspec.json.encode(
        {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": "",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        }
    )
