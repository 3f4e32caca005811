"""Reads an engine's load from its Prometheus text. Pure.

Gauges are matched by exact name. A renamed gauge counts as missing, and an engine with a missing gauge is not believed
idle. tests/gateway/engines/engine_pages.py has a sample of each family, and where its names come from.
"""

import re

# (running, waiting)
LOAD_GAUGES = (
    (b"vllm:num_requests_running", b"vllm:num_requests_waiting"),
    (b"llamacpp:requests_processing", b"llamacpp:requests_deferred"),
    (b"sglang:num_running_reqs", b"sglang:num_queue_reqs"),
    (b"tgi_batch_current_size", b"tgi_queue_size"),
)

# Of series that differ only in these labels the greatest counts: every rank of a tensor or pipeline group of SGLang may
# tell the same batch. Other labels (ranks of data parallelism, vLLM's engines) stand for different requests: their
# series are added. SGLang with priorities tells a total, with an empty priority, beside its parts: the total counts.
_SAME_REQUESTS = frozenset({b"tp_rank", b"pp_rank", b"moe_ep_rank"})
_LABEL = re.compile(rb'(?<!\w)(\w++)="((?:[^"\\]|\\.)*+)"')  # linear: it begins at words, and never goes back


def read_load(metrics: bytes) -> tuple[int, int] | None:
    """(running, waiting) summed over engine processes; None where the gauges are missing."""
    for running, waiting in LOAD_GAUGES:
        values = [_total(metrics, name) for name in (running, waiting)]
        if None not in values:
            return int(values[0] or 0), int(values[1] or 0)
    return None


def _total(metrics: bytes, name: bytes) -> float | None:
    """The gauge's sum over different requests; None where it is missing or no number of requests."""
    if name not in metrics:
        return None
    by_source: dict[frozenset[tuple[bytes, bytes]], float] = {}
    try:
        for line in metrics.splitlines():
            if not line.startswith(name) or line[len(name) : len(name) + 1] not in (b"{", b" "):
                continue
            text, _, value = line.rpartition(b" ")
            labels = dict(_LABEL.findall(text))
            if labels.pop(b"priority", b""):
                continue
            source = frozenset((key, label) for key, label in labels.items() if key not in _SAME_REQUESTS)
            by_source[source] = max(by_source.get(source, 0.0), _requests(value))
    except ValueError:
        return None
    return sum(by_source.values()) if by_source else None


def _requests(value: bytes) -> float:
    """A number of requests. Raises ValueError."""
    number = float(value)
    if not 0 <= number < 2**31:
        raise ValueError
    return number
