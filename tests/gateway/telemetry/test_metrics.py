"""Metrics as Prometheus reads them."""

from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.counts import GATHERED
from gateway.telemetry.metrics import Telemetry


def samples_of(metrics: Telemetry) -> dict[tuple[str, ...], float]:
    """(name, label values...) -> value, of what a scrape brings."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
    }


def test_an_answer_is_counted_and_timed() -> None:
    metrics = Telemetry()
    metrics.observe("local", "ok", (0.5, 2.0, 7, 4, 0.0))
    metrics.observe("local", "ok", (None, 1.0, 3, 1, 0.0))

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
    metrics.observe("remote", status, (0.1, 0.2, 7, 3, 0.0))

    samples = samples_of(metrics)

    assert 1 == samples["ppai_requests_total", status, "remote"]
    assert (0, 3) == (
        samples["ppai_tokens_total", "prompt", "remote"],
        samples["ppai_tokens_total", "completion", "remote"],
    )
    assert 0 == samples["ppai_request_duration_seconds_count", "remote"]


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

    assert 0 == samples_of(other)["ppai_served_total", "ok"]


def test_an_answer_in_one_piece_has_no_first_token() -> None:
    """All of it came at once: its time to the last byte is no time to the first token."""
    metrics = Telemetry()
    metrics.observe("local", "ok", (None, 3.0, 7, 4, 0.0))

    samples = samples_of(metrics)

    assert 0 == samples["ppai_time_to_first_token_seconds_count", "local"]
    assert 0 == samples["ppai_time_per_output_token_seconds_count", "local"]


def test_time_per_token_counts_from_the_first_token_on() -> None:
    metrics = Telemetry()
    metrics.observe("local", "ok", (1.0, 3.0, 7, 5, 0.0))
    metrics.observe("local", "ok", (1.0, 1.0, 7, 1, 0.0))  # a single token has no time between tokens

    samples = samples_of(metrics)

    assert (1, 0.5) == tuple(samples[f"ppai_time_per_output_token_seconds_{x}", "local"] for x in ("count", "sum"))


def test_what_was_expected_stands_beside_what_was() -> None:
    metrics = Telemetry()
    metrics.observe("remote", "ok", (0.5, 2.0, 7, 4, 1.5))
    metrics.observe_wait((0.25, 1.0))

    samples = samples_of(metrics)

    assert (1.5, 2.0) == (
        samples["ppai_expected_duration_seconds_sum", "remote"],
        samples["ppai_request_duration_seconds_sum", "remote"],
    )
    assert (0.25, 1.0) == tuple(samples["ppai_wait_seconds_sum", kind] for kind in ("expected", "actual"))


@pytest.mark.parametrize(("reason", "label"), [("best", "best"), ("privacy:secrets", "privacy"), ("field:n", "field")])
def test_reasons_are_counted_by_kind(reason: str, label: str) -> None:
    metrics = Telemetry()
    metrics.observe_choice(0.1, reason)
    metrics.observe_answer("ok", reason)

    samples = samples_of(metrics)

    assert (1, 1) == (samples["ppai_decisions_total", label], samples["ppai_answers_total", label, "ok"])


def test_a_choice_that_is_no_decision_is_timed_alone() -> None:
    """One that waits looks again, and a person may ask who would answer."""
    metrics = Telemetry()
    metrics.observe_choice(0.1, "")

    samples = samples_of(metrics)

    assert 1 == samples["ppai_stage_seconds_count", "choose"]
    assert [] == [name for name in samples if name[0] == "ppai_decisions_total"]


def test_what_was_counted_is_told_once_however_often_it_is_asked_for() -> None:
    """More than are gathered at a time, and a few that were not."""
    metrics, number = Telemetry(), GATHERED + 3
    for _ in range(number):
        metrics.observe("local", "ok", (0.5, 2.0, 7, 4, 0.0))
        metrics.observe_answer("ok", "best")
    samples_of(metrics)

    samples = samples_of(metrics)

    assert [number, 4 * number, number, number] == [
        samples["ppai_requests_total", "ok", "local"],
        samples["ppai_tokens_total", "completion", "local"],
        samples["ppai_time_to_first_token_seconds_count", "local"],
        samples["ppai_answers_total", "best", "ok"],
    ]


def test_the_names_of_fields_make_no_series_of_their_own() -> None:
    telemetry = Telemetry()
    for name in ("n", "messages.unknown", "tools.unknown"):
        telemetry.observe_refused(503, f"peer_field:{name}")

    assert b'ppai_refused_total{code="peer_field",status="503"} 3.0' in telemetry.exposition()


@pytest.mark.parametrize("observe", [lambda t, code: t.observe_refused(503, code), Telemetry.observe_turned_away])
def test_a_code_that_another_peer_makes_up_each_time_makes_a_bounded_number_of_series(
    observe: Callable[[Telemetry, str], None],
) -> None:
    """A refusal's code is the other peer's word: it must not fill our memory, nor Prometheus'."""
    telemetry = Telemetry()
    for number in range(1000):
        observe(telemetry, f"peer_{number}")

    assert 100 > sum(b"peer_" in line for line in telemetry.exposition().splitlines())


def test_no_more_waits_to_be_counted_than_is_gathered_at_a_time() -> None:
    """Whatever comes without an answer: what cannot be read, what is looked at while it waits, a refusal."""
    for observe in (
        lambda metrics: metrics.observe_stage("read", 0.1),
        lambda metrics: metrics.observe_choice(0.1, "best"),
        lambda metrics: metrics.observe_answer("ok", "best"),
    ):
        metrics = Telemetry()
        for _ in range(3 * GATHERED):
            metrics.observe("local", "refused", (None, 0.1, 0, 0, 0.1))
            metrics.observe_wait((0.0, 0.0))
            observe(metrics)

        waiting = [metrics._chosen, metrics._answered, *metrics._taken.values()]
        assert GATHERED > max(map(len, waiting))
