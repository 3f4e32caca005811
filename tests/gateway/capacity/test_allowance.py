"""What one peer may cost besides the engine: bytes held, probes, requests that come to nothing."""

from discovery.records import PeerId
from gateway.capacity.allowance import PEERS_LIMIT, SITE_FACTOR, UNPROVED, Allowance, AllowanceConfig

ADA, BEN, CAT = PeerId("ada"), PeerId("ben"), PeerId("cat")
CONFIG = AllowanceConfig(
    held_bytes=10, unproved_bytes=4, all_bytes=15, probes_per_s=2, probes_burst=4, failures_per_s=1, failures_burst=2
)


def test_one_peer_s_bodies_leave_room_for_another_s() -> None:
    allowance = Allowance(CONFIG)
    assert [True, False, True] == [allowance.hold(ADA, size) for size in (8, 3, 2)]

    assert [True, False] == [allowance.hold(BEN, size) for size in (5, 1)]  # all bodies together
    allowance.release(ADA, 8)
    assert allowance.hold(CAT, 1)


def test_senders_that_are_not_proved_share_little() -> None:
    """Whoever claims an approved peer's id takes nothing of what that peer may hold."""
    allowance = Allowance(CONFIG)

    assert [True, False] == [allowance.hold(UNPROVED, size) for size in (4, 1)]
    assert allowance.hold(ADA, 10)


def test_probes_come_at_a_rate() -> None:
    allowance = Allowance(CONFIG)

    assert [True] * 4 + [False] == [allowance.may_probe(ADA, 0.0) for _ in range(5)]
    assert allowance.may_probe(BEN, 0.0)
    assert [True, True, False] == [allowance.may_probe(ADA, 1.0) for _ in range(3)]


def test_details_are_asked_for_seldom() -> None:
    allowance = Allowance(AllowanceConfig(enquiries_per_s=0.5, enquiries_burst=2))

    assert [True, True, False] == [allowance.may_enquire(ADA, 0.0) for _ in range(3)]
    assert allowance.may_enquire(BEN, 0.0)
    assert [True, False] == [allowance.may_enquire(ADA, 2.0) for _ in range(2)]


def test_who_asks_in_vain_again_and_again_is_refused_for_a_while() -> None:
    allowance = Allowance(CONFIG)
    for _ in range(2):
        allowance.failed(ADA, 0.0)
    assert allowance.may_delegate(ADA, 0.0)

    allowance.failed(ADA, 0.0)

    assert [False, False, True] == [allowance.may_delegate(ADA, now) for now in (0.0, 9.9, 10.0)]
    assert allowance.may_delegate(BEN, 0.0)


def test_memory_is_bounded_however_many_ids_ask() -> None:
    allowance = Allowance(CONFIG)
    for number in range(2 * PEERS_LIMIT):
        for _ in range(3):
            allowance.failed(PeerId(str(number)), 0.0)
        allowance.hold(PeerId(str(number)), 1)
        allowance.release(PeerId(str(number)), 1)

    assert PEERS_LIMIT == len(allowance._banned_until)
    assert 0 == len(allowance._held)


def test_one_peer_s_quota_is_in_requests_and_in_tokens() -> None:
    config = AllowanceConfig(requests_per_s=1, tokens_per_s=10, burst_s=2)
    for requests, tokens in ((2, 0.0), (1, 130.0)):
        allowance = Allowance(config)
        for _ in range(requests):
            spend(allowance, tokens)

        assert allowance.spends(ADA, "elsewhere", 0.0) is None
        assert allowance.spends(BEN, "site", 0.0)
        assert allowance.spends(ADA, "site", 2.0)


def test_a_flood_of_a_hundred_names_from_one_address_has_four_times_one_quota() -> None:
    """Ten times the quota, by one name and by a hundred: what passes in a minute."""
    for names, most in ((1, 1), (100, SITE_FACTOR)):
        allowance = Allowance(AllowanceConfig(requests_per_s=2, burst_s=5))
        asked = (allowance.spends(PeerId(f"sybil-{tick % names}"), "192.0.2.1", tick / 20) for tick in range(60 * 20))

        assert sum(map(bool, asked)) <= most * 2 * (60 + 5) + 1


def test_a_rate_of_zero_is_no_limit() -> None:
    allowance = Allowance(AllowanceConfig(requests_per_s=0, tokens_per_s=0))
    for _ in range(1000):
        spend(allowance, 1e6)

    assert allowance.spends(ADA, "site", 0.0)


def spend(allowance: Allowance, tokens: float) -> None:
    spending = allowance.spends(ADA, "site", 0.0)
    assert spending is not None
    allowance.spent(spending, tokens, 0.0)
