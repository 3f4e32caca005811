"""What every family reads first: GET /v1/models, in each engine's own words."""

import msgspec
import pytest

from gateway.engines.engine_state import DEFAULT_SLOTS
from gateway.engines.family import Description, Listing, read_listing


def listing(*entries: dict[str, object]) -> Listing:
    return read_listing({"object": "list", "data": list(entries)})


@pytest.mark.parametrize(
    ("entry", "context", "modalities"),
    [
        ({"id": "m", "owned_by": "vllm", "max_model_len": 4096, "root": "m"}, 4096, ("text",)),
        ({"id": "m", "architecture": {"input_modalities": ["text", "image"]}}, None, ("text", "image")),
        ({"id": "m", "max_model_len": None, "meta": None}, None, ("text",)),
        ({"id": "m"}, None, ("text",)),
    ],
)
def test_an_entry_is_read_in_every_engines_words(
    entry: dict[str, object], context: int | None, modalities: tuple[str, ...]
) -> None:
    (read,) = listing(entry).data

    takes = read.architecture.input_modalities if read.architecture else ("text",)
    assert (context, modalities) == (read.max_model_len, takes)


def test_the_owner_is_the_first_that_is_named() -> None:
    assert "vllm" == listing({"id": "a"}, {"id": "b", "owned_by": "vllm"}, {"id": "c", "owned_by": "me"}).owner
    assert "unknown" == listing({"id": "a"}).owner == listing().owner


@pytest.mark.parametrize("page", [{}, None, 7, "m", {"data": 7}, {"data": {"id": "m"}}, {"error": "no"}], ids=str)
def test_a_page_without_models_is_no_listing(page: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        read_listing(page)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ({"data": None}, []),  # none yet
        ({"object": "list", "data": []}, []),
        ([{"id": "m"}], ["m"]),
        (["m", "n"], ["m", "n"]),
        ({"models": [{"name": "m"}]}, ["m"]),
        ({"data": [{"id": 7}, None, [], {}, {"id": ""}, {"id": "m"}]}, ["m"]),  # one bad entry hides no good one
        ({"data": [{"id": "m", "owned_by": None, "max_model_len": "many", "meta": 3, "architecture": []}]}, ["m"]),
    ],
    ids=str,
)
def test_a_list_that_is_told_loosely_is_read(page: object, names: list[str]) -> None:
    assert names == [entry.id for entry in read_listing(page).data]


def test_an_odd_fact_counts_as_not_told_and_the_others_are_kept() -> None:
    (read,) = listing({"id": "m", "owned_by": 7, "max_model_len": "4096", "architecture": {"input_modalities": 3}}).data

    assert ("", 4096, None) == (read.owned_by, read.max_model_len, read.architecture)


def test_slots_that_nobody_told_are_a_guess() -> None:
    assert (DEFAULT_SLOTS, False) == (Description(()).slots, Description(()).is_slots_known)
