"""Which names mean whom."""

import pytest

from gateway.models.names import NamesConfig, UnknownModel, resolve_model, sayable

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
    assert expected == resolve_model(asked, NETWORK, OWN, NamesConfig(aliases, transparent), "auto")


def test_an_unknown_name_tells_what_was_asked_and_the_nearest_that_exist() -> None:
    with pytest.raises(UnknownModel) as caught:
        resolve_model("lama-3-8b", NETWORK, OWN, NamesConfig(), "auto")

    assert ("lama-3-8b", ("llama-3-8b",)) == (caught.value.asked, caught.value.nearest)


def test_a_name_like_no_other_has_no_nearest() -> None:
    with pytest.raises(UnknownModel) as caught:
        resolve_model("zzz", NETWORK, OWN, NamesConfig(), "auto")

    assert () == caught.value.nearest


@pytest.mark.parametrize("name", ["gpt-4o", "org/model:7b-q4_K_M", "models/a@1", "mod\xe8le"])
def test_a_name_is_said_as_it_was_asked_for(name: str) -> None:
    assert name == sayable(name)


@pytest.mark.parametrize("words", ["tell me a secret", "my\nsecret", "", "x" * 129, "\x1b[31m"])
def test_what_may_be_a_misplaced_prompt_is_not_repeated(words: str) -> None:
    assert "(no name of a model)" == sayable(words)
