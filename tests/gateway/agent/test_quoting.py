"""A quotation is the nearest sentence, word by word and labelled; it stands only where words of a model's may."""

import json
from typing import Any

import pytest

from gateway.agent.material import Passage
from gateway.agent.quoting import quotation, quotes
from gateway.wire.codec import raw

FAR = Passage("a.md", "", "It rains. It snows.", 0.5, ((0.5, "It snows."), (0.3, "It rains.")))
NEAR = Passage("b.md", "Sun", "It shines. Daily.", 0.7, ((0.7, "It shines."), (0.41, "Daily.")))
WHOLE = Passage("c.md", "", "Compared as a whole.", 0.9)


def test_the_nearest_sentence_is_quoted_and_the_next_where_it_is_near_enough_too() -> None:
    assert ((NEAR, "It shines."), (FAR, "It snows.")) == quotes((FAR, NEAR, WHOLE), {})
    assert ((NEAR, "It shines."),) == quotes((NEAR,), {}), "the second is nearer than nothing, and not near"
    assert () == quotes((WHOLE,), {}), "whose sentences were not compared"
    message = json.loads(quotation(["It shines.", "It snows."]))["choices"][0]["message"]
    assert "The documents say: \u201cIt shines.\u201d \u201cIt snows.\u201d" == message["content"]


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
    assert is_quoted == bool(quotes((NEAR,), {field: raw(value)}))
