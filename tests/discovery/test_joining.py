"""Joining over TLS: who invited lets us in, and nobody who answers in its place, passes on, or listens does."""

from pathlib import Path

import pytest
from aiohttp import web

from discovery import joining
from discovery.exchanges import PeerUnreachable
from discovery.identity import Identity
from discovery.invites import PIN_TRIES
from discovery.join_messages import JOIN_PATH, Parties, Taken, encode, encode_line, read_line, takes
from discovery.joining import join_by_line, join_by_pin
from discovery.records import Address
from discovery.request_auth import Refused
from tests.discovery.inviter import Inviter, inviter, joiner, listening, relaying, served

BOTH = ("ask", "answer")


def line_at(one: Inviter, *addresses: Address) -> str:
    one.addresses[:] = addresses
    return one.inviting.invite("ben", BOTH, 3600).text


async def test_a_line_joins_two_machines_with_what_each_grants(tmp_path: Path) -> None:
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben")
    async with listening(ada):
        joined = await join_by_line(read_line(ada.inviting.invite("ben", ("ask",), 3600).text), ben)

    assert (ada.identity.id, "ada", ("answer",)) == (joined.peer, joined.name, joined.rights)
    assert {"ask"} == ada.admission.rights(ben.identity.id)


async def test_addresses_where_nobody_answers_are_passed_over(tmp_path: Path) -> None:
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben")
    async with listening(ada) as address:
        joined = await join_by_line(read_line(line_at(ada, Address("127.0.0.1", 1999), address)), ben)

    assert address == joined.address


async def test_who_answers_in_the_inviters_place_hears_nothing(tmp_path: Path) -> None:
    """The dial is pinned: a machine in the middle is refused before anything is said, and that is told."""
    ada, ben, eve = inviter(tmp_path / "ada"), joiner(tmp_path / "ben"), Identity.load_or_create(tmp_path / "eve")
    async with listening(ada) as address, relaying(address, eve) as (between, heard):
        line = line_at(ada, between)
        with pytest.raises(PeerUnreachable, match="another certificate"):
            await join_by_line(read_line(line), ben)

    assert [] == heard
    assert not ada.admission.approved()
    assert ["open"] == [one.state for one in ada.inviting.all()]


async def test_who_passes_digits_on_is_refused_and_the_try_counts(tmp_path: Path) -> None:
    """By PIN nothing is pinned; but the proofs cover the certificate that each side sees."""
    ada, ben, eve = inviter(tmp_path / "ada"), joiner(tmp_path / "ben"), Identity.load_or_create(tmp_path / "eve")
    async with listening(ada) as address, relaying(address, eve) as (between, heard):
        digits = ada.inviting.invite("ben", BOTH, 600, pin=True).text
        with pytest.raises(Refused, match="somebody stands between") as caught:
            await join_by_pin(digits, [between], ben)
        joined = await join_by_pin(digits, [address], ben)

    assert ("wrong_pin", 2) == (caught.value.code, len(heard))
    assert "tried the PIN for ben and was refused" in ada.told[0]
    assert joined.peer == ada.identity.id


async def test_a_line_that_somebody_altered_lets_him_in_nowhere(tmp_path: Path) -> None:
    """Its certificate and addresses exchanged for another's: that machine cannot answer for the inviter."""
    ada, ben, eve = inviter(tmp_path / "ada"), joiner(tmp_path / "ben"), inviter(tmp_path / "eve")
    async with listening(ada), listening(eve) as hers:
        line = read_line(ada.inviting.invite("ben", BOTH, 3600).text)
        cheated = type(line)(line.net, line.id, eve.identity.cert_sha256, line.secret, (hers,))
        with pytest.raises(Refused, match="no such invitation"):
            await join_by_line(read_line(encode_line(cheated)), ben)

    assert not ada.admission.approved()


