"""TLS 1.3 to a peer whose certificate is pinned, and why such a connection fails, in words.

Certificate authorities and names play no part: one certificate is taken, by its hash, before anything is sent.
"""

import asyncio
import hashlib
import os
import ssl
from collections import deque
from functools import cache

from discovery.answer import ConnectionBroken, CutShort, NothingCame, NotHttp
from discovery.connections import Connections, Shared
from discovery.records import Address

CHANGED = "what came back was changed on the way"
PORTS_KEPT = 128  # ports of our own connections to one peer that are remembered: as many as it may have
WAYS_KEPT = 8  # addresses of one peer to which connections are kept; a card names four


class OtherCertificate(ConnectionBroken):
    """Who answers presents another certificate than the pinned one."""


class Pin:
    """The one certificate that a peer may present, and the connections on which it did; `digest` is its SHA-256, (32,).

    A pin made without a digest takes that of the first certificate it sees and accepts no other from then on.
    """

    def __init__(self, digest: bytes | None) -> None:
        self.digest = digest
        self.own_ports = deque[int](maxlen=PORTS_KEPT)  # where our connections to this peer came from, at our end
        self._ways: dict[tuple[Address, str | None], Connections] = {}

    def way(
        self,
        address: Address,
        name: str | None,
        connect_s: float,
        keep_s: float,
        shared: Shared | None = None,
    ) -> Connections:
        """The connections to this peer at `address`; `name`: what TLS asks for, where several peers are behind it.

        `connect_s`, `keep_s` and `shared`: see Connections.
        """
        way = self._ways.get((address, name))
        if way is None:
            if len(self._ways) >= WAYS_KEPT:
                self._ways.pop(next(iter(self._ways))).close()
            way = self._ways[address, name] = Connections(
                f"https://{address}", connect_s=connect_s, keep_s=keep_s, on_dial=self.check,
                secure=any_certificate(), server_name=name, shared=shared,
            )  # fmt: skip
        return way

    def check(self, transport: asyncio.Transport) -> None:
        """Raises OtherCertificate; ConnectionBroken where TLS has ended."""
        try:
            certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        except ValueError as error:  # what followed the handshake was no TLS: OpenSSL has forgotten who is there
            raise ConnectionBroken(CHANGED) from error
        presented = hashlib.sha256(certificate).digest()
        if self.digest is None:
            self.digest = presented
        if presented != self.digest:
            raise OtherCertificate("it presents another certificate than its card names")
        self.own_ports.append(transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        """Close the idle connections."""
        for way in self._ways.values():
            way.close()


@cache
def any_certificate() -> ssl.SSLContext:
    """TLS 1.3 with whoever answers: its certificate is compared afterwards, before anything is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def why_unreachable(error: BaseException) -> str:
    """What of a dial or an exchange failed, in words. An address may answer what no peer does: a captive portal's."""
    if isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):  # of the handshake; an OSError whose number is none of the system's
        return "no TLS of a peer's is spoken there: does something else answer, as a captive portal does?"
    if isinstance(error, NotHttp):
        return "no HTTP comes back: does something else answer than a peer?"
    if isinstance(error, ConnectionBroken) and isinstance(error.__cause__, ssl.SSLError):
        return CHANGED
    cause = error.__cause__ if isinstance(error, ConnectionBroken) else error
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno).lower()
    if isinstance(error, CutShort):
        return "it ends too early"
    if isinstance(error, NothingCame) or isinstance(cause, ConnectionError):
        return "it hung up"
    return str(error)
