"""What every family reads first: GET /v1/models, in each engine's own words."""

import msgspec
import pytest

from gateway.engines.engine_state import DEFAULT_SLOTS
from gateway.engines.family import Description, Listing


def listing(*entries: dict[str, object]) -> Listing:
    return msgspec.json.decode(msgspec.json.encode({"object": "list", "data": entries}), type=Listing)


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


@pytest.mark.parametrize("page", [b"{}", b'{"data": null}', b'{"data": [{"name": "m"}]}', b'{"data": [{"id": 7}]}'])
def test_a_page_without_models_is_no_listing(page: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(page, type=Listing)


def test_slots_that_nobody_told_are_a_guess() -> None:
    assert (DEFAULT_SLOTS, False) == (Description(()).slots, Description(()).is_slots_known)
