"""What every family reads: GET /v1/models in each engine's own words, and how busy it is, by exact names."""

from time import perf_counter

import msgspec
import pytest

from gateway.engines.engine_state import DEFAULT_SLOTS
from gateway.engines.family import LOAD_GAUGES, Description, Listing, read_listing, read_load
from tests.gateway.engines.engine_pages import (
    LLAMACPP_METRICS,
    SGLANG_METRICS,
    SGLANG_METRICS_OF_RANKS,
    TGI_METRICS,
    VLLM_METRICS,
)

SAMPLES = {
    "vLLM": (VLLM_METRICS, (5, 4)),
    "llama.cpp": (LLAMACPP_METRICS, (2, 3)),
    "SGLang": (SGLANG_METRICS, (161, 2826)),
    "SGLang of ranks and priorities": (SGLANG_METRICS_OF_RANKS, (19, 2)),
    "TGI": (TGI_METRICS, (4, 7)),
}


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


@pytest.mark.parametrize("family", SAMPLES)
def test_each_family_s_load_is_read(family: str) -> None:
    metrics, load = SAMPLES[family]

    assert load == read_load(metrics)


@pytest.mark.parametrize("family", SAMPLES)
def test_missing_gauges_are_not_zero(family: str) -> None:
    """Neither one that is gone nor one that was renamed: both readings are needed."""
    metrics = SAMPLES[family][0]
    for name in {name for pair in LOAD_GAUGES for name in pair if name in metrics}:
        gone = b"\n".join(line for line in metrics.splitlines() if not line.startswith((name + b"{", name + b" ")))

        assert read_load(gone) is None
        assert read_load(metrics.replace(name, name + b"_now")) is None


def test_a_page_without_gauges_tells_nothing() -> None:
    assert read_load(b"") is None
    assert read_load(b"# TYPE vllm:num_requests_running gauge\n") is None


@pytest.mark.parametrize("value", [b"NaN", b"+Inf", b"-1", b"many", b"", b"9e99"])
def test_what_is_no_number_of_requests_tells_nothing(value: bytes) -> None:
    assert read_load(b"llamacpp:requests_processing " + value + b"\nllamacpp:requests_deferred 0\n") is None


@pytest.mark.parametrize(
    "labels", [b"a" * 400_000, b'a="' * 130_000, b'a="\\\\' * 80_000, b"a=" * 200_000], ids=lambda text: text[:5]
)
def test_reading_labels_takes_time_in_proportion_to_them(labels: bytes) -> None:
    """Searching a run of 400,000 letters from each of them would take minutes."""
    page = b"llamacpp:requests_processing{" + labels + b"} 1\nllamacpp:requests_deferred 0\n"
    began = perf_counter()

    read_load(page)

    assert perf_counter() - began < 1
