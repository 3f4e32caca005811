"""Which names mean whom."""

import pytest

from gateway.models.names import NamesConfig, resolve_model
from gateway.wire.request import InvalidRequest

NETWORK = {"llama-3-8b", "qwen-7b"}
OWN = {"qwen-7b"}


@pytest.mark.parametrize(
    ("asked", "aliases", "transparent", "expected"),
    [
        ("auto", {}, False, None),
        ("llama-3-8b", {}, False, "llama-3-8b"),
        ("gpt-4o", {"gpt-4o": "auto"}, False, None),
        ("gpt-4o", {"gpt-4o": "llama-3-8b"}, False, "llama-3-8b"),
        ("qwen-7b", {}, False, "qwen-7b"),
        ("qwen-7b", {}, True, None),
        ("llama-3-8b", {}, True, "llama-3-8b"),
        ("whatever", {}, True, None),
    ],
)
def test_names(asked: str, aliases: dict[str, str], transparent: bool, expected: str | None) -> None:
    assert expected == resolve_model(asked, NETWORK, OWN, NamesConfig(aliases, transparent))


def test_an_unknown_name_is_a_404_with_near_matches() -> None:
    with pytest.raises(InvalidRequest, match="Did you mean `llama-3-8b`") as caught:
        resolve_model("lama-3-8b", NETWORK, OWN, NamesConfig())

    assert (404, "model", "model_not_found") == (caught.value.status, caught.value.param, caught.value.code)
