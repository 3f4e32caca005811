"""Joining: the invitations that our peer makes, and those that it takes, whether it runs or not.

Both machines grant each other rights in one exchange (discovery/inviting.py, joining.py). In a running peer they hold
at once; where none runs, they are written for its next start.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from discovery import peer_file
from discovery.admission import RIGHTS, Admission, Right
from discovery.exchanges import PeerUnreachable
from discovery.identity import Identity, verify
from discovery.interfaces import interfaces
from discovery.invites import Invite
from discovery.inviting import Inviting, Place
from discovery.join_messages import Line, read_line, shown
from discovery.joining import Joined, Joiner, join_by_line, join_by_pin
from discovery.peer_file import CachedPeer
from discovery.pins import read_pin
from discovery.private_files import write_private
from discovery.records import Address, PeerId
from discovery.request_auth import Refused
from gateway.peering.network import Network, NetworkConfig, address_of

LOOK_S = 3.0  # s that a machine with a PIN listens for peers


class JoinFailed(Exception):
    """No peer let us in; the text names the remedy. `is_refusal`: the invitation is no good; else try again."""

    def __init__(self, message: str, *, is_refusal: bool) -> None:
        super().__init__(message)
        self.is_refusal = is_refusal


@dataclass(frozen=True, slots=True)
class Invitation:
    """How a machine was invited: by a line, or by six digits of one of the peers at `addresses`."""

    line: Line | None = None
    pin: str = ""
    addresses: tuple[Address, ...] = ()

    @classmethod
    def read(cls, line: str, pin: str, at: Sequence[str]) -> "Invitation":
        """Of what people type. Raises InvalidLine, InviteError, NetworkConfigError."""
        if line:
            return cls(line=read_line(line))
        return cls(pin=read_pin(pin), addresses=tuple(address_of("--at", text) for text in at))


@dataclass(frozen=True, slots=True)
class Terms:
    """What whoever joins grants to who invited."""

    rights: tuple[Right, ...] = RIGHTS  # at most; the invitation may mean fewer
    mine: bool = False  # the inviter is a machine of the same owner
    takes_secret: bool = False  # take the network's secret that comes with it: then whoever knows it has both rights


@dataclass(frozen=True, slots=True)
class Friend:
    """Who invited us, with the rights that it has at our peer now."""

    peer: PeerId
    name: str
    rights: tuple[Right, ...]
    say: tuple[str, ...] = ()  # what else the owner is to hear


class Invitations:
    """Of a running peer."""

    def __init__(
        self,
        network: Network,
        folder: Path,
        secret: bytes,
        tell: Callable[[str, str], None],
    ) -> None:
        """`tell(kind, words)` tells the owner."""
        self._network, self._folder = network, folder
        self._me = Joiner(network.identity, network.admission.net, network.name)
        place = Place(
            network.admission.net, network.identity, lambda: network.name,
            lambda: network.addresses() or network.own_addresses(), secret,
        )  # fmt: skip
        self.inviting = Inviting(
            place, folder / "invites.json", time.time, verify, network.transport.endpoint.room_for_unknown,
            self._let_in_by, lambda peer: bool(network.admission.rights(peer)), tell,
        )  # fmt: skip

    async def join(self, invitation: Invitation, terms: Terms) -> Friend:
        """Take an invitation; who invited gets what it means, as far as the terms allow. Raises JoinFailed."""
        joined = await _exchange(invitation, self._me)
        granted = [right for right in joined.rights if right in terms.rights]
        await self._network.let_in(joined.peer, granted, terms.mine or None, knows_secret=bool(joined.secret))
        with suppress(Refused, PeerUnreachable):  # else gossip finds it
            await self._network.transport.hello(joined.address, joined.peer)
        say = _keep_secret(self._folder, joined.secret, terms)
        return Friend(joined.peer, joined.name, _sorted(self._network.admission, joined.peer), say)

    async def _let_in_by(self, peer: PeerId, invite: Invite) -> None:
        await self._network.let_in(peer, invite.rights, invite.mine or None, knows_secret=invite.gives_secret)


async def join_alone(config: NetworkConfig, folder: Path, name: str, invitation: Invitation, terms: Terms) -> Friend:
    """The same where no peer runs: the identity is made if there is none, and rights are kept for the next start.

    The caller holds the home's lock. Raises JoinFailed, IdentityError, PeerFileError, AdmissionError, OSError.
    """
    warnings: list[str] = []
    path = folder / "peers.json"
    identity, remembered = Identity.load_or_create(folder), peer_file.load(path, warnings.append)
    joined = await _exchange(invitation, Joiner(identity, config.name, shown(name)))
    admission = Admission("tofu", config.name)
    admission.restore(remembered.granted, remembered.revoked, remembered.mine)
    granted = [right for right in joined.rights if right in terms.rights]
    admission.add_rights(joined.peer, granted, mine=terms.mine or None)
    given, revoked, mine = admission.state()
    where = [(joined.address.ip, joined.address.port)]
    met = CachedPeer(joined.peer, joined.name, where, int(time.time()))
    others = [peer for peer in remembered.peers if peer.id != joined.peer]
    peers = peer_file.newest([met, *others], admission.approved())
    peer_file.save(path, replace(remembered, granted=given, revoked=revoked, mine=mine, peers=peers))
    say = (*warnings, *_keep_secret(folder, joined.secret, terms))
    return Friend(joined.peer, joined.name, _sorted(admission, joined.peer), say)


async def peers_nearby(net: str, host: str, seconds: float = LOOK_S) -> list[str]:
    """IP:PORT of the network's peers that mDNS tells of within that time. Raises JoinFailed where it does not work."""
    from discovery import mdns  # its library is loaded where somebody looks around

    try:
        found = await mdns.find(net, interfaces(host), seconds)
    except (OSError, RuntimeError) as error:
        raise JoinFailed(f"mDNS does not work here ({error}): say where, --at HOST:PORT", is_refusal=False) from error
    return [str(address) for address in found]


async def _exchange(invitation: Invitation, me: Joiner) -> Joined:
    try:
        if invitation.line:
            return await join_by_line(invitation.line, me)
        return await join_by_pin(invitation.pin, invitation.addresses, me)
    except Refused as refused:
        raise JoinFailed(refused.message, is_refusal=refused.status != 429) from refused
    except PeerUnreachable as error:
        why = f"who invited cannot be reached: {error.reason}. Does its `ppai serve` run, and is its port open?"
        raise JoinFailed(why, is_refusal=False) from error


def _sorted(admission: Admission, peer: PeerId) -> tuple[Right, ...]:
    return tuple(right for right in RIGHTS if admission.may(peer, right))


def _keep_secret(folder: Path, secret: bytes, terms: Terms) -> tuple[str, ...]:
    """Write the network's secret that came with an invitation, if that is wanted: what the owner is to hear of it."""
    file = folder / "secret"
    if not secret or (file.exists() and file.read_bytes().strip() == secret):
        return ()
    if not terms.takes_secret:
        return ("the network's secret came with it and was not taken: join again with --secret to take it",)
    if file.exists():
        file.replace(file.with_name("secret.before"))
    write_private(file, secret + b"\n")
    return (
        f"wrote {file}, the network's secret: it counts from the next start on, and whoever knows it has both rights",
    )
