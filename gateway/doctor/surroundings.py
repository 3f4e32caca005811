"""Checks of what lies between this machine and others: multicast on each interface, and firewalls of this machine."""

import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.doctor.finding import Finding

MDNS_GROUP, MDNS_PORT = "224.0.0.251", 5353


def mdns_findings(ips: Sequence[str], *, wanted: bool) -> list[Finding]:
    """Whether the system lets us hear mDNS at each of these addresses of ours. Sends nothing to anybody else.

    Whether others hear us is not told by this: switches and access points drop multicast, and only they know.
    """
    if not wanted:
        return [Finding("mdns", None, "mDNS is off by the settings (`network.mdns`): peers are found by seeds alone")]
    return [_joined(ip) for ip in ips if ":" not in ip]


def _joined(ip: str) -> Finding:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hearing:
        hearing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            hearing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            hearing.bind(("", MDNS_PORT))
            group = struct.pack("4s4s", socket.inet_aton(MDNS_GROUP), socket.inet_aton(ip))
            hearing.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        except OSError as error:
            said = f"mDNS cannot be heard at {ip}: {error.strerror}"
            remedy = f"let other programs share port {MDNS_PORT}, or name a peer with --seed HOST:PORT"
            return Finding("mdns", False, said, remedy)
    return Finding("mdns", True, f"mDNS can be heard at {ip}; whether others hear us there is not told by this")


def firewall_finding(port: int, *, root: Path = Path("/"), platform: str = sys.platform) -> Finding:
    """Whether a firewall of this machine is known to be on. Its rules are root's to read, so this is a hint."""
    if platform == "win32":
        said = "whether the firewall of Windows lets others in is not read"
        remedy = (
            f"allow it: netsh advfirewall firewall add rule name=PPAI dir=in action=allow protocol=TCP localport={port}"
        )
        return Finding("firewall", None, said, remedy)
    if platform != "linux":
        return Finding("firewall", None, "whether a firewall lets others in is not read on this system")
    try:
        is_ufw_on = "ENABLED=yes" in (root / "etc/ufw/ufw.conf").read_text(encoding="utf-8", errors="replace")
    except OSError:
        is_ufw_on = False
    if is_ufw_on:
        remedy = f"if others cannot reach this peer: ufw allow {port}/tcp, and ufw allow {MDNS_PORT}/udp for mDNS"
        return Finding("firewall", None, "ufw is on, and its rules are not read", remedy)
    if (root / "run/firewalld").exists():
        remedy = (
            f"if others cannot reach this peer: firewall-cmd --add-port={port}/tcp --add-service=mdns --permanent, then"
        )
        return Finding(
            "firewall", None, "firewalld is on, and its rules are not read", f"{remedy} firewall-cmd --reload"
        )
    return Finding("firewall", True, "neither ufw nor firewalld is on; rules of nftables made by hand are not read")


def is_container(root: Path = Path("/")) -> bool:
    """Whether this process runs in a container of Docker or Podman."""
    return (root / ".dockerenv").exists() or (root / "run/.containerenv").exists()
