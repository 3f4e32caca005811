"""The invited machine's side: dials who invited it, proves the invitation, and checks who answers.

By a line the dial is pinned to the certificate in it. By PIN the certificate is whatever answers, and the proofs show
whether it is the inviter's. Each exchange has connections of its own; nothing is sent to whom the line does not name.
"""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from discovery.admission import Right
from discovery.answer import ConnectionBroken
from discovery.client import refusal
from discovery.exchanges import HEADERS, PeerUnreachable
from discovery.identity import Identity, verify
from discovery.invites import PIN_TRIES, InviteError, mirrored, rights_of
from discovery.join_messages import (
    JOIN_LIMIT_BYTES,
    JOIN_PATH,
    Answer,
    Ask,
    InvalidJoin,
    Line,
    Parties,
    Prove,
    Request,
    Taken,
    Tried,
    Try,
    asks,
    check_takes,
    decode_answer,
    encode,
    key_of,
    key_of_pin,
)
from discovery.pinned import Pin, why_unreachable
from discovery.pins import Agreement, InvalidPoint
from discovery.records import Address, InvalidRecord, PeerId, peer_id, printable, public_key
from discovery.request_auth import Refused

BUSY_PAUSES_S = (0.5, 1.0, 2.0, 4.0)  # s
ANSWER_S = 10.0  # s for connecting and for an answer, each
NOT_INVITING = ("no_pin", "not_found", "other_network")  # what a peer says that shows no PIN


@dataclass(frozen=True, slots=True)
class Joiner:
    """Who joins."""

    identity: Identity
    net: str
    name: str


@dataclass(frozen=True, slots=True)
class Joined:
    """Who let us in, and what we grant it in turn."""

    peer: PeerId
    name: str
    address: Address
    rights: tuple[Right, ...]  # that the inviter gets from us
    secret: bytes  # of the network, where it was given


async def join_by_line(line: Line, me: Joiner) -> Joined:
    """Join by what `ppai invite` printed. Raises Refused, PeerUnreachable."""
    if line.net != me.net:
        raise Refused(403, "other_network", f"the invitation is to network {line.net!r}: set network.name to it")
    invite_id, key = key_of(line.secret)
    short, salt, pin = bytes.fromhex(invite_id), secrets.token_bytes(16), Pin(line.cert)
    parties = Parties(line.net, line.id, line.cert, me.identity.id, me.identity.cert_sha256, short + salt)
    proof = asks(parties, key, me.name, me.identity.sign)
    cert = me.identity.cert_sha256
    ask = Ask(line.net, short, public_key(me.identity.id), cert, salt, me.name, proof)
    failures = []
    with closing(pin):
        for address in line.addresses:
            try:
                answer = await _exchange(address, pin, ask, line.id)
            except PeerUnreachable as error:
                failures.append(f"{address}: {error.reason}")
                continue
            return _joined(answer, parties, key, address)
    raise PeerUnreachable(line.id, "; ".join(failures))


async def join_by_pin(digits: str, addresses: Sequence[Address], me: Joiner) -> Joined:
    """Join whoever of those at `addresses` shows these digits. Raises Refused, PeerUnreachable.

    Those that invite nobody by PIN are passed over. Each of the others is tried once, three in all: a wrong try counts
    there, and whoever pretends to invite gets one guess of the digits by it.
    """
    failures: list[str] = []
    refusals: list[Refused] = []
    tries = 0
    for address in addresses:
        side = Agreement(digits, invites=False)
        own, cert = public_key(me.identity.id), me.identity.cert_sha256
        with closing(Pin(None)) as pin:
            try:
                tried = await _exchange(address, pin, Try(me.net, own, cert, side.point))
                tries += 1
                return await _prove(tried, pin, side, address, me)
            except PeerUnreachable as error:
                failures.append(f"{address}: {error.reason}")
            except Refused as refused:
                refusals.append(refused)
        if tries == PIN_TRIES:
            break
    said = [refused for refused in refusals if refused.code not in NOT_INVITING] or refusals
    if said:
        raise said[0]
    raise PeerUnreachable("inviter", "; ".join(failures) or "no peer was found")


async def _prove(tried: Answer, pin: Pin, side: Agreement, address: Address, me: Joiner) -> Joined:
    """The second half of an exchange by digits. Raises Refused, PeerUnreachable."""
    if not isinstance(tried, Tried) or pin.digest is None:
        raise PeerUnreachable(str(address), "no answer of an inviter comes back")
    try:
        key, inviter = key_of_pin(side.key(tried.point)), peer_id(tried.inviter)
    except (InvalidPoint, InvalidRecord) as error:
        raise PeerUnreachable(str(address), "no answer of an inviter comes back") from error
    exchange = tried.exchange + side.point + tried.point
    parties = Parties(me.net, inviter, pin.digest, me.identity.id, me.identity.cert_sha256, exchange)
    proof = asks(parties, key, me.name, me.identity.sign)
    answer = await _exchange(address, pin, Prove(me.net, tried.exchange, me.name, proof))
    return _joined(answer, parties, key, address)


def _joined(answer: Answer, parties: Parties, key: bytes, address: Address) -> Joined:
    """Who let us in. Raises PeerUnreachable where the answer does not prove that it is the inviter."""
    if not isinstance(answer, Taken):
        raise PeerUnreachable(str(address), "no answer of an inviter comes back")
    try:
        check_takes(answer, parties, key, verify)
        rights = mirrored(rights_of(answer.rights))
    except (InvalidJoin, InviteError) as error:
        raise PeerUnreachable(str(address), f"who answers is not who invited: {error}") from error
    return Joined(parties.inviter, printable(answer.name, 64), address, rights, answer.secret)


async def _exchange(address: Address, pin: Pin, request: Request, name: str | None = None) -> Answer:
    """Raises Refused, PeerUnreachable. A peer that is busy with strangers counts nothing, and is asked again.

    `name`: the inviter's id, by which a relay tells it from others.
    """
    for pause_s in (*BUSY_PAUSES_S, None):
        try:
            return await _ask(address, pin, request, name)
        except Refused as refused:
            if refused.status != 429 or pause_s is None:
                raise
            await asyncio.sleep(pause_s)
    raise AssertionError("the last time it is raised")


async def _ask(address: Address, pin: Pin, request: Request, name: str | None) -> Answer:
    """Raises Refused, PeerUnreachable. Of an answer four times as long as one is, the rest is not read."""
    way = pin.way(address, name, ANSWER_S, ANSWER_S)
    try:
        with await way.post(JOIN_PATH, HEADERS, (encode(request),), keep=True, within_s=ANSWER_S) as answer:
            body = await answer.read(4 * JOIN_LIMIT_BYTES, ANSWER_S)
    except (ConnectionBroken, TimeoutError, OSError) as error:
        raise PeerUnreachable(str(address), why_unreachable(error)) from error
    if answer.status != 200:
        raise refusal(answer.status, body)
    try:
        return decode_answer(body)
    except InvalidJoin as error:
        raise PeerUnreachable(str(address), "no answer of an inviter comes back") from error
