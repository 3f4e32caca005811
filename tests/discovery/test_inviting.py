"""Who comes with an invitation: the first one that proves it is in, all others are refused and told to the owner."""

import asyncio
import secrets
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from discovery.admission import AdmissionError
from discovery.join_messages import (
    Ask,
    Parties,
    Prove,
    Taken,
    Tried,
    Try,
    asks,
    decode_answer,
    encode,
    key_of,
    key_of_pin,
    read_line,
)
from discovery.joining import Joiner
from discovery.pins import Agreement
from discovery.records import public_key
from discovery.request_auth import Refused
from tests.discovery.inviter import NET, NETWORKS_SECRET, Inviter, inviter, joiner

BOTH = ("ask", "answer")


def ask(line: str, me: Joiner, guess: bytes = b"", **change: object) -> bytes:
    """What `join_by_line` sends; with a `guess` in place of the secret, that invitation's id all the same."""
    read = read_line(line)
    invite, key = key_of(read.secret)[0], key_of(guess or read.secret)[1]
    short, salt = bytes.fromhex(invite), secrets.token_bytes(16)
    who = Parties(read.net, read.id, read.cert, me.identity.id, me.identity.cert_sha256, short + salt)
    own, proof = public_key(me.identity.id), asks(who, key, me.name, me.identity.sign)
    said = Ask(read.net, short, own, me.identity.cert_sha256, salt, me.name, proof)
    return encode(msgspec.structs.replace(said, **change))


async def refused(one: Inviter, body: bytes) -> str:
    with pytest.raises(Refused) as caught:
        await one.inviting.answer(body, "192.0.2.7")
    return caught.value.code


async def test_the_first_who_proves_the_line_is_in_with_its_rights(tmp_path: Path) -> None:
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben")
    offer = ada.inviting.invite("ben", ("ask",), 3600)

    taken = decode_answer(await ada.inviting.answer(ask(offer.text, ben), "192.0.2.7"))

    assert isinstance(taken, Taken)
    assert (("ask",), "ada", b"") == (taken.rights, taken.name, taken.secret)
    assert {"ask"} == ada.admission.rights(ben.identity.id)
    assert ["used"] == [one.state for one in ada.inviting.all()]
    assert "joined by the invitation for ben: it may ask us" in ada.told[0]


async def test_a_used_line_lets_nobody_else_in(tmp_path: Path) -> None:
    ada, ben, eve = inviter(tmp_path / "ada"), joiner(tmp_path / "ben"), joiner(tmp_path / "eve")
    line = ada.inviting.invite("ben", BOTH, 3600).text
    await ada.inviting.answer(ask(line, ben), "192.0.2.7")

    assert "invite_used" == await refused(ada, ask(line, eve))
    assert not ada.admission.rights(eve.identity.id)
    assert "eve" in ada.told[-1] and "used by ben" in ada.told[-1] and "refused" in ada.told[-1]


async def test_two_who_come_at_once_are_one_too_many(tmp_path: Path) -> None:
    ada, ben, eve = inviter(tmp_path / "ada"), joiner(tmp_path / "ben"), joiner(tmp_path / "eve")
    line = ada.inviting.invite("ben", BOTH, 3600).text

    both = asyncio.gather(
        *(ada.inviting.answer(ask(line, me), "192.0.2.7") for me in (ben, eve)), return_exceptions=True
    )

    assert [bytes, Refused] == [type(answer) for answer in await both]
    assert [True, False] == [bool(ada.admission.rights(me.identity.id)) for me in (ben, eve)]


async def test_who_lost_the_answer_asks_again_until_he_is_revoked(tmp_path: Path) -> None:
    """A replay of his first message does not undo a revocation."""
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben")
    body = ask(ada.inviting.invite("ben", BOTH, 3600).text, ben)

    assert isinstance(decode_answer(await ada.inviting.answer(body, "")), Taken)
    assert isinstance(decode_answer(await ada.inviting.answer(body, "")), Taken)
    ada.admission.revoke(ben.identity.id)

    assert "invite_used" == await refused(ada, body)
    assert not ada.admission.rights(ben.identity.id)


