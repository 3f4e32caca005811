"""Which names mean whom."""

import pytest

from gateway.models.names import Chain, NamesConfig, UnknownModel, resolve_models, sayable, summed_up

NETWORK = {"llama-3-8b", "qwen-7b"}
OWN = {"qwen-7b"}


def meant(
    *asked: str, network: set[str] = NETWORK, transparent: bool = False, **aliases: str | tuple[str, ...]
) -> Chain:
    return resolve_models(asked, network, OWN, NamesConfig(aliases, transparent=transparent), "auto")


LLAMA, QWEN = frozenset({"llama-3-8b"}), frozenset({"qwen-7b"})


@pytest.mark.parametrize(
    ("asked", "aliases", "transparent", "expected"),
    [
        ("auto", {}, False, None),
        ("llama-3-8b", {}, False, LLAMA),
        ("gpt4o", {"gpt4o": "auto"}, False, None),
        ("gpt4o", {"gpt4o": "llama-3-8b"}, False, LLAMA),
        ("qwen-7b", {}, False, QWEN),
        ("qwen-7b", {}, True, None),
        ("llama-3-8b", {}, True, LLAMA),
        ("whatever", {}, True, None),
    ],
)
def test_names(
    asked: str, aliases: dict[str, str | tuple[str, ...]], transparent: bool, expected: frozenset[str] | None
) -> None:
    assert (expected,) == meant(asked, transparent=transparent, **aliases)


def test_the_exact_name_comes_first_and_the_same_model_under_other_names_after_it() -> None:
    network = {"llama3.2:latest", "llama3.2", "library/llama3.2", "llama3.2:1b"}
    same = frozenset({"llama3.2:latest", "library/llama3.2"})

    assert (frozenset({"llama3.2"}), same) == meant("llama3.2", network=network)
    assert (same | {"llama3.2"},) == meant("LLaMA-3.2", network=network)


def test_a_list_of_names_is_a_chain_that_ends_where_anyone_will_do() -> None:
    assert (LLAMA, QWEN) == meant("coder", coder=("llama-3-8b", "qwen-7b"))
    assert (QWEN, LLAMA) == meant("qwen-7b", "llama-3-8b")
    assert (LLAMA, None) == meant("coder", coder=("nobody-has-it", "llama-3-8b", "auto", "qwen-7b"))
    assert (LLAMA,) == meant("coder", "llama-3-8b", coder=("llama-3-8b", "llama-3-8b"))


def test_an_alias_may_hide_a_model_and_name_it_and_never_goes_in_circles() -> None:
    circle: dict[str, str | tuple[str, ...]] = {"a": ("b",), "b": ("a",)}

    assert (LLAMA, QWEN) == meant("qwen-7b", **{"qwen-7b": ("llama-3-8b", "qwen-7b")})
    with pytest.raises(UnknownModel):
        meant("a", **circle)


def test_an_unknown_name_tells_what_was_asked_and_the_nearest_that_exist() -> None:
    with pytest.raises(UnknownModel) as caught:
        meant("lama-3-8b", "xyz")

    assert ("lama-3-8b", ("llama-3-8b",)) == (caught.value.asked, caught.value.nearest)


def test_a_name_like_no_other_has_no_nearest() -> None:
    with pytest.raises(UnknownModel) as caught:
        meant("zzz")

    assert () == caught.value.nearest


def test_a_chain_is_summed_up_by_all_its_names_or_by_anyone() -> None:
    assert LLAMA | QWEN == summed_up((LLAMA, QWEN))
    assert summed_up((LLAMA, None)) is None


@pytest.mark.parametrize("name", ["gpt-4o", "org/model:7b-q4_K_M", "models/a@1", "mod\xe8le"])
def test_a_name_is_said_as_it_was_asked_for(name: str) -> None:
    assert name == sayable(name)


@pytest.mark.parametrize("words", ["tell me a secret", "my\nsecret", "", "x" * 129, "\x1b[31m"])
def test_what_may_be_a_misplaced_prompt_is_not_repeated(words: str) -> None:
    assert "(no name of a model)" == sayable(words)
