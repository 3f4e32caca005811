"""Checks of the network, out of what the running peer says of it (its status page, its peers page). Pure."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from discovery.names import is_id, quoted
from gateway.doctor.finding import Finding

Page = Mapping[str, Any]

# Words of refusals (discovery/admission.py, discovery/request_auth.py), and what their kind is called here.
WAYS_SHOWN = 8  # peers of which the way is told, one line each
_SECRET, _CLOCK = "secret", "clocks differ"
REFUSES_US = "it refuses us"  # begins why, where the other side keeps us out (discovery/dialler.py)
_KINDS = (
    (ip_network("127.0.0.0/8"), "this machine alone"),
    (ip_network("100.64.0.0/10"), "a VPN such as Tailscale, or a provider's NAT"),
    (ip_network("172.17.0.0/16"), "a container bridge, most likely"),
    (ip_network("169.254.0.0/16"), "one link alone, by an address that nobody gave"),
    (ip_network("10.0.0.0/8"), "a private network"),
    (ip_network("172.16.0.0/12"), "a private network"),
    (ip_network("192.168.0.0/16"), "a private network"),
    (ip_network("fe80::/10"), "one link alone"),
    (ip_network("fd7a:115c:a1e0::/48"), "a VPN (Tailscale)"),
    (ip_network("fc00::/7"), "a private network"),
    (ip_network("::1/128"), "this machine alone"),
)


def kind_of(address: str) -> str:
    """What an address is good for, in words."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return next((kind for network, kind in _KINDS if ip.version == network.version and ip in network), "the internet")


def network_findings(status: Page, peers: Sequence[Page], *, mdns: bool | None, in_container: bool) -> list[Finding]:
    """What is found of the network. `mdns`: whether the settings let us announce ourselves; None: not known."""
    network = status["network"]
    return [
        _peers(peers, mdns),
        *_refused(network),
        *_refusing(peers),
        *_unreached(peers),
        *_ways(peers),
        _clock(network, peers),
        _clone(network, peers),
        *_addresses(network, in_container),
        *_relays(network),
        *_waiting(network),
    ]


def _peers(peers: Sequence[Page], mdns: bool | None) -> Finding:
    alive = [peer for peer in peers if peer["state"] == "alive"]
    if alive:
        away = len(peers) - len(alive)
        answer = "1 peer answers" if len(alive) == 1 else f"{len(alive)} peers answer"
        return Finding("network-peers", True, answer + (f", {away} of those known not" if away else ""))
    if peers:
        said = f"none of {len(peers)} known peers answers: {quoted(peers[0]['name'])}, {peers[0]['reason'] or 'silent'}"
        return Finding("network-peers", False, said, "run `ppai doctor` there; is a firewall or a VPN between?")
    how = (
        "mDNS is off (`network.mdns`), so nobody is found by itself" if mdns is False else "nobody was found by itself"
    )
    remedy = "on this machine run `ppai invite`, and on the other the line that it prints; or --seed HOST:PORT"
    return Finding("network-peers", None, f"no other peer is known: {how}", remedy)


def _refused(network: Page) -> list[Finding]:
    """Peers that we keep out: those of another secret first, since that is a mistake and not a wish."""
    found = []
    for peer in network["refused"]:
        who = quoted(peer["name"]) + (
            f" ({peer['id'][:10]})" if is_id(peer["id"]) else ""
        )  # else where nobody is known
        said = f"{who} {'keeps us out' if peer['why'].startswith(REFUSES_US) else 'is kept out'}"
        check = (
            "network-secret"
            if _SECRET in peer["why"]
            else "network-clock"
            if _CLOCK in peer["why"]
            else "network-admission"
        )
        found.append(Finding(check, False, said, peer["why"]))
    return found or [Finding("network-admission", True, "nobody is kept out")]


def _refusing(peers: Sequence[Page]) -> list[Finding]:
    """Peers that do not take our requests, with the way that it is mended."""
    refusing = [peer for peer in peers if peer.get("refuses_us") and _CLOCK not in peer["refuses_us"]]
    return [
        Finding("network-asking", False, f"{quoted(peer['name'])} does not take our requests", peer["refuses_us"])
        for peer in refusing
    ]


