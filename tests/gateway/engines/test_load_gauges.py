"""How busy an engine is: by exact names, once each, and never idle because something is missing."""

from time import perf_counter

import pytest

from gateway.engines.load_gauges import LOAD_GAUGES, read_load
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
