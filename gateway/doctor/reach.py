"""Checks from the other side: whether peers that dialled us back reached us, and whether each hears the other. Pure.

A row is what one peer found (gateway/peering/reach/looks.py). A fault is told with the way that is blocked: from here
to there, or from there to here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from discovery.names import quoted
from discovery.records import Address
from gateway.doctor.finding import Finding

Row = Mapping[str, Any]

_MULTICAST = "let UDP port 5353 through on both, and look for client isolation on the access point; or use --seed"


def reach_findings(rows: Sequence[Row]) -> list[Finding]:
    """What peers found who looked, and who cannot look."""
    if not rows:
        return [Finding("reach-us", None, "no peer that could dial us back is there")]
    is_reached = any(row["reached"] for row in rows)
    found = [_reached(row, is_reached) for row in rows]
    return found + [heard for row in rows if (heard := _mdns(row)) is not None]


def _reached(row: Row, is_reached: bool) -> Finding:
    who = quoted(row["name"])
    if row["reached"] is None:
        return Finding("reach-us", None, f"{who} did not dial us back: {row['why']}")
    at = Address(row["ip"], row["port"])
    if row["reached"]:
        return Finding("reach-us", True, f"{who} reached us at {at}")
    if row["own"]:
        said = f"{who} dialled us back at {at} and did not reach us: {row['why']}"
        remedy = f"let TCP port {row['port']} through the firewall of this machine; `peer.host` must not be 127.0.0.1"
        return Finding("reach-us", False, said, remedy)
    ports = {True: ", which keeps ports", False: ", which gives other ports", None: ""}[row["keeps_port"]]
    said = f"{who} sees us behind a NAT{ports}, and did not reach us at {at}: {row['why']}"
    remedy = f"forward TCP port {row['port']} at the router, or join both to one VPN"
    return Finding("reach-us", None if is_reached else False, said, remedy)


def _mdns(row: Row) -> Finding | None:
    """Whether each of the two hears the other; nothing of a peer in another network, where multicast does not go."""
    if not row["own"] or row["hears_us"] is None or row["heard"] is None:
        return None
    who, ways = quoted(row["name"]), (row["hears_us"], row["heard"])
    if ways == (True, True):
        return Finding("mdns-peers", True, f"{who} hears our mDNS, and we hear its")
    if ways == (False, True):
        said = f"{who} does not hear our mDNS, though we hear its: multicast is blocked on the way from here to there"
        return Finding("mdns-peers", False, said, _MULTICAST)
    if ways == (True, False):
        said = f"we do not hear the mDNS of {who}, which hears ours: multicast is blocked on the way from there to here"
        return Finding("mdns-peers", False, said, _MULTICAST)
    said = f"neither of {who} and us hears the other's mDNS: between networks that is as it should be"
    return Finding("mdns-peers", None, said, _MULTICAST)
