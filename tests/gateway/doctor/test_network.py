"""Networks by what the running peer says of them: each fault is named with what mends it, and nothing else."""

from typing import Any

import pytest

from gateway.doctor.network import kind_of, network_findings

BEN: dict[str, Any] = {
    "name": "ben", "id": "b" * 52, "state": "alive", "reason": "", "refuses_us": None, "path": "192.168.1.7:8471",
    "equivocated": False,
}  # fmt: skip
NETWORK: dict[str, Any] = {"refused": [], "identity_in_use": False, "addresses": ["192.168.1.4:8471"], "waiting": []}


def kept_out(why: str) -> dict[str, Any]:
    return {"refused": [{"name": "cleo", "id": "c" * 52, "why": why}]}


def test_a_good_network_has_no_fault() -> None:
    found = network_findings({"network": NETWORK}, [BEN], mdns=True, in_container=False)

    assert {True} == {one.ok for one in found}


@pytest.mark.parametrize(
    ("of_network", "of_ben", "check", "ok", "remedy"),
    [
        (kept_out("the two peers have different secrets: copy the secret file"), {}, "network-secret", False, "copy"),
        (
            kept_out("this network admits listed peers only: `ppai approve ID`"),
            {},
            "network-admission",
            False,
            "approve",
        ),
        ({}, {"refuses_us": "its owner has to run `ppai approve`"}, "network-asking", False, "ppai approve"),
        ({}, {"refuses_us": "our clocks differ by 90 s: set the time"}, "network-clock", False, "NTP"),
        ({}, {"path": None}, "network-reach", False, "network.advertise"),
        ({"identity_in_use": True}, {}, "network-clone", False, "ppai init --home"),
        ({}, {"equivocated": True}, "network-clone", False, "ppai init --home"),
        ({"addresses": ["127.0.0.1:8471"]}, {}, "network-addresses", None, "network.advertise"),
        ({"addresses": ["172.17.0.2:8471"]}, {}, "network-addresses", False, "--advertise"),
        ({"waiting": ["dora"]}, {}, "network-approval", None, "ppai approve ID"),
        ({"relays": [{"relay": "h:8471", "problem": "it is full", "at": []}]}, {}, "network-relay", False, "--relay"),
        ({"addresses": []}, {}, "network-addresses", None, ""),
        ({}, {"path": None, "addresses": []}, "network-reach", None, "ppai doctor"),
    ],
)
def test_each_fault_is_told_once_with_its_remedy(
    of_network: dict[str, Any], of_ben: dict[str, Any], check: str, ok: bool | None, remedy: str
) -> None:
    status = {"network": {**NETWORK, **of_network}}
    told = network_findings(status, [{**BEN, **of_ben}], mdns=True, in_container=False)
    found = [one for one in told if one.ok is not True]

    assert [(check, ok)] == [(one.id, one.ok) for one in found]
    assert remedy in found[0].remedy


def test_the_way_to_each_peer_is_told() -> None:
    """A VPN or a relay by its name; of many, those that are not shown are counted."""
    others = [
        {**BEN, "path": "100.64.0.3:8471"}, {**BEN, "path": "[fd7a:115c:a1e0::5]:8471"},
        {**BEN, "path": "203.0.113.9:8472", "relayed": True}, {**BEN, "state": "dead"}, *[BEN] * 9,
    ]  # fmt: skip
    told = network_findings({"network": NETWORK}, others, mdns=True, in_container=False)
    ways = [one.said for one in told if one.id == "network-path"]

    assert "a VPN such as Tailscale" in ways[0] and "a VPN (Tailscale)" in ways[1]
    assert ways[2].endswith("is reached through a relay at 203.0.113.9:8472")
    assert 9 == len(ways) and "4 more" in ways[-1]


def test_whoever_keeps_us_out_is_told_by_its_address() -> None:
    """Who it is we do not know."""
    address, why = "192.168.1.9:8471", "it refuses us, and says: 'the two peers have different secrets: copy the file'"
    refused = {"refused": [{"name": address, "id": address, "why": why}]}
    told = network_findings({"network": {**NETWORK, **refused}}, [BEN], mdns=True, in_container=False)

    (found,) = [one for one in told if one.ok is False]
    assert ("network-secret", f"'{address}' keeps us out") == (found.id, found.said)


def test_nobody_known_is_no_fault_and_nobody_who_answers_is_one() -> None:
    alone = network_findings({"network": NETWORK}, [], mdns=False, in_container=False)
    lost = network_findings({"network": NETWORK}, [{**BEN, "state": "dead"}], mdns=True, in_container=False)

    assert ["network-peers", "network-clock"] == [one.id for one in alone if one.ok is None]
    assert [] == [one.id for one in alone if one.ok is False]
    assert "`network.mdns`" in alone[0].said
    assert ["network-peers"] == [one.id for one in lost if one.ok is False]


def test_a_bridge_beside_a_real_address_counts_in_a_container_only() -> None:
    status = {"network": {**NETWORK, "addresses": ["192.168.1.4:8471", "172.17.0.1:8471"]}}
    inside, outside = (network_findings(status, [BEN], mdns=True, in_container=known) for known in (True, False))

    assert ["network-addresses"] == [one.id for one in inside if one.ok is False]
    assert [] == [one.id for one in outside if one.ok is False]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "this machine alone"), ("::1", "this machine alone"), ("100.101.1.2", "VPN"),
        ("10.0.0.3", "private"), ("fe80::1%eth0", "one link"), ("fd00::1", "private"), ("8.8.8.8", "internet"),
        ("::ffff:10.0.0.3", "private"),
    ],
)  # fmt: skip
def test_an_address_is_told_by_its_kind(address: str, kind: str) -> None:
    assert kind in kind_of(address)
