"""What the other side found, as the doctor says it: each fault with its direction and remedy, nothing else claimed."""

from typing import Any

import pytest

from gateway.doctor.reach import reach_findings

ROW: dict[str, Any] = {
    "peer": "b" * 52, "name": "ben", "ip": "192.168.1.4", "port": 8471, "reached": True, "why": "", "own": True,
    "keeps_port": True, "hears_us": True, "heard": True,
}  # fmt: skip
NO: dict[str, Any] = {"reached": False, "why": "no answer in time"}
NAT = {**NO, "own": False, "ip": "203.0.113.5"}


def test_a_peer_that_is_reached_and_heard_has_no_fault() -> None:
    assert [("reach-us", True), ("mdns-peers", True)] == [(one.id, one.ok) for one in reach_findings([ROW])]


@pytest.mark.parametrize(
    ("row", "check", "ok", "words"),
    [
        (NO, "reach-us", False, "dialled us back at 192.168.1.4:8471 and did not reach us: no answer in time"),
        (NAT, "reach-us", False, "behind a NAT, which keeps ports, and did not reach us at 203.0.113.5:8471"),
        ({**NAT, "keeps_port": False}, "reach-us", False, "a NAT, which gives other ports"),
        ({**NAT, "keeps_port": None}, "reach-us", False, "behind a NAT, and did not"),
        ({"reached": None, "why": "its version of PPAI does not look", "own": False}, "reach-us", None, "its version"),
        ({"hears_us": False}, "mdns-peers", False, "on the way from here to there"),
        ({"heard": False}, "mdns-peers", False, "on the way from there to here"),
        ({"hears_us": False, "heard": False}, "mdns-peers", None, "between networks"),
    ],
)
def test_each_fault_is_told_once(row: dict[str, Any], check: str, ok: bool | None, words: str) -> None:
    told = [one for one in reach_findings([{**ROW, **row}]) if one.ok is not True]
    told = [one for one in told if one.id == check]

    assert [ok] == [one.ok for one in told] and words in told[0].said
    assert told[0].remedy or ok is None


def test_ipv6_is_shown_as_it_is_typed() -> None:
    (found, _) = reach_findings([{**ROW, "ip": "2001:db8::1"}])

    assert "[2001:db8::1]:8471" in found.said


def test_a_nat_in_one_direction_is_no_fault_while_others_reach_us() -> None:
    assert False not in [one.ok for one in reach_findings([ROW, {**ROW, **NAT}])]


@pytest.mark.parametrize("unknown", [{"own": False}, {"hears_us": None}, {"heard": None}])
def test_nothing_is_said_of_mdns_where_it_cannot_be_known(unknown: dict[str, Any]) -> None:
    assert ["reach-us"] == [one.id for one in reach_findings([{**ROW, **unknown}])]


def test_nobody_to_ask_is_said_so() -> None:
    assert [("reach-us", None)] == [(one.id, one.ok) for one in reach_findings([])]
