"""mDNS: announces this peer on the local network, and reports announcements of others as hints.

A hint is not believed: the dialler says hello there, and the answer must prove who it is. Where multicast does not
work (containers, guest networks, a blocked port) a warning names the remedy and the peer goes on without mDNS.
"""

import asyncio
import ipaddress
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import ifaddr
from zeroconf import Error as ZeroconfError
from zeroconf import RecordUpdate, RecordUpdateListener, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from discovery.records import Address, InvalidRecord, PeerId, may_be_peer, public_key

log = logging.getLogger(__name__)

SERVICE = "_ppai._tcp.local."
NAMES_LIMIT = 64  # announcements waiting to be looked up; more are dropped
SETTLING_S = 3.0  # s from when we listen until it tells who is heard
HEARD_LIMIT = 1024  # peers of which we remember when they were heard last
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


class Ear(RecordUpdateListener):
    """When each peer was heard by multicast last, whatever it announced; and a way to be heard at this moment.

    Of a link that carries multicast one way alone, one side hears the other and is not heard. What comes in the first
    seconds tells nothing: our first questions may be answered to us alone.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard: OrderedDict[str, float] = OrderedDict()  # label -> when, the longest silent first
        self._news = asyncio.Event()
        self._settled_at = math.inf
        self._open: tuple[Zeroconf, AsyncServiceInfo] | None = None

    def announce(self) -> None:
        """Say that we are here, now, if we announce ourselves at all."""
        if self._open is not None:
            zeroconf, info = self._open
            zeroconf.async_send(zeroconf.generate_service_broadcast(info, None))

    async def settled(self, margin_s: float) -> None:
        """Return when it tells who was heard in the last `margin_s` seconds, if it listens at all."""
        if self._open is not None:
            await asyncio.sleep(self._settled_at - self._clock() + margin_s)

    async def hears(self, peer: PeerId, since: float, within_s: float) -> bool | None:
        """Whether this peer was heard after `since`, or is within that many seconds; None: we did not listen then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._open is not None and self._heard.get(_label(peer), -math.inf) < since:
                    self._news.clear()
                    await self._news.wait()
        if self._open is None or since < self._settled_at:
            return None
        return self._heard.get(_label(peer), -math.inf) >= since

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        """Zeroconf calls this with what each packet holds, known or not."""
        for name in {update.new.name for update in records if update.new.name.endswith(f".{SERVICE}")}:
            self._heard.pop(name.removesuffix(f".{SERVICE}"), None)
            self._heard[name.removesuffix(f".{SERVICE}")] = self._clock()
        while len(self._heard) > HEARD_LIMIT:
            self._heard.popitem(last=False)
        self._news.set()

    def open(self, zeroconf: Zeroconf, info: AsyncServiceInfo) -> None:
        """Listen to what `zeroconf` hears, and announce `info`."""
        self._open, self._settled_at = (zeroconf, info), self._clock() + SETTLING_S
        zeroconf.async_add_listener(self, None)

    def close(self) -> None:
        """Neither listen nor announce any more."""
        if self._open is not None:
            self._open[0].async_remove_listener(self)
            self._open = None


def interfaces(bind_host: str) -> tuple[str, ...]:
    """The addresses to announce on, for a listener bound to `bind_host`.

    That address itself; for `0.0.0.0` every IPv4 address of this machine, for `::` those of both families, IPv4 first.
    Loopback where the machine has no other, so that peers on one machine find each other without a network.
    """
    if bind_host not in ("0.0.0.0", "::", ""):
        return ("127.0.0.1",) if bind_host == "localhost" else (bind_host,)
    usable = [ip for ip in _own_addresses() if may_be_peer(ip) and not ip.is_loopback]
    heard = [ip for ip in usable if ip.version == 4 or bind_host == "::"]
    return tuple(str(ip) for ip in sorted(heard, key=lambda ip: (ip.version, int(ip)))) or ("127.0.0.1",)


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
    if not _own_addresses().intersection(map(ipaddress.ip_address, ips)):
        raise OSError(f"no interface has the address {', '.join(ips)}")
    names = asyncio.Queue[str](NAMES_LIMIT)
    async with AsyncZeroconf(interfaces=list(ips)) as zeroconf:
        browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[into(names)])
        try:
            # cooperating_responders skips asking, for over a second, whether our name is taken: it holds our id
            info = _service_info(announcement, ips)
            await zeroconf.async_register_service(info, cooperating_responders=True)
            ear.open(zeroconf.zeroconf, info)
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(
                    follow(names, lambda name: _look_up(zeroconf, name, announcement, on_hint))
                )
                while find_interfaces() == ips:
                    await asyncio.sleep(_REFRESH_S)
                following.cancel()
        finally:
            ear.close()
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


def _own_addresses() -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses of our interfaces."""
    ips = (ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips)
    return {ipaddress.ip_address(ip if isinstance(ip, str) else ip[0]) for ip in ips}


def _service_info(announcement: Announcement, ips: tuple[str, ...]) -> AsyncServiceInfo:
    label = _label(announcement.id)
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


def _label(peer: PeerId) -> str:
    return f"ppai-{peer[:20]}"


def _peer_of(text: Mapping[str, str | None], announcement: Announcement) -> PeerId | None:
    """The peer that an announcement names; None for ourselves, another version, another network or an invalid id."""
    peer = text.get("id") or ""
    try:
        public_key(peer)
    except InvalidRecord:
        return None
    is_ours = text.get("v") == "1" and text.get("net") == announcement.net
    return PeerId(peer) if is_ours and peer != announcement.id else None