async def test_withdrawn_and_expired_ones_let_nobody_in(tmp_path: Path) -> None:
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben")
    late, gone = (ada.inviting.invite(label, BOTH, 3600).text for label in ("late", "gone"))
    ada.inviting.withdraw("gone")

    assert "invite_withdrawn" == await refused(ada, ask(gone, ben))
    ada.now[0] += 3600
    assert "invite_expired" == await refused(ada, ask(late, ben))
    assert not ada.admission.rights(ben.identity.id)
    assert ["withdrawn", "expired"] == [said.rsplit(", ", 1)[1].split(":")[0] for said in ada.told]


async def test_it_stays_used_and_withdrawn_over_a_restart(tmp_path: Path) -> None:
    ada, ben, eve = inviter(tmp_path / "ada"), joiner(tmp_path / "ben"), joiner(tmp_path / "eve")
    used, gone, kept = (ada.inviting.invite(label, BOTH, 3600).text for label in ("ben", "gone", "kept"))
    await ada.inviting.answer(ask(used, ben), "")
    ada.inviting.withdraw("gone")

    again = inviter(tmp_path / "ada")

    assert ["invite_used", "invite_withdrawn"] == [await refused(again, ask(line, eve)) for line in (used, gone)]
    assert isinstance(decode_answer(await again.inviting.answer(ask(kept, eve), "")), Taken)


async def test_a_damaged_file_ends_all_invitations(tmp_path: Path) -> None:
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben")
    line = ada.inviting.invite("ben", BOTH, 3600).text
    (tmp_path / "ada" / "invites.json").write_text("{")

    again = inviter(tmp_path / "ada")

    assert ("invite_unknown", ()) == (await refused(again, ask(line, ben)), again.inviting.all())


async def test_who_cannot_prove_it_hears_no_more_than_a_stranger(tmp_path: Path) -> None:
    """The id of an invitation is seen by who stands in the middle; without the secret he learns nothing by it."""
    ada, eve = inviter(tmp_path / "ada"), joiner(tmp_path / "eve")
    line = ada.inviting.invite("ben", BOTH, 3600).text

    assert "invite_unknown" == await refused(ada, ask(line, eve, guess=b"?" * 16))
    assert "invite_unknown" == await refused(ada, ask(line, eve, invite=b"x" * 8))
    assert "invite_unknown" == await refused(
        ada, ask(line, eve, joiner=public_key(joiner(eve_home(tmp_path)).identity.id))
    )
    assert "cannot prove it" in ada.told[0]
    assert not ada.admission.approved()
    assert ["open"] == [one.state for one in ada.inviting.all()]


def eve_home(tmp_path: Path) -> Path:
    return tmp_path / "eve2"


async def test_a_message_out_of_bounds_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben")
    line = ada.inviting.invite("ben", BOTH, 3600).text
    asked = ask(line, ben)

    assert ["too_long", "malformed", "malformed", "other_network"] == [
        await refused(ada, body) for body in (asked + bytes(1024), asked[:-1], b"", ask(line, ben, net="other"))
    ]
    assert ["open"] == [one.state for one in ada.inviting.all()]


async def test_a_peer_that_can_approve_nobody_more_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben")
    line = ada.inviting.invite("ben", BOTH, 3600).text

    def full(*_: object, **__: object) -> None:
        raise AdmissionError("full")

    monkeypatch.setattr(ada.admission, "add_rights", full)
    assert "full" == await refused(ada, ask(line, ben))


async def test_strangers_who_used_up_their_time_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    ada = inviter(tmp_path / "ada")

    @contextmanager
    def no_room(ip: str):  # type: ignore[no-untyped-def]
        raise Refused(429, "too_many_requests", "slow down")
        yield

    ada.inviting._room = no_room
    assert "too_many_requests" == await refused(ada, b"anything")


# --- six digits


async def begun(one: Inviter, digits: str, me: Joiner) -> bytes:
    """The second message of who tries these digits."""
    side, own = Agreement(digits, invites=False), public_key(me.identity.id)
    tried = decode_answer(
        await one.inviting.answer(encode(Try(NET, own, me.identity.cert_sha256, side.point)), "192.0.2.7")
    )
    assert isinstance(tried, Tried)
    key = key_of_pin(side.key(tried.point))
    exchange = tried.exchange + side.point + tried.point
    who = Parties(NET, one.identity.id, one.identity.cert_sha256, me.identity.id, me.identity.cert_sha256, exchange)
    return encode(Prove(NET, tried.exchange, me.name, asks(who, key, me.name, me.identity.sign)))


def other(digits: str) -> str:
    return f"{(int(digits) + 1) % 10**6:06}"