def _unreached(peers: Sequence[Page]) -> list[Finding]:
    """Peers to which no address of theirs leads: they call us, and cannot be asked."""
    remedy = "there: let its peer port through the firewall, or say where it is reached (network.advertise)"
    found = []
    for peer in (peer for peer in peers if peer["state"] == "alive" and peer["path"] is None):
        if not peer.get("addresses", True):
            said = f"{quoted(peer['name'])} only asks: nobody who tried has reached it"
            found.append(Finding("network-reach", None, said, "run `ppai doctor` there, which says why"))
        else:
            said = f"{quoted(peer['name'])} calls us, but none of its addresses answers us"
            found.append(Finding("network-reach", False, said, remedy))
    return found


def _ways(peers: Sequence[Page]) -> list[Finding]:
    """By which way each peer is reached: one that relays, or a VPN that is up, shows here."""
    reached = [peer for peer in peers if peer["state"] == "alive" and peer["path"]]
    found = []
    for peer in reached[:WAYS_SHOWN]:
        kind = kind_of(peer["path"].rpartition(":")[0].strip("[]"))
        way = f"directly at {peer['path']}: {kind}"
        if peer.get("relayed"):
            way = f"through a relay at {peer['path']}"
        elif peer.get("punched"):
            way = f"through both NATs at {peer['path']}, by UDP"
        found.append(Finding("network-path", True, f"{quoted(peer['name'])} is reached {way}"))
    if len(reached) > WAYS_SHOWN:
        more = f"the ways to {len(reached) - WAYS_SHOWN} more peers: ppai peers"
        found.append(Finding("network-path", True, more))
    return found


def _clock(network: Page, peers: Sequence[Page]) -> Finding:
    differing = [peer for peer in peers if _CLOCK in (peer.get("refuses_us") or "")]
    if differing:
        said = f"{quoted(differing[0]['name'])} finds: {differing[0]['refuses_us']}"
        return Finding(
            "network-clock", False, said, "set the time on both machines by NTP, e.g. timedatectl set-ntp true"
        )
    if not any(peer["state"] == "alive" for peer in peers):
        return Finding("network-clock", None, "no other peer answers that could compare its clock with ours")
    return Finding("network-clock", True, "no peer says that its clock and ours differ")


def _clone(network: Page, peers: Sequence[Page]) -> Finding:
    if network["identity_in_use"]:
        said = "another machine runs with a copy of this home, so that others take the two for one"
        return Finding("network-clone", False, said, "give one of the two a new home: ppai init --home DIR")
    if cloned := [peer for peer in peers if peer["equivocated"]]:
        said = f"{quoted(cloned[0]['name'])} says two things at once: two machines run with copies of one home"
        return Finding("network-clone", False, said, "give one of the two a new home: ppai init --home DIR")
    return Finding("network-clone", True, "this identity is in use once")


def _addresses(network: Page, in_container: bool) -> list[Finding]:
    """Where others reach us, and what such an address is good for."""
    kinds = {text: kind_of(text.rpartition(":")[0].strip("[]")) for text in network["addresses"]}
    if not kinds:
        return [Finding("network-addresses", None, "others are told no address: nobody reached us, so we only ask")]
    said = "; ".join(f"{text}: {kind}" for text, kind in kinds.items())
    remedy = "say where others reach this machine: network.advertise, or ppai serve --advertise IP:PORT"
    if all(kind == "this machine alone" for kind in kinds.values()):
        said = f"other machines are told no address that leads here ({said})"
        return [Finding("network-addresses", None, said, f"if there are others, {remedy}")]
    bridges = [text for text, kind in kinds.items() if "container" in kind]
    if bridges and (in_container or len(bridges) == len(kinds)):
        return [
            Finding("network-addresses", False, f"others are told an address inside of a container ({said})", remedy)
        ]
    return [Finding("network-addresses", True, f"others are told {said}")]


def _relays(network: Page) -> list[Finding]:
    """The relays through which others are to reach us."""
    found = []
    for relay in network.get("relays", ()):
        if relay["problem"]:
            said = f"others do not reach us through the relay {relay['relay']}: {relay['problem']}"
            remedy = "there: relay.serve, its two ports open, and `ppai approve NAME --relay` for this peer"
            found.append(Finding("network-relay", False, said, remedy))
        else:
            said = f"others reach us through the relay {relay['relay']}, at {' and '.join(relay['at'])}"
            found.append(Finding("network-relay", True, said))
    return found


def _waiting(network: Page) -> list[Finding]:
    names = ", ".join(quoted(name) for name in network["waiting"][:3])
    remedy = "run `ppai approve ID` for whom you trust: `ppai peers` shows their ids"
    return [Finding("network-approval", None, f"waits to be approved: {names}", remedy)] if names else []
