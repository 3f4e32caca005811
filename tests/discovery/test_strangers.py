"""What strangers may take of us together, and who of them counts as one."""

import pytest

from discovery.records import Address
from discovery.strangers import UNKNOWN_SITE, StrangersConfig, StrangersDials, StrangersTime, site_of

CONFIG = StrangersConfig(share=0.1, burst_s=1.0, site_share=0.25, memory_s=10.0)


@pytest.mark.parametrize(
    ("ip", "site"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.2", "192.0.2.2"),
        ("2002:c000:201:5::9", "192.0.2.1"),
        ("2001:db8:0:1::5", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff::", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::5", "2001:db8:0:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", UNKNOWN_SITE),
        ("/run/peer.sock", UNKNOWN_SITE),
    ],
)
def test_one_owner_is_one_site_in_whatever_form_the_address_comes(ip: str, site: str) -> None:
    assert site == site_of(ip)


def test_all_sites_together_get_their_share_and_no_more() -> None:
    time = StrangersTime(CONFIG)

    spent = 0.0
    for step in range(10_000):
        now, site = step / 100, str(step % 97)
        if time.has_room(site, now):
            time.spend(site, 0.01, now)
            spent += 0.01

    assert CONFIG.share * 100 - 0.6 < spent < CONFIG.share * 100 + CONFIG.burst_s + 0.02


def test_one_site_gets_a_quarter() -> None:
    time = StrangersTime(CONFIG)

    spent = 0.0
    for step in range(10_000):
        if time.has_room("one", step / 100):
            time.spend("one", 0.01, step / 100)
            spent += 0.01

    assert 0.25 * CONFIG.share * 90 < spent < 0.25 * CONFIG.share * 120


def test_a_newcomer_finds_room_while_others_ask_without_end() -> None:
    time = StrangersTime(CONFIG)

    refused = newcomer = 0
    for step in range(2000):
        now, site = step / 100, str(step % 17)
        newcomer += time.has_room("newcomer", now)
        if time.has_room(site, now):
            time.spend(site, 0.01, now)
        else:
            refused += 1

    assert refused > 1500
    assert 2000 == newcomer


def test_a_debt_is_paid_off_before_the_next_work() -> None:
    time = StrangersTime(CONFIG)
    time.spend("one", 1.25, 0.0)

    assert not time.has_room("two", 2.0)
    assert time.has_room("two", 3.0)
    assert not time.has_room("one", 15.0)
    assert time.has_room("one", 20.0)


def test_the_sites_remembered_are_bounded() -> None:
    time = StrangersTime(StrangersConfig(sites_limit=10))
    for number in range(1000):
        time.spend(str(number), 0.0, 0.0)

    assert 10 == len(time._used)
    time.spend("late", 0.0, 100.0)
    assert ["late"] == list(time._used)


def test_one_address_is_dialled_once_a_minute() -> None:
    dials, victim = StrangersDials(), Address("192.0.2.9", 8471)

    made = [second for second in range(180) if dials.allow(victim, float(second))]

    assert [0, 60, 120] == made


def test_the_ports_of_one_site_share_its_dials() -> None:
    dials = StrangersDials()

    made = sum(dials.allow(Address("192.0.2.9", 1024 + n), n / 10) for n in range(600))

    assert 16 + 60 / 4 >= made


def test_all_dials_together_are_bounded_and_no_limit_is_flushed_by_naming_many_addresses() -> None:
    dials, victim = StrangersDials(), Address("192.0.2.9", 8471)
    dials.allow(victim, 0.0)

    made = sum(dials.allow(Address(f"10.{n >> 8}.{n & 255}.1", 8471), n / 200) for n in range(10_000))

    assert 32 + 50 * 8 >= made
    assert not dials.allow(victim, 59.0)
    assert dials.allow(victim, 60.0)
