"""What the peer tells its operator: Prometheus metrics and the route log. Never prompt text, keys or signatures."""

from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_TTFT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
ROUTE_LOG_LIMIT_BYTES = 16 << 20  # about 60,000 requests; then one older file is kept beside it


class Telemetry:
    """One peer's metrics. Label children are looked up once and kept: `.labels()` costs more than the increment."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of = self.registry
        self._counters = {
            "requests": Counter("ppai_requests", "Attempts, by who was asked", ["target", "status"], registry=of),
            "tokens": Counter(
                "ppai_tokens", "Tokens read and written, by who was asked", ["target", "kind"], registry=of
            ),
            "served": Counter("ppai_served", "Requests of other peers, run here", ["status"], registry=of),
        }
        self._histograms = {
            "ttft": Histogram(
                "ppai_time_to_first_token_seconds", "From asking to the first event", ["target"],
                buckets=_TTFT_BUCKETS, registry=of,
            ),
            "latency": Histogram(
                "ppai_request_duration_seconds", "From asking to the last byte", ["target"],
                buckets=_LATENCY_BUCKETS, registry=of,
            ),
        }  # fmt: skip
        self._children: dict[tuple[str, ...], Callable[[float], object]] = {}

    def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """A gauge read when it is scraped."""
        Gauge(name, help_text, registry=self.registry).set_function(value)

    def observe(
        self, target: str, status: str, ttft_s: float | None, latency_s: float, prompt_tokens: int, tokens: int
    ) -> None:
        """One attempt; `target` is "local" or "remote" (a label a peer would grow without bound)."""
        self._child("requests", target, status)(1)
        self._child("tokens", target, "prompt")(prompt_tokens if status == "ok" else 0)
        self._child("tokens", target, "completion")(tokens)
        if status == "ok":
            self._child("latency", target)(latency_s)
            if ttft_s is not None:
                self._child("ttft", target)(ttft_s)

    def observe_served(self, status: str, prompt_tokens: int, tokens: int) -> None:
        """One request that another peer delegated to us."""
        self._child("served", status)(1)
        self._child("tokens", "served", "prompt")(prompt_tokens)
        self._child("tokens", "served", "completion")(tokens)

    def exposition(self) -> bytes:
        """Prometheus text format."""
        return generate_latest(self.registry)

    def _child(self, metric: str, *labels: str) -> Callable[[float], object]:
        key = (metric, *labels)
        if key not in self._children:
            if metric in self._counters:
                self._children[key] = self._counters[metric].labels(*labels).inc
            else:
                self._children[key] = self._histograms[metric].labels(*labels).observe
        return self._children[key]


class RouteLog:
    """One JSON line a request: who was asked, why, how it went. `tail` is what the page and `ppai status` show."""

    def __init__(self, file: Path, keep: int = 200, limit_bytes: int = ROUTE_LOG_LIMIT_BYTES) -> None:
        self._file, self._keep, self._limit_bytes = file, keep, limit_bytes
        self._handle: IO[bytes] | None = None
        self.tail: list[dict[str, object]] = []

    def write(self, line: dict[str, object]) -> None:
        """Append; a full disk costs the line, not the request."""
        self.tail = [*self.tail[-self._keep + 1 :], line]
        try:
            handle = self._handle or self._open()
            handle.write(msgspec.json.encode(line) + b"\n")
            if handle.tell() > self._limit_bytes:
                self.close()
                self._file.replace(self._file.with_suffix(".1.jsonl"))
        except OSError:
            self.close()

    def close(self) -> None:
        if self._handle:
            handle, self._handle = self._handle, None
            handle.close()

    def _open(self) -> IO[bytes]:
        self._handle = self._file.open("ab", buffering=0)
        self._file.chmod(0o600)
        return self._handle
