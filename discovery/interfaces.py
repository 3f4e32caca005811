"""Which addresses this machine has, and on which of them a listener is reached."""

import ipaddress

import ifaddr

from discovery.records import may_be_peer


def interfaces(bind_host: str) -> tuple[str, ...]:
    """The addresses to announce on, for a listener bound to `bind_host`.

    That address itself; for `0.0.0.0` every IPv4 address of this machine, for `::` those of both families, IPv4 first.
    Loopback where the machine has no other, so that peers on one machine find each other without a network.
    """
    if bind_host not in ("0.0.0.0", "::", ""):
        return ("127.0.0.1",) if bind_host == "localhost" else (bind_host,)
    usable = [ip for ip in own_addresses() if may_be_peer(ip) and not ip.is_loopback]
    heard = [ip for ip in usable if ip.version == 4 or bind_host == "::"]
    return tuple(str(ip) for ip in sorted(heard, key=lambda ip: (ip.version, int(ip)))) or ("127.0.0.1",)


def own_addresses() -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses of our interfaces."""
    ips = (ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips)
    return {ipaddress.ip_address(ip if isinstance(ip, str) else ip[0]) for ip in ips}