async def test_the_digits_let_one_machine_in(tmp_path: Path) -> None:
    ada, ben, eve = inviter(tmp_path / "ada"), joiner(tmp_path / "ben"), joiner(tmp_path / "eve")
    digits = ada.inviting.invite("ben", BOTH, 600, pin=True).text

    taken = decode_answer(await ada.inviting.answer(await begun(ada, digits, ben), ""))

    assert isinstance(taken, Taken)
    assert set(BOTH) == ada.admission.rights(ben.identity.id)
    with pytest.raises(Refused, match="no_pin"):
        await begun(ada, digits, eve)


async def test_a_pin_ends_with_three_wrong_tries(tmp_path: Path) -> None:
    """The fourth is refused before anything is tried, and so are the right digits."""
    ada, eve, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "eve"), joiner(tmp_path / "ben")
    digits = ada.inviting.invite("ben", BOTH, 600, pin=True).text

    codes = [await refused(ada, await begun(ada, other(digits), eve)) for _ in range(3)]
    for me, tried in ((eve, other(digits)), (ben, digits)):
        with pytest.raises(Refused, match="pin_spent"):
            await begun(ada, tried, me)

    assert (["wrong_pin"] * 3, "spent") == (codes, ada.inviting.all()[0].state)
    assert "it has ended" in ada.told[-1]
    assert not ada.admission.approved()


async def test_a_try_that_is_not_finished_counts(tmp_path: Path) -> None:
    """Else digits could be tried until an answer fits, without ever proving a wrong one."""
    ada, eve = inviter(tmp_path / "ada"), joiner(tmp_path / "eve")
    digits = ada.inviting.invite("ben", BOTH, 600, pin=True).text
    for _ in range(3):
        await begun(ada, other(digits), eve)

    with pytest.raises(Refused, match="pin_spent"):
        await begun(ada, digits, eve)
    assert 3 >= len(ada.inviting._trying)


async def test_a_proof_of_digits_counts_once_and_not_of_another_exchange(tmp_path: Path) -> None:
    ada, ben, eve = inviter(tmp_path / "ada"), joiner(tmp_path / "ben"), joiner(tmp_path / "eve")
    digits = ada.inviting.invite("ben", BOTH, 600, pin=True).text
    proof = await begun(ada, digits, ben)
    ada.inviting.invite("cleo", BOTH, 600, pin=True)  # the first PIN is withdrawn with that

    assert "no_pin" == await refused(ada, proof)
    assert "no_pin" == await refused(
        ada,
        encode(
            Prove(
                NET,
                b"x" * 16,
                "eve",
                asks(Parties(NET, ada.identity.id, b"", eve.identity.id, b"", b""), b"", "eve", eve.identity.sign),
            )
        ),
    )
    assert not ada.admission.approved()


async def test_expired_digits_are_no_longer_tried(tmp_path: Path) -> None:
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben")
    digits = ada.inviting.invite("ben", BOTH, 600, pin=True).text
    proof = await begun(ada, digits, ben)
    ada.now[0] += 600

    with pytest.raises(Refused, match="no_pin"):
        await begun(ada, digits, ben)
    assert "invite_expired" == await refused(ada, proof)


async def test_a_point_that_is_none_costs_a_try(tmp_path: Path) -> None:
    ada, eve = inviter(tmp_path / "ada"), joiner(tmp_path / "eve")
    ada.inviting.invite("ben", BOTH, 600, pin=True)

    asked = encode(Try(NET, public_key(eve.identity.id), eve.identity.cert_sha256, b"A" + b"\xff" * 32))
    assert ["malformed"] * 3 + ["pin_spent"] == [await refused(ada, asked) for _ in range(4)]


# --- the network's secret


async def test_the_secret_is_given_where_the_invitation_says_so(tmp_path: Path) -> None:
    ada, ben = inviter(tmp_path / "ada", NETWORKS_SECRET), joiner(tmp_path / "ben")
    line = ada.inviting.invite("ben", BOTH, 3600, gives_secret=True).text

    taken = decode_answer(await ada.inviting.answer(ask(line, ben), ""))

    assert isinstance(taken, Taken)
    assert NETWORKS_SECRET == taken.secret
    with pytest.raises(ValueError, match="no secret to give"):
        inviter(tmp_path / "cleo").inviting.invite("ben", BOTH, 3600, gives_secret=True)
