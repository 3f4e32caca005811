"""What one delegated answer may be follows from what was asked."""

import msgspec
import pytest

from gateway.peering.allowance import ANSWER_LIMIT_BYTES, WIDEST, Allowance, allowance
from gateway.wire.request import read_request

PATIENCE_S = 900.0


def of(endpoint: str = "completions", **asked: object) -> Allowance:
    field = "input" if endpoint == "embeddings" else "prompt"
    return allowance(read_request(endpoint, msgspec.json.encode({field: "hi", **asked})), PATIENCE_S)


def test_five_tokens_are_a_few_dozen_events() -> None:
    assert Allowance(26, (1 << 20) + 5 * (16 << 10), 901.25, tokens=5) == of(max_tokens=5)


def test_an_answer_without_a_bound_has_the_protocol_s() -> None:
    assert of(max_tokens=32_768) == of()
    assert (WIDEST.events, WIDEST.limit_bytes) == (of().events, of().limit_bytes)


@pytest.mark.parametrize("prompts", [["a", "b"], [[1], [2]]])
def test_every_prompt_has_an_answer(prompts: object) -> None:
    assert 2 * 2 * 5 + 16 == of(max_tokens=5, prompt=prompts).events


def test_embeddings_are_bounded_by_the_protocol_alone() -> None:
    assert Allowance(16, ANSWER_LIMIT_BYTES, 900, tokens=0) == of("embeddings")


@pytest.mark.parametrize(("choice", "may_call"), [({}, True), ({"tool_choice": "none"}, False)])
def test_only_who_was_offered_tools_may_call_one(choice: dict[str, object], may_call: bool) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]

    assert may_call is of(tools=tools, **choice).may_call
    assert not of().may_call


def test_no_answer_takes_longer_than_a_day() -> None:
    assert 86400 == of(prompt=["a"] * 100).within_s
