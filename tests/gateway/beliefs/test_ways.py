"""How far a peer is by each way, and how fast large bodies get there."""

import pytest

from discovery import uploads
from gateway.beliefs.ways import LEAST_BYTES_PER_S, PRIOR_BYTES, REMEMBERED_BYTES, Ways

RTT_S, BANDWIDTH = 0.005, 12.5e6
MIB = 1 << 20


def test_until_it_was_measured_what_is_assumed_holds() -> None:
    ways = Ways(RTT_S, BANDWIDTH)
    assert (RTT_S, 1 / BANDWIDTH) == (ways.rtt_s, ways.byte_s)

    ways.observe_rtt(RTT_S + 0.8, "direct")

    assert (pytest.approx(RTT_S + 0.1), 1 / BANDWIDTH) == (ways.rtt_s, ways.byte_s)


def test_a_body_counts_by_its_size_beside_what_was_assumed() -> None:
    """4 MiB at 1 MB/s, after a round trip, beside 1 MiB at 12.5 MB/s."""
    ways = Ways(RTT_S, BANDWIDTH)

    ways.observe_sent(4 * MIB, RTT_S + 4 * MIB / 1e6, "direct")

    assert pytest.approx((PRIOR_BYTES / BANDWIDTH + 4 * MIB / 1e6) / (PRIOR_BYTES + 4 * MIB)) == ways.byte_s


@pytest.mark.parametrize("true_bytes_per_s", [2e5, 1e6, 1e9])
def test_what_was_measured_takes_the_place_of_what_was_assumed(true_bytes_per_s: float) -> None:
    ways = Ways(RTT_S, BANDWIDTH)
    for _ in range(20):
        ways.observe_sent(MIB, RTT_S + MIB / true_bytes_per_s, "direct")

    share = PRIOR_BYTES / REMEMBERED_BYTES
    assert pytest.approx(MIB / true_bytes_per_s, rel=share, abs=share * MIB / BANDWIDTH) == MIB * ways.byte_s


def test_a_link_that_becomes_faster_is_believed_after_as_much_as_is_remembered() -> None:
    ways = Ways(RTT_S, BANDWIDTH)
    for _ in range(1000):
        ways.observe_sent(MIB, MIB / 1e5, "direct")
    for _ in range(3 * REMEMBERED_BYTES // MIB):
        ways.observe_sent(MIB, MIB / 1e7, "direct")

    assert ways.byte_s < 0.1 / 1e5


@pytest.mark.parametrize(("took_s", "limit_s"), [(-1.0, 0.0), (0.0, 0.0), (1e9, MIB / LEAST_BYTES_PER_S)])
def test_no_body_teaches_more_than_can_be(took_s: float, limit_s: float) -> None:
    ways = Ways(RTT_S, BANDWIDTH)

    ways.observe_sent(MIB, took_s, "direct")

    assert pytest.approx((PRIOR_BYTES / BANDWIDTH + limit_s) / (PRIOR_BYTES + MIB)) == ways.byte_s
    assert LEAST_BYTES_PER_S == uploads.LEAST_BYTES_PER_S


def test_each_way_keeps_what_was_seen_of_it() -> None:
    """At home, then through a relay, then at home again: the first seen there says what is known of it."""
    ways = Ways(RTT_S, BANDWIDTH)
    ways.observe_rtt(0.001, "direct")
    at_home = ways.rtt_s, ways.byte_s
    ways.observe_sent(MIB, 10.0, "relay")
    away = ways.byte_s
    assert RTT_S == ways.rtt_s and away > 20 * at_home[1]

    ways.observe_rtt(at_home[0], "direct")
    assert (pytest.approx(at_home[0]), at_home[1]) == (ways.rtt_s, ways.byte_s)

    ways.observe_rtt(RTT_S, "relay")
    assert away == ways.byte_s
