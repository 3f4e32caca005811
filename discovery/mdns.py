"""mDNS: announces this peer on the local network, and reports announcements of others as hints.

A hint is not believed: the dialler says hello there, and the answer must prove who it is. Where multicast does not
work (containers, guest networks, a blocked port) a warning names the remedy and the peer goes on without mDNS.
"""

import asyncio
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from zeroconf import Error as ZeroconfError
from zeroconf import RecordUpdate, RecordUpdateListener, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from discovery.ear import SERVICE, Ear, label_of
from discovery.interfaces import own_addresses
from discovery.records import Address, InvalidRecord, PeerId, public_key

log = logging.getLogger(__name__)

NAMES_LIMIT = 64  # announcements waiting to be looked up; more are dropped
LOOKUPS_AT_ONCE = 8  # lookups in parallel, so that names without an answer do not hold up the others
_RESOLVE_MS = 2000  # ms after which a name counts as one without an answer
_RETRY_S = 30.0  # s until a failed start is tried again
_REFRESH_S = 30.0  # s between reads of our interfaces; after sleep or a change of network we announce anew


@dataclass(frozen=True, slots=True)
class Announcement:
    """What we announce of ourselves."""

    id: PeerId
    net: str
    cert_sha256: bytes
    port: int


class _Listener(RecordUpdateListener):
    """Tells an ear of whom each packet holds records, known or not."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        self._ear.heard({update.new.name for update in records})


async def run(
    announcement: Announcement,
    find_interfaces: Callable[[], tuple[str, ...]],
    on_hint: Callable[[Address, PeerId], None],
    ear: Ear | None = None,
) -> None:
    """Announce and browse until cancelled, then withdraw the announcement. Calls `on_hint` for every peer heard of.

    `ear` listens meanwhile.
    """
    is_warned = False
    while True:
        try:
            await _announce_and_browse(announcement, find_interfaces, on_hint, ear or Ear(time.monotonic))
        except (OSError, ZeroconfError, RuntimeError) as error:
            if not is_warned:
                log.warning(
                    "mdns_off reason=%r: nobody is found by itself, name a peer with --seed HOST:PORT", str(error)
                )
            is_warned = True
            await asyncio.sleep(_RETRY_S)


async def _announce_and_browse(
    announcement: Announcement,
    find_interfaces: Callable[[], tuple[str, ...]],
    on_hint: Callable[[Address, PeerId], None],
    ear: Ear,
) -> None:
    """Announce and browse until our interfaces change. Raises OSError, ZeroconfError, RuntimeError."""
    ips = find_interfaces()
    if not own_addresses().intersection(map(ipaddress.ip_address, ips)):
        raise OSError(f"no interface has the address {', '.join(ips)}")
    names = asyncio.Queue[str](NAMES_LIMIT)
    async with AsyncZeroconf(interfaces=list(ips)) as zeroconf:
        browser, listener = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[into(names)]), _Listener(ear)
        zeroconf.zeroconf.async_add_listener(listener, None)
        try:
            # cooperating_responders skips asking, for over a second, whether our name is taken: it holds our id
            info = _service_info(announcement, ips)
            await zeroconf.async_register_service(info, cooperating_responders=True)
            ear.open(lambda: zeroconf.zeroconf.async_send(zeroconf.zeroconf.generate_service_broadcast(info, None)))
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(
                    follow(names, lambda name: _look_up(zeroconf, name, announcement, on_hint))
                )
                while find_interfaces() == ips:
                    await asyncio.sleep(_REFRESH_S)
                following.cancel()
        finally:
            ear.close()
            zeroconf.zeroconf.async_remove_listener(listener)
            await browser.async_cancel()


async def find(net: str, ips: tuple[str, ...], seconds: float) -> list[Address]:
    """Where peers of this network listen, by what is announced on `ips` within that time. Announces nothing.

    Raises OSError, RuntimeError.
    """
    names = asyncio.Queue[str](NAMES_LIMIT)
    found: dict[Address, None] = {}
    asked = Announcement(PeerId(""), net, b"", 0)

    try:
        async with AsyncZeroconf(interfaces=list(ips)) as zeroconf:
            browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[into(names)])
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    hint = lambda address, peer: found.setdefault(address)  # noqa: E731
                    await follow(names, lambda name: _look_up(zeroconf, name, asked, hint))
            await browser.async_cancel()
    except ZeroconfError as error:
        raise OSError(str(error)) from error
    return list(found)


def into(names: asyncio.Queue[str]) -> Callable[[Zeroconf, str, str, ServiceStateChange], None]:
    """What a browser calls: announced names wait in `names` while there is room there. A goodbye takes none back."""

    def heard(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is not ServiceStateChange.Removed and not names.full():
            names.put_nowait(name)

    return heard


async def follow(names: asyncio.Queue[str], look_up: Callable[[str], Awaitable[None]]) -> None:
    """Look up the queued names, LOOKUPS_AT_ONCE at a time, until cancelled."""

    async def work() -> None:
        while True:
            await look_up(await names.get())

    async with asyncio.TaskGroup() as tasks:
        for _ in range(LOOKUPS_AT_ONCE):
            tasks.create_task(work())


async def _look_up(
    zeroconf: AsyncZeroconf, name: str, announcement: Announcement, on_hint: Callable[[Address, PeerId], None]
) -> None:
    try:
        info = AsyncServiceInfo(SERVICE, name)
    except ZeroconfError:
        return  # no name of our service
    if not await info.async_request(zeroconf.zeroconf, _RESOLVE_MS) or info.port is None:
        return
    peer = _peer_of(info.decoded_properties, announcement)
    if peer is not None:
        for ip in info.parsed_addresses()[:4]:
            on_hint(Address(ip, info.port), peer)


def _service_info(announcement: Announcement, ips: tuple[str, ...]) -> AsyncServiceInfo:
    label = label_of(announcement.id)
    text = {"v": "1", "id": announcement.id, "cf": announcement.cert_sha256.hex()[:16], "net": announcement.net}
    server = f"{label}.local."
    return AsyncServiceInfo(
        SERVICE,
        f"{label}.{SERVICE}",
        port=announcement.port,
        properties=text,
        server=server,
        parsed_addresses=list(ips),
    )


def _peer_of(text: Mapping[str, str | None], announcement: Announcement) -> PeerId | None:
    """The peer that an announcement names; None for ourselves, another version, another network or an invalid id."""
    peer = text.get("id") or ""
    try:
        public_key(peer)
    except InvalidRecord:
        return None
    is_ours = text.get("v") == "1" and text.get("net") == announcement.net
    return PeerId(peer) if is_ours and peer != announcement.id else None
