"""The inviter's side: makes invitations, and answers machines that come with one.

A machine is let in in the exchange that proves the invitation, and the invitation ends with it. Whoever comes with one
that has ended is refused and told why, if it proves that it has the line; the owner is told of everybody who comes.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from discovery import invites
from discovery.admission import RIGHTS, AdmissionError, Right
from discovery.envelopes import UNREADABLE, Verify
from discovery.identity import Identity
from discovery.invites import PIN_TRIES, Invite, Invites
from discovery.join_messages import (
    JOIN_LIMIT_BYTES,
    SECRET_BYTES,
    Ask,
    InvalidJoin,
    Line,
    Parties,
    Prove,
    Taken,
    Tried,
    Try,
    check_asks,
    decode_request,
    encode,
    encode_line,
    key_of,
    key_of_pin,
    shown,
    takes,
)
from discovery.names import with_id
from discovery.pins import Agreement, InvalidPoint, new_pin
from discovery.private_files import OpenToOthers, read_unchanged, set_aside, write_private
from discovery.records import Address, PeerId, peer_id, public_key
from discovery.request_auth import Refused

log = logging.getLogger(__name__)

_ENDED = {
    "used": "was used before: if you did not use it, tell who invited you, and ask for a new one",
    "withdrawn": "was withdrawn: ask for a new one",
    "expired": "has expired: ask for a new one",
    "spent": "has ended after wrong tries: ask for a new one",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What the owner is shown once: the line, or the six digits."""

    invite: Invite
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """Who invites, as the line tells it; `addresses` and `name` are those of now."""

    net: str
    identity: Identity
    name: Callable[[], str]
    addresses: Callable[[], tuple[Address, ...]]
    secret: bytes = b""  # of the network, for invitations that give it


@dataclass(slots=True)
class _Trying:
    """An exchange with digits that has begun."""

    invite_id: str
    key: bytes
    parties: Parties


