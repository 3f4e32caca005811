"""An answer that is a quotation: the sentence of the documents that is nearest to the question, word by word.

A model of a few hundred million weights gets wrong what it reads in passages; the nearest sentence holds the answer
more often (docs/results/agents.md#the-demo). No model is asked, and the answer says that it is a quotation.
"""

import secrets
import time
from collections.abc import Sequence

import msgspec

from gateway.agent.citing import fixes_form
from gateway.agent.material import Passage
from gateway.wire.codec import UNREADABLE, Fields, view_of

QUOTED = "The documents say: \u201c{sentence}\u201d"
_ONE = (None, 1)  # of `n`
_NO_TOOLS: tuple[object, ...] = (None, [])


def quotable(passages: Sequence[Passage], fields: Fields) -> Passage | None:
    """The passage whose sentence answers; None where a quotation is no answer to this request, or there is none.

    A client that fixes a form, wants several answers or brings tools wants words of the model's.
    """
    try:
        tools, n = (msgspec.json.decode(view_of(fields[name])) if name in fields else None for name in ("tools", "n"))
    except UNREADABLE:
        return None
    if fixes_form(fields) or tools not in _NO_TOOLS or n not in _ONE:
        return None
    return max((one for one in passages if one.sentence), key=lambda one: one.nearness, default=None)


def quotation(passage: Passage) -> bytes:
    """The whole answer of chat. It has cost no tokens."""
    message = {"role": "assistant", "content": QUOTED.format(sentence=passage.sentence)}
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