async def test_a_machine_that_takes_whoever_comes_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the address and the certificate, and knows nothing of the secret."""
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben")
    async with listening(ada):
        line = read_line(ada.inviting.invite("ben", BOTH, 3600).text)
        wrong = type(line)(line.net, line.id, line.cert, b"?" * 16, line.addresses)
        monkeypatch.setattr(ada.inviting, "answer", answer_anything(ada))
        with pytest.raises(PeerUnreachable, match="not who invited"):
            await join_by_line(wrong, ben)


def answer_anything(one: Inviter):  # type: ignore[no-untyped-def]
    async def answer(body: bytes, peer_ip: str) -> bytes:
        who = Parties("test", one.identity.id, b"", one.identity.id, b"", b"")
        proof = takes(who, b"guess", "ada", BOTH, b"", one.identity.sign)
        return encode(Taken("test", "ada", BOTH, b"", proof))

    return answer


async def test_peers_that_show_no_pin_are_passed_over(tmp_path: Path) -> None:
    ada, cleo, ben = inviter(tmp_path / "ada"), inviter(tmp_path / "cleo"), joiner(tmp_path / "ben")
    async with listening(cleo) as silent, listening(ada) as address:
        digits = ada.inviting.invite("ben", BOTH, 600, pin=True).text
        joined = await join_by_pin(digits, [Address("127.0.0.1", 1999), silent, address], ben)
        with pytest.raises(Refused, match="ppai invite --pin"):
            await join_by_pin(digits, [silent], ben)

    assert ada.identity.id == joined.peer


async def test_digits_are_tried_at_three_peers_and_no_more(tmp_path: Path) -> None:
    """Somebody who announces a hundred peers, all of which pretend to invite, gets three guesses of the digits."""
    eve, ben, asked = inviter(tmp_path / "eve"), joiner(tmp_path / "ben"), list[bytes]()
    async with listening(eve) as address:
        eve.inviting.invite("ben", BOTH, 600, pin=True)
        one = eve.inviting._invites.open_pin(1000.0)
        assert one is not None
        digits, answer = f"{(int(one.pin) + 1) % 10**6:06}", eve.inviting.answer

        async def again(body: bytes, peer_ip: str) -> bytes:
            asked.append(body)
            eve.inviting._invites._all[one.id] = one  # her tries never end
            return await answer(body, peer_ip)

        eve.inviting.answer = again  # type: ignore[method-assign]
        with pytest.raises(Refused):
            await join_by_pin(digits, [address] * 100, ben)

    assert 2 * PIN_TRIES == len(asked)


async def test_another_network_is_told_before_anybody_is_asked(tmp_path: Path) -> None:
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben", net="home")

    with pytest.raises(Refused, match=r"network 'test': set network\.name"):
        await join_by_line(read_line(ada.inviting.invite("ben", BOTH, 3600).text), ben)


async def test_a_peer_that_is_busy_with_strangers_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben")
    answers, answer = [Refused(429, "too_many_requests", "slow down")] * 2, ada.inviting.answer

    async def busy(body: bytes, peer_ip: str) -> bytes:
        if answers:
            raise answers.pop()
        return await answer(body, peer_ip)

    monkeypatch.setattr(joining, "BUSY_PAUSES_S", (0.0, 0.0))
    async with listening(ada):
        line = read_line(ada.inviting.invite("ben", BOTH, 3600).text)
        monkeypatch.setattr(ada.inviting, "answer", busy)
        assert ada.identity.id == (await join_by_line(line, ben)).peer
        answers.extend([Refused(429, "too_many_requests", "slow down")] * 3)
        with pytest.raises(Refused, match="slow down"):
            await join_by_line(line, ben)


@pytest.mark.parametrize("answer", [b"", b"hello", b"\x91" * 5000, b"\xc1"])
async def test_an_answer_that_is_none_is_told(tmp_path: Path, answer: bytes) -> None:
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben")

    async def garbage(request: web.Request) -> web.Response:
        return web.Response(body=answer)

    app = web.Application()
    app.router.add_post(JOIN_PATH, garbage)
    async with served(app, ada.identity) as address:
        with pytest.raises(PeerUnreachable, match="no answer of an inviter"):
            await join_by_line(read_line(line_at(ada, address)), ben)
        with pytest.raises(PeerUnreachable, match="no answer of an inviter"):
            await join_by_pin("123456", [address], ben)


async def test_an_older_peer_or_another_service_is_told(tmp_path: Path) -> None:
    ada, ben = inviter(tmp_path / "ada"), joiner(tmp_path / "ben")
    async with served(web.Application(), ada.identity) as address:
        with pytest.raises(Refused, match="older ppai"):
            await join_by_line(read_line(line_at(ada, address)), ben)
