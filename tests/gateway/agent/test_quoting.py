"""A quotation is the nearest sentence, word by word and labelled; it stands only where words of a model's may."""

import json
from typing import Any

import pytest

from gateway.agent.material import Passage
from gateway.agent.quoting import quotable, quotation
from gateway.wire.codec import raw

FAR = Passage("a.md", "", "It rains. It snows.", 0.5, "It snows.")
NEAR = Passage("b.md", "Sun", "It shines.", 0.7, "It shines.")
WHOLE = Passage("c.md", "", "Compared as a whole.", 0.9)


def test_the_nearest_sentence_is_quoted_of_passages_whose_sentences_were_compared() -> None:
    assert NEAR == quotable((FAR, NEAR, WHOLE), {})
    assert quotable((WHOLE,), {}) is None
    message = json.loads(quotation(NEAR))["choices"][0]["message"]
    assert "The documents say: \u201cIt shines.\u201d" == message["content"]


@pytest.mark.parametrize(
    ("field", "value", "is_quoted"),
    [
        ("response_format", {"type": "json_object"}, False),
        ("response_format", {"type": "text"}, True),
        ("tools", [{"type": "function", "function": {"name": "f"}}], False),
        ("tools", [], True),
        ("tools", None, True),
        ("n", 2, False),
        ("n", 1, True),
        ("seed", 7, True),
    ],
)
def test_a_client_that_wants_something_else_is_answered_by_the_model(field: str, value: Any, is_quoted: bool) -> None:
    assert is_quoted == (quotable((NEAR,), {field: raw(value)}) is not None)
