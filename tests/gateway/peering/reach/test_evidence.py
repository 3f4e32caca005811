"""What others are told of our addresses, by what they found: a table of the rules, and what is remembered."""

import pytest

from discovery.records import Address, PeerId
from gateway.peering.reach.evidence import ENTRIES_LIMIT, KEPT_S, LOOKS_LIMIT, Evidence, Look

LAN, BRIDGE, VPN = (Address(ip, 8471) for ip in ("192.168.1.4", "172.17.0.1", "100.64.0.9"))
OWN, OUTER = (LAN, BRIDGE, VPN), Address("203.0.113.5", 8471)


def look(peer: str, ip: str, why: str = "", at: float = 0.0) -> Look:
    return Look(PeerId(peer), ip, 8471, why, at)


def published(*looks: Look, entered: tuple[str, ...] = (), lookers: int = 2, now: float = 1.0) -> tuple[Address, ...]:
    evidence = Evidence()
    for one in looks:
        evidence.looked(one)
    for ip in entered:
        evidence.entered(ip, 0.0)
    return evidence.published(OWN, lookers, now, lambda address: True)


NO = "no answer in time"


@pytest.mark.parametrize(
    ("looks", "entered", "lookers", "expected"),
    [
        ((), (), 0, OWN),
        ((look("b", LAN.ip),), (), 2, (LAN,)),
        ((look("b", LAN.ip), look("c", VPN.ip)), (), 2, (LAN, VPN)),
        ((look("b", LAN.ip, NO), look("c", VPN.ip)), (), 2, (VPN,)),
        ((), (VPN.ip,), 0, (VPN,)),
        ((look("b", LAN.ip, NO), look("c", OUTER.ip, NO)), (LAN.ip,), 2, (LAN,)),
        ((look("b", LAN.ip, NO),), (), 1, ()),  # the only one that can look
        ((look("b", LAN.ip, NO),), (), 2, OWN),  # one of two is not enough
        ((look("b", LAN.ip, NO), look("c", OUTER.ip, NO)), (), 5, ()),
        ((look("b", OUTER.ip),), (), 2, OWN),  # nobody else says so yet
        ((look("b", OUTER.ip), look("c", OUTER.ip)), (), 5, (OUTER,)),
        ((look("b", OUTER.ip),), (LAN.ip,), 1, (LAN, OUTER)),
        ((look("b", OUTER.ip), look("c", "198.51.100.1")), (), 2, OWN),  # two that contradict each other
    ],
)
def test_others_are_told_what_was_reached(
    looks: tuple[Look, ...], entered: tuple[str, ...], lookers: int, expected: tuple[Address, ...]
) -> None:
    assert expected == published(*looks, entered=entered, lookers=lookers)


def test_what_was_found_counts_for_an_hour() -> None:
    missed = look("b", LAN.ip, NO), look("c", LAN.ip, NO)

    assert () == published(*missed, now=KEPT_S - 1)
    assert OWN == published(*missed, now=KEPT_S + 1) == published(look("b", LAN.ip), entered=(VPN.ip,), now=KEPT_S + 1)


def test_an_address_that_may_not_be_told_is_not() -> None:
    evidence = Evidence()
    for peer in ("b", "c"):
        evidence.looked(look(peer, "169.254.169.254"))

    assert OWN == evidence.published(OWN, 2, 1.0, lambda address: False)


def test_a_newer_look_of_a_peer_replaces_its_older_one() -> None:
    assert (LAN,) == published(look("b", LAN.ip, NO), look("c", LAN.ip, NO), look("b", LAN.ip))
    assert OWN == published(look("b", LAN.ip, NO), look("b", LAN.ip, NO), lookers=3)


def test_elsewhere_it_begins_anew_and_memory_is_bounded() -> None:
    evidence = Evidence()
    for number in range(LOOKS_LIMIT + 5):
        evidence.looked(look(f"p{number}", LAN.ip, NO))
    for number in range(ENTRIES_LIMIT + 5):
        evidence.entered(f"10.0.0.{number}", 0.0)
    assert LOOKS_LIMIT == len(evidence.looks(1.0)) and ENTRIES_LIMIT == len(evidence._entries)
    assert "reached" == evidence.state(OWN, 9, 1.0)

    evidence.forget()

    assert OWN == evidence.published(OWN, 2, 1.0, lambda address: True)
    assert "unknown" == evidence.state(OWN, 2, 1.0)


def test_who_only_asks_is_said_to() -> None:
    evidence = Evidence()
    evidence.looked(look("b", LAN.ip, NO))

    assert "asks only" == evidence.state(OWN, 1, 1.0)
