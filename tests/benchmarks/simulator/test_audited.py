"""Who lies about abilities, once routers have audited it."""

from typing import Any

from benchmarks.simulator.audited import found_out


def test_a_third_too_much_is_found_out_within_forty_audits_and_the_honest_are_not() -> None:
    found: dict[str, Any] = found_out(1)

    assert found["claimed 0.9, true 0.6"]["mean"] >= 0.95
    assert found["claimed 0.9, true 0.9"]["mean"] <= 0.02
