"""Metrics as Prometheus reads them, and a route log that is bounded and never in the way."""

import json
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.metrics import RouteLog, Telemetry


def samples_of(metrics: Telemetry) -> dict[tuple[str, ...], float]:
    """(name, label values...) -> value, of what a scrape brings."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
    }


def test_an_answer_is_counted_and_timed() -> None:
    metrics = Telemetry()
    metrics.observe("local", "ok", 0.5, 2.0, 7, 4)
    metrics.observe("local", "ok", None, 1.0, 3, 1)

    samples = samples_of(metrics)

    assert 2 == samples["ppai_requests_total", "ok", "local"]
    assert (10, 5) == (
        samples["ppai_tokens_total", "prompt", "local"],
        samples["ppai_tokens_total", "completion", "local"],
    )
    assert (2, 3.0) == tuple(samples[f"ppai_request_duration_seconds_{x}", "local"] for x in ("count", "sum"))
    assert (1, 0.5) == tuple(samples[f"ppai_time_to_first_token_seconds_{x}", "local"] for x in ("count", "sum"))


@pytest.mark.parametrize("status", ["refused", "failed", "cancelled"])
def test_what_was_not_answered_is_counted_and_not_timed(status: str) -> None:
    """Its few milliseconds would make the peer look fast. What it wrote until then, it wrote."""
    metrics = Telemetry()
    metrics.observe("remote", status, 0.1, 0.2, 7, 3)

    samples = samples_of(metrics)

    assert 1 == samples["ppai_requests_total", status, "remote"]
    assert (0, 3) == (
        samples["ppai_tokens_total", "prompt", "remote"],
        samples["ppai_tokens_total", "completion", "remote"],
    )
    assert ("ppai_request_duration_seconds_count", "remote") not in samples


def test_others_requests_are_counted_apart() -> None:
    metrics = Telemetry()
    metrics.observe_served("ok", 7, 4)
    metrics.observe_served("refused", 0, 0)

    samples = samples_of(metrics)

    assert (1, 1) == (samples["ppai_served_total", "ok"], samples["ppai_served_total", "refused"])
    assert 4 == samples["ppai_tokens_total", "completion", "served"]


def test_two_peers_in_one_process_have_their_own_metrics() -> None:
    one, other = Telemetry(), Telemetry()
    one.observe_served("ok", 1, 1)

    assert ("ppai_served_total", "ok") not in samples_of(other)


def test_a_gauge_is_read_when_it_is_scraped() -> None:
    metrics, value = Telemetry(), [1.0]
    metrics.watch("ppai_test", "test", lambda: value[0])
    value[0] = 2.0

    assert 2.0 == samples_of(metrics)["ppai_test",]


def test_the_log_is_lines_of_json_for_its_owner_alone(tmp_path: Path) -> None:
    log = RouteLog(tmp_path / "route.jsonl")
    for number in range(3):
        log.write({"request": number, "score": float("nan")})
    log.close()

    assert [0, 1, 2] == [json.loads(line)["request"] for line in (tmp_path / "route.jsonl").read_text().splitlines()]
    assert 0o600 == (tmp_path / "route.jsonl").stat().st_mode & 0o777


def test_the_log_goes_on_after_a_restart(tmp_path: Path) -> None:
    for number in range(2):
        log = RouteLog(tmp_path / "route.jsonl")
        log.write({"request": number})
        log.close()

    assert 2 == len((tmp_path / "route.jsonl").read_text().splitlines())


def test_the_tail_is_the_newest_lines(tmp_path: Path) -> None:
    log = RouteLog(tmp_path / "route.jsonl", keep=3)
    for number in range(5):
        log.write({"request": number})
    log.close()

    assert [2, 3, 4] == [line["request"] for line in log.tail]


def test_a_long_log_is_set_aside_and_one_older_kept(tmp_path: Path) -> None:
    log = RouteLog(tmp_path / "route.jsonl", limit_bytes=100)
    for number in range(40):
        log.write({"request": number})
    log.close()

    files = sorted(path.name for path in tmp_path.iterdir())
    newest = [
        json.loads(line)["request"] for name in reversed(files) for line in (tmp_path / name).read_text().splitlines()
    ]
    assert {"route.jsonl", "route.1.jsonl"} >= set(files)
    assert sum((tmp_path / name).stat().st_size for name in files) < 300
    assert 39 in newest
    assert (tmp_path / "route.1.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_log_that_cannot_be_written_costs_the_line_only(tmp_path: Path) -> None:
    """And is taken up again when it can."""
    folder = tmp_path / "gone"
    log = RouteLog(folder / "route.jsonl")
    log.write({"request": 1})

    folder.mkdir()
    log.write({"request": 2})
    log.close()

    assert [1, 2] == [line["request"] for line in log.tail]
    assert '{"request":2}\n' == (folder / "route.jsonl").read_text()