class Inviting:
    """The invitations of a running peer."""

    def __init__(
        self,
        place: Place,
        path: Path,
        unix: Callable[[], float],
        verify: Verify,
        room: Callable[[str], AbstractContextManager[None]],
        let_in: Callable[[PeerId, Invite], Awaitable[None]],
        has_rights: Callable[[PeerId], bool],
        tell: Callable[[Literal["joined", "turned away"], str], None],
    ) -> None:
        """`path`: invites.json. `room(ip)`: what a stranger's request may cost; raises Refused where that is used up.

        `let_in` grants what the invitation says, and keeps it; raises AdmissionError. `tell(kind, words)`: the owner.
        """
        self._place, self._path, self._unix, self._verify, self._room = place, path, unix, verify, room
        self._let_in, self._has_rights, self._tell = let_in, has_rights, tell
        self._invites = Invites(_load(path))
        self._trying: dict[bytes, _Trying] = {}

    # --- the owner's side

    def invite(
        self,
        label: str,
        rights: tuple[Right, ...],
        expires_s: float,
        *,
        pin: bool = False,
        mine: bool = False,
        gives_secret: bool = False,
    ) -> Offer:
        """Make an invitation. Raises InviteError."""
        if gives_secret and not self._place.secret:
            raise invites.InviteError("this network has no secret to give: make one with `ppai init` or leave it out")
        now = self._unix()
        expires = int(now + expires_s)
        if pin:
            invite_id, digits = secrets.token_hex(8), new_pin()
            invite = Invite(invite_id, rights, expires, label, pin=digits, mine=mine, gives_secret=gives_secret)
            self._invites.add(invite, now)
            self._trying.clear()
            return Offer(invite, digits)
        secret = secrets.token_bytes(SECRET_BYTES)
        invite_id, key = key_of(secret)
        invite = Invite(invite_id, rights, expires, label, key.hex(), mine=mine, gives_secret=gives_secret)
        me = self._place.identity
        line = encode_line(Line(self._place.net, me.id, me.cert_sha256, secret, self._place.addresses()))
        self._invites.add(invite, now)
        self._save()
        return Offer(invite, line)

    def all(self) -> tuple[Invite, ...]:
        """Those open, and those that ended of late."""
        return self._invites.all(self._unix())

    def withdraw(self, who: str | None) -> tuple[Invite, ...]:
        """End open invitations: those for `who`, None: all. Raises InviteError."""
        now = self._unix()
        ended = self._invites.withdraw_all(now) if who is None else self._invites.withdraw(who, now)
        self._save()
        return ended

    # --- the other machine's side

    async def answer(self, body: bytes, peer_ip: str) -> bytes:
        """Answer POST /peer/1/join. Raises Refused (400, 403, 413, 429, 503)."""
        with self._room(peer_ip):
            if len(body) > JOIN_LIMIT_BYTES:
                raise Refused(413, "too_long", f"at most {JOIN_LIMIT_BYTES} bytes")
            try:
                asked = decode_request(body)
            except InvalidJoin as error:
                raise Refused(400, "malformed", str(error)) from error
            if asked.net != self._place.net:
                raise Refused(
                    403, "other_network", f"this peer belongs to network {self._place.net!r}: set network.name"
                )
            found = self._by_line(asked) if isinstance(asked, Ask) else None
        if isinstance(asked, Try):  # its three tries bound what it costs
            return self._begin(asked, peer_ip)
        invite, parties, key = found or self._by_pin(cast(Prove, asked), peer_ip)
        return await self._take(invite, parties, key, shown(asked.name), peer_ip)

    def _by_line(self, asked: Ask) -> tuple[Invite, Parties, bytes]:
        invite = self._invites.find(asked.invite.hex(), self._unix())
        unknown = Refused(403, "invite_unknown", "this peer knows no such invitation: ask for a new one")
        if invite is None:
            raise unknown
        parties, key = self._parties(asked, asked.invite + asked.salt), bytes.fromhex(invite.key)
        try:
            check_asks(asked.proof, parties, key, asked.name, self._verify)
        except InvalidJoin as error:
            self._turn_away(
                invite, f"somebody came with the invitation for {invite.called} and cannot prove it: refused"
            )
            raise unknown from error
        return invite, parties, key

    def _begin(self, asked: Try, peer_ip: str) -> bytes:
        invite = self._invites.open_pin(self._unix())
        if invite is None or invite.tries >= PIN_TRIES:
            last = self._invites.last_pin(self._unix())
            if last is not None and last.tries >= PIN_TRIES:
                self._end_tries(last, peer_ip)
                raise Refused(403, "pin_spent", "its PIN was tried too often: ask for a new one (`ppai invite --pin`)")
            raise Refused(403, "no_pin", "this peer invites nobody by PIN now: run `ppai invite --pin` there")
        self._invites.tried(invite)
        side = Agreement(invite.pin, invites=True)
        try:
            key = key_of_pin(side.key(asked.point))
        except InvalidPoint as error:
            self._end_tries(invite, peer_ip)
            raise Refused(400, "malformed", str(error)) from error
        exchange = secrets.token_bytes(16)
        parties = self._parties(asked, exchange + asked.point + side.point)
        self._trying[exchange] = _Trying(invite.id, key, parties)
        me = public_key(self._place.identity.id)
        return encode(Tried(self._place.net, exchange, me, side.point))

    def _by_pin(self, asked: Prove, peer_ip: str) -> tuple[Invite, Parties, bytes]:
        trying = self._trying.pop(asked.exchange, None)
        invite = self._invites.find(trying.invite_id, self._unix()) if trying else None
        if trying is None or invite is None:
            raise Refused(403, "no_pin", "this peer invites nobody by PIN now: run `ppai invite --pin` there")
        try:
            check_asks(asked.proof, trying.parties, trying.key, asked.name, self._verify)
        except InvalidJoin as error:
            left = self._end_tries(invite, peer_ip)
            why = "the PIN is another, or somebody stands between the two machines"
            more = f"{left} more tries" if left != 1 else "one more try"
            raise Refused(403, "wrong_pin", f"{why}: {more if left else 'no more tries, ask for a new PIN'}") from error
        return invite, trying.parties, trying.key

    def _end_tries(self, invite: Invite, peer_ip: str) -> int:
        """After digits that were wrong: how many tries are left; the owner is told."""
        left = self._invites.wrong(invite.id)
        ended = "" if left else "; it has ended, make a new one with `ppai invite --pin`"
        self._tell("turned away", f"{peer_ip or 'somebody'} tried the PIN for {invite.called} and was refused{ended}")
        return left

    def _turn_away(self, invite: Invite, words: str) -> None:
        self._invites.turned_away(invite.id)
        self._tell("turned away", words)

    def _parties(self, asked: Ask | Try, exchange: bytes) -> Parties:
        me = self._place.identity
        return Parties(self._place.net, me.id, me.cert_sha256, peer_id(asked.joiner), asked.cert, exchange)

    async def _take(self, invite: Invite, parties: Parties, key: bytes, name: str, peer_ip: str) -> bytes:
        """Let the machine in that has proven this invitation. Raises Refused where it has ended or cannot be."""
        who, joiner = with_id(name, parties.joiner), parties.joiner
        if joiner == self._place.identity.id:
            raise Refused(409, "same_identity", "both machines have one identity: each needs its own home (--home)")
        if invite.state != "open" and not (invite.by == joiner and self._has_rights(joiner)):
            by = f" by {with_id(invite.by_name, PeerId(invite.by))}" if invite.by else ""
            came = f"{who} at {peer_ip} came with the invitation for {invite.called}, {invite.state}{by}: refused"
            self._turn_away(invite, came)
            raise Refused(403, f"invite_{invite.state}", f"this invitation {_ENDED[invite.state]}")
        if invite.state == "open":  # else it lost our answer, and asks again
            self._invites.used(invite, joiner, name)  # before anything waits: two that come at once are one too many
            try:
                self._save()
                await self._let_in(joiner, invite)
            except AdmissionError as error:
                raise Refused(503, "full", "this peer approved as many as it can: its owner revokes some") from error
            self._tell("joined", f"{who} joined by the invitation for {invite.called}: it may {_said(invite.rights)}")
        given = self._place.secret if invite.gives_secret else b""
        own, sign = shown(self._place.name()), self._place.identity.sign
        proof = takes(parties, key, own, invite.rights, given, sign)
        return encode(Taken(self._place.net, own, invite.rights, given, proof))

    def _save(self) -> None:
        try:
            write_private(self._path, invites.encode(self._invites.kept()))
        except OSError as error:
            log.warning("invites_not_saved path=%s reason=%r", self._path, error.strerror)


def _said(rights: tuple[Right, ...]) -> str:
    words = {"ask": "ask us", "answer": "answer us"}
    return " and ".join(words[right] for right in RIGHTS if right in rights)


def _load(path: Path) -> tuple[Invite, ...]:
    """The invitations of before; none where the file is not ours or damaged, so that nobody comes in by mistake."""
    try:
        return invites.decode(read_unchanged(path))
    except FileNotFoundError:
        return ()
    except (OSError, OpenToOthers, *UNREADABLE) as error:
        log.warning("invites_unreadable path=%s reason=%r: all have ended", path, str(error))
        with suppress(OSError):
            set_aside(path)
        return ()
