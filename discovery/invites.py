"""Invitations (P): each lets one machine in, once, by a line to paste or by six digits. What becomes of it.

An invitation ends when it is used, withdrawn, or its time is over; six digits end with the third wrong try, too. What
ended is remembered for some days, so that whoever comes with it is told which of these it was, and the owner who came.
Knows no sockets, no clock and no secret: of a line it holds the key that proofs are made with.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from discovery.admission import RIGHTS, Right
from discovery.records import PeerId, printable

State = Literal["open", "used", "withdrawn", "expired", "spent"]
OPEN_LIMIT = 64  # invitations open at once
ENDED_LIMIT = 256  # and those remembered that ended
REMEMBERED_S = 7 * 86400  # s after its end
LONGEST_S = 30 * 86400  # s that an invitation may be open
PIN_TRIES = 3  # of a million


class InviteError(ValueError):
    """A mistake of the owner's; the text names the remedy."""


@dataclass(frozen=True, slots=True)
class Invite:
    """One invitation. Its `id` names it in lists and messages, and tells nothing of its secret."""

    id: str  # 16 hex digits
    rights: tuple[Right, ...]  # that whoever uses it gets at this peer
    expires: int  # unix s
    label: str = ""  # whom it is for, as its owner calls him
    key: str = ""  # (32,) in hex, of a line: proofs are made with it
    pin: str = ""  # six digits, of an invitation by PIN; "" for a line
    mine: bool = False  # whoever uses it is a machine of the owner's
    gives_secret: bool = False  # whoever uses it is given the network's secret as well
    tries: int = 0  # of the PIN
    state: State = "open"
    by: str = ""  # id of who used it
    by_name: str = ""
    refused: int = 0  # how many came with it, or tried its digits, and were not let in

    @property
    def called(self) -> str:
        """How its owner and its commands call it."""
        return self.label or self.id


class Invites:
    """The invitations of one peer."""

    def __init__(self, remembered: Iterable[Invite] = ()) -> None:
        self._all = {invite.id: invite for invite in remembered}

    def add(self, invite: Invite, now: float) -> None:
        """`now`: unix s. Raises InviteError. A second PIN ends the one before: who tries digits tries them at one."""
        self._settle(now)
        if sum(other.state == "open" for other in self._all.values()) >= OPEN_LIMIT:
            raise InviteError(f"{OPEN_LIMIT} invitations are open: withdraw some with `ppai uninvite`")
        if not now < invite.expires <= now + LONGEST_S:
            raise InviteError(f"an invitation is open for up to {LONGEST_S // 86400} days")
        if invite.pin and (before := self.open_pin(now)):
            self._end(before, "withdrawn")
        self._all[invite.id] = invite

    def all(self, now: float) -> tuple[Invite, ...]:
        """Those open and those that ended of late, the oldest first."""
        self._settle(now)
        return tuple(self._all.values())

    def find(self, invite_id: str, now: float) -> Invite | None:
        self._settle(now)
        return self._all.get(invite_id)

    def open_pin(self, now: float) -> Invite | None:
        """The invitation by PIN that is open; there is one at most."""
        self._settle(now)
        return next((one for one in self._all.values() if one.pin and one.state == "open"), None)

    def last_pin(self, now: float) -> Invite | None:
        """The last invitation by PIN, open or not."""
        self._settle(now)
        return next((one for one in reversed(self._all.values()) if one.pin), None)

    def used(self, invite: Invite, by: PeerId, name: str) -> None:
        """It let this peer in, and lets in nobody else."""
        self._all[invite.id] = replace(invite, state="used", by=str(by), by_name=printable(name, 64))

    def turned_away(self, invite_id: str) -> None:
        """Somebody came with it and was not let in."""
        if invite := self._all.get(invite_id):
            self._all[invite_id] = replace(invite, refused=invite.refused + 1)

    def tried(self, invite: Invite) -> int:
        """Somebody begins to try digits: the tries that are left after this one. The last one may still be right."""
        self._all[invite.id] = replace(invite, tries=invite.tries + 1)
        return PIN_TRIES - invite.tries - 1

    def wrong(self, invite_id: str) -> int:
        """Tried digits were wrong: how many tries are left. Without any, the PIN has ended."""
        self.turned_away(invite_id)
        invite = self._all[invite_id]
        left = PIN_TRIES - invite.tries
        if left <= 0 and invite.state == "open":
            self._end(invite, "spent")
        return max(left, 0)

    def withdraw(self, who: str, now: float) -> tuple[Invite, ...]:
        """End the open invitations for `who`: a label, or an id or its start. Raises InviteError where none is."""
        self._settle(now)
        ended = [
            one
            for one in self._all.values()
            if one.state == "open" and (one.label == who or (len(who) >= 4 and one.id.startswith(who)))
        ]
        if not ended:
            raise InviteError(f"no open invitation is for `{who}` or has this id: see `ppai invites`")
        return tuple(self._end(one, "withdrawn") for one in ended)

    def withdraw_all(self, now: float) -> tuple[Invite, ...]:
        """End all that are open."""
        self._settle(now)
        return tuple(self._end(one, "withdrawn") for one in [*self._all.values()] if one.state == "open")

    def kept(self) -> tuple[Invite, ...]:
        """What outlives a restart: lines. Six digits are for now, and lie in no file."""
        return tuple(one for one in self._all.values() if not one.pin)

    def _end(self, invite: Invite, state: State) -> Invite:
        ended = replace(invite, state=state, pin=invite.pin and "ended")
        self._all[invite.id] = ended
        return ended

    def _settle(self, now: float) -> None:
        """End what is over, and forget what ended long ago."""
        for one in [*self._all.values()]:
            if one.state == "open" and now >= one.expires:
                self._end(one, "expired")
            if now >= one.expires + REMEMBERED_S:
                del self._all[one.id]
        ended = [one.id for one in self._all.values() if one.state != "open"]
        for old in ended[: max(0, len(ended) - ENDED_LIMIT)]:
            del self._all[old]


def rights_of(words: Iterable[str]) -> tuple[Right, ...]:
    """The rights that words name. Raises InviteError."""
    named = set(words)
    if not named or named - set(RIGHTS):
        raise InviteError(f"rights are {' and '.join(RIGHTS)}: give one or both, as in `ask,answer`")
    return tuple(right for right in RIGHTS if right in named)


def mirrored(rights: Iterable[Right]) -> tuple[Right, ...]:
    """What the invited peer grants in turn: who may ask us is asked by nobody but us, so we may `answer`."""
    other: dict[Right, Right] = {"ask": "answer", "answer": "ask"}
    return tuple(right for right in RIGHTS if other[right] in set(rights))


class _File(msgspec.Struct):
    invites: list[Invite]
    version: int = 1


def encode(invites: Iterable[Invite]) -> bytes:
    """The content of invites.json."""
    return msgspec.json.format(msgspec.json.encode(_File([*invites])), indent=1) + b"\n"


def decode(data: bytes) -> tuple[Invite, ...]:
    """Read what `encode` wrote. Raises msgspec's errors."""
    return tuple(msgspec.json.decode(data, type=_File).invites)
