"""What other peers may ask of us: who is let in, and that nothing else changes anything."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from discovery.admission import Mode
from discovery.endpoint import Clocks
from discovery.envelopes import MalformedMessage, seal
from discovery.identity import Identity
from discovery.messages import Delta, Digest, Hello, encode
from discovery.request_auth import Refused
from tests.cluster import id_of
from tests.discovery.loopback import NET, headers, own_card, post, raw_post, running_peer

SECRET, OTHER = b"s" * 16, b"t" * 16


@dataclass
class Clock:
    """A clock that ticks `step_s` at every look; what is measured with it takes `work_s` of the processor."""

    step_s: float = 0.0
    work_s: float = 0.0
    now: float = 0.0
    looks: int = 0

    def clocks(self) -> Clocks:
        return Clocks(self.tick, time.time, self.worked)

    def tick(self) -> float:
        self.now += self.step_s
        return self.now

    def worked(self) -> float:
        """Looked at before and after a piece of work."""
        self.looks += 1
        return self.looks // 2 * self.work_s

    @property
    def spent_s(self) -> float:
        return self.looks // 2 * self.work_s


async def test_a_cloned_home_is_told_to_both(tmp_path: Path) -> None:
    async with (
        running_peer(tmp_path / "a", loops=False) as a,
        running_peer(tmp_path / "a", loops=False, gen_ahead=5) as clone,
    ):
        with pytest.raises(Refused, match="--home"):
            await clone.transport.hello(a.address)

        assert "generation" in [event.kind for event in a.events]


async def test_one_secret_opens_both_doors(tmp_path: Path) -> None:
    async with (
        running_peer(tmp_path / "a", mode="secret", secret=SECRET, loops=False) as a,
        running_peer(tmp_path / "b", mode="secret", secret=SECRET, loops=False) as b,
    ):
        await a.transport.hello(b.address)

        assert a.admission.may(b.identity.id, "answer")
        assert b.admission.may(a.identity.id, "ask")


async def test_in_tofu_both_see_each_other_and_wait_for_approval(tmp_path: Path) -> None:
    async with (
        running_peer(tmp_path / "a", mode="tofu", loops=False) as a,
        running_peer(tmp_path / "b", mode="tofu", loops=False) as b,
    ):
        await a.transport.hello(b.address)

        assert (b.identity.id,) == a.admission.waiting(m.id for m in a.gossip.members())
        assert (a.identity.id,) == b.admission.waiting(m.id for m in b.gossip.members())
        assert not a.admission.may(b.identity.id, "answer")


async def test_a_member_cannot_vouch_for_somebody_without_the_secret(tmp_path: Path) -> None:
    """Gossip brings the card of a stranger; a closed network does not take it in."""
    stranger = Identity.load_or_create(tmp_path / "stranger")
    async with (
        running_peer(tmp_path / "a", mode="secret", secret=SECRET, loops=False) as a,
        running_peer(tmp_path / "b", mode="secret", secret=SECRET, loops=False) as b,
    ):
        await a.transport.hello(b.address)
        card = replace(own_card(a), id=stranger.id, proof=b"", cert=stranger.cert_sha256)
        await post(a, b, Delta((seal(card, NET, stranger.sign),)))

        assert b.gossip.member(stranger.id) is None


@pytest.mark.parametrize(
    ("tamper", "code"),
    [
        (lambda path, body, headers: (path, body, {}), b"unsigned"),
        (lambda path, body, headers: (path, body + b"!", headers), b"bad_signature"),
        (lambda path, body, headers: ("/peer/1/delegate", body, headers), b"bad_signature"),
        (lambda path, body, headers: (path, body, headers | {"ppai-nonce": "00" * 16}), b"bad_signature"),
        (lambda path, body, headers: (path, body, headers), None),
    ],
)
async def test_a_tampered_request_is_refused_and_changes_nothing(
    tmp_path: Path,
    tamper: Callable[[str, bytes, dict[str, str]], tuple[str, bytes, dict[str, str]]],
    code: bytes | None,
) -> None:
    """Attacks 17 to 19 over the wire; the untampered request passes once and only once."""
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        card = replace(own_card(a), seq=own_card(a).seq + 1, name="renamed")
        body = encode(Delta((seal(card, NET, a.identity.sign),)), NET)
        signed = headers(a, b, "/peer/1/sync", body)
        before = b.gossip.member(a.identity.id).card

        status, answer = await raw_post(b, *tamper("/peer/1/sync", body, signed))

        if code is None:
            assert (200, "renamed") == (status, b.gossip.member(a.identity.id).card.name)
            status, answer = await raw_post(b, "/peer/1/sync", body, signed)
            assert (401, True) == (status, b"replayed" in answer)
        else:
            assert (401, True) == (status, code in answer)
            assert before == b.gossip.member(a.identity.id).card


async def test_a_request_to_another_peer_is_refused(tmp_path: Path) -> None:
    """Attack 18: b carries what a sent it on to c."""
    async with (
        running_peer(tmp_path / "a", loops=False) as a,
        running_peer(tmp_path / "b", loops=False) as b,
        running_peer(tmp_path / "c", loops=False) as c,
    ):
        await a.transport.hello(b.address)
        await a.transport.hello(c.address)
        for_b = headers(a, b, "/peer/1/delegate", b"body") | {"ppai-gen": str(c.gossip.gen)}

        status, answer = await raw_post(c, "/peer/1/delegate", b"body", for_b)

        assert (401, True, []) == (status, b"bad_signature" in answer, c.served)


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x93\xa5hello", b"\xff" * 1000, bytes(70_000)])
async def test_garbage_for_a_request_is_refused(tmp_path: Path, body: bytes) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        before = b.gossip.members()

        status, _ = await raw_post(b, "/peer/1/hello", body, {})
        assert status in (400, 413)
        with pytest.raises(Refused, match=r"malformed|too_long"):
            await a.transport.client.post(b.identity.id, "/peer/1/sync", body)

        assert [m.card for m in before] == [m.card for m in b.gossip.members()]


async def test_a_flood_of_hellos_is_slowed_down(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "b", loops=False) as b:
        endpoint = b.transport.endpoint

        codes = []
        for _ in range(100):
            with pytest.raises(Refused) as refused:
                endpoint.handle_hello(b"", "192.0.2.1")
            codes.append(refused.value.code)

        assert "too_many_requests" == codes[-1]
        with pytest.raises(Refused, match="malformed"):
            endpoint.handle_hello(b"", "192.0.2.2")


async def test_a_flood_of_syncs_is_slowed_down(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        b.admission.approve(a.identity.id)
        body = encode(Digest({}), NET)

        with pytest.raises(Refused, match="slow down"):
            for _ in range(60):
                b.transport.handle_sync(a.identity.id, body)


@pytest.mark.parametrize(("sender", "most"), [("approved", 10), ("stranger", 3)])
async def test_verifying_one_message_takes_a_bounded_time(tmp_path: Path, sender: str, most: int) -> None:
    """20 ms of signatures, of a stranger 5, then the rest waits for a later message. One takes 2 ms here."""
    async with running_peer(tmp_path / "a", loops=False) as a:
        clock = Clock(step_s=0.002)
        endpoint = a.transport.endpoint
        endpoint._clocks = clock.clocks()
        strangers = [Identity.load_or_create(tmp_path / str(n)) for n in range(20)]
        cards = [seal(replace(own_card(a), id=who.id, cert=who.cert_sha256), NET, who.sign) for who in strangers]
        if sender == "approved":
            for who in strangers:
                a.admission.approve(who.id)

        open_ = endpoint.opener(strangers[0].id)
        opened = [open_(card.envelope) for card in cards]

        assert 0 < sum(one is not None for one in opened) <= most


async def test_what_is_known_is_not_verified_again(tmp_path: Path) -> None:
    """Attack 4: anybody can say again what others signed. It costs no signature, however often."""
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        endpoint, verified, check = a.transport.endpoint, list[bytes](), a.transport.endpoint._verify
        endpoint._verify = lambda peer, signature, data: verified.append(data) or check(peer, signature, data)  # type: ignore[func-returns-value]
        known = a.gossip.member(b.identity.id)
        open_ = endpoint.opener(b.identity.id)

        again = [open_(b.gossip.own_card().envelope) for _ in range(1000)]

        assert [None] * 1000 == again
        assert [] == verified
        assert known == a.gossip.member(b.identity.id)


@pytest.mark.parametrize("mode", ["tofu", "open"])
async def test_strangers_together_take_a_bounded_share_of_our_time(tmp_path: Path, mode: Mode) -> None:
    """However many ids they have, and from however many addresses they come: hellos and messages in one pool."""
    async with running_peer(tmp_path / "a", loops=False, mode=mode) as a:
        clock, endpoint = Clock(work_s=0.002), a.transport.endpoint
        endpoint._clocks = clock.clocks()
        hello, body = encode(Hello(a.gossip.own_card(), None, 0), NET), encode(Digest({}), NET)

        done = 0
        for step in range(10_000):
            clock.now = step / 1000
            with suppress(Refused):
                endpoint.handle_sync(id_of(step % 50), body, f"192.0.2.{step % 40}")
                done += 1
            with suppress(Refused):
                endpoint.handle_hello(hello, f"198.51.100.{step % 40}")

        assert 0.05 * 10 + 0.1 > clock.spent_s > 0.3
        assert (0.05 * 10 + 0.1) / 0.002 > done > 0


async def test_who_is_approved_is_heard_while_strangers_flood(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False, mode="tofu") as a:
        clock, endpoint = Clock(work_s=0.01), a.transport.endpoint
        endpoint._clocks = clock.clocks()
        a.admission.approve(id_of(0))
        body = encode(Digest({}), NET)
        with pytest.raises(Refused, match="busy with strangers"):
            for number in range(1, 100):
                endpoint.handle_sync(id_of(number), body, f"192.0.2.{number}")

        answer = endpoint.handle_sync(id_of(0), body, "192.0.2.1")

        assert answer


@pytest.mark.parametrize(("secret", "welcome"), [(SECRET, 30), (None, 3)])
async def test_who_proves_the_secret_costs_strangers_nothing(
    tmp_path: Path, secret: bytes | None, welcome: int
) -> None:
    """A network that starts together behind one address is no flood; the same hellos again are counted."""
    mode: Mode = "secret" if secret else "tofu"
    async with running_peer(tmp_path / "a", loops=False, mode=mode, secret=secret) as a:
        endpoint = a.transport.endpoint
        endpoint._clocks = Clock(work_s=0.01).clocks()
        callers = [Identity.load_or_create(tmp_path / str(n)) for n in range(30)]
        cards = [replace(own_card(a), id=who.id, proof=a.admission.proof(who.id, own_card(a).cert)) for who in callers]
        hellos = [
            encode(Hello(seal(card, NET, who.sign), None, 0), NET) for card, who in zip(cards, callers, strict=True)
        ]

        def welcomed() -> int:
            answers = 0
            for hello in hellos:
                with suppress(Refused):
                    answers += bool(endpoint.handle_hello(hello, "192.0.2.1"))
            return answers

        assert welcome - 1 <= welcomed() <= welcome
        assert 3 >= welcomed()


async def test_a_stranger_without_room_is_refused_before_its_body_is_read(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", mode="tofu", loops=False) as a:
        endpoint = a.transport.endpoint
        endpoint._clocks = Clock(work_s=1.0).clocks()
        endpoint.expect("/peer/1/hello", {}, "192.0.2.1")
        with pytest.raises(Refused, match="malformed"):
            endpoint.handle_hello(b"", "192.0.2.1")

        with pytest.raises(Refused, match="busy with strangers"):
            endpoint.expect("/peer/1/hello", {}, "192.0.2.2")


async def test_records_about_strangers_cost_the_strangers_time_whoever_passes_them_on(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a:
        clock, endpoint = Clock(work_s=0.002), a.transport.endpoint
        endpoint._clocks = clock.clocks()
        friend = Identity.load_or_create(tmp_path / "friend")
        a.admission.approve(friend.id)
        made_up = [Identity.load_or_create(tmp_path / str(n)) for n in range(40)]
        cards = [seal(replace(own_card(a), id=who.id, cert=who.cert_sha256), NET, who.sign) for who in made_up]

        open_ = endpoint.opener(friend.id)
        opened = [open_(card.envelope) for card in cards]

        assert 0 < sum(one is not None for one in opened) < 15


async def test_what_strangers_answer_us_costs_their_time_too(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", mode="tofu", loops=False) as a:
        clock, endpoint = Clock(work_s=0.02), a.transport.endpoint
        endpoint._clocks = clock.clocks()
        body = encode(Digest({}), NET)
        a.admission.approve(id_of(0))

        for number in range(1, 100):
            endpoint.take_answer(id_of(number), body)
        spent_s = clock.spent_s
        with pytest.raises(MalformedMessage):
            endpoint.take_answer(id_of(0), b"x")
        endpoint.take_answer(id_of(1), b"x")

        assert 0.1 > spent_s > 0


async def test_who_is_refused_again_and_again_is_refused_slowly(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a:
        endpoint = a.transport.endpoint
        endpoint._clocks = Clock().clocks()

        pauses = [endpoint.pause_s("192.0.2.1") for _ in range(40)]

        assert [0.0] * 32 + [1.0] * 8 == pauses
        assert 0.0 == endpoint.pause_s("192.0.2.2")


async def test_a_flood_from_many_addresses_is_refused_more_slowly_still_and_a_newcomer_at_once(tmp_path: Path) -> None:
    """Refusing costs time too, and each address may hold dozens of connections on which it is refused."""
    async with running_peer(tmp_path / "a", loops=False) as a:
        endpoint = a.transport.endpoint
        endpoint._clocks = Clock().clocks()

        pauses = [endpoint.pause_s(f"192.0.2.{number % 64}") for number in range(64 * 34)]

        assert [0.0] * 64 * 32 + [1.0] * 32 + [4.0] * 96 == pauses
        assert 0.0 == endpoint.pause_s("192.0.2.99")


async def test_a_hello_with_a_card_of_another_is_no_introduction(tmp_path: Path) -> None:
    """Whoever repeats a card that is not his makes nobody's acquaintance: no request of his can be signed."""
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        mallory = Identity.load_or_create(tmp_path / "mallory")
        b.transport.endpoint.handle_hello(encode(Hello(a.gossip.own_card(), None, 0), NET), "192.0.2.1")
        body = encode(Digest({}), NET)

        status, answer = await raw_post(b, "/peer/1/sync", body, headers(a, b, "/peer/1/sync", body, by=mallory))

        assert (401, True) == (status, b"bad_signature" in answer)


async def test_who_has_proven_nothing_gets_the_room_of_a_hello(tmp_path: Path) -> None:
    """What is done for him is counted, and one who comes too often is refused."""
    async with running_peer(tmp_path / "ada") as ada:
        endpoint, answered = ada.transport.endpoint, 0
        with pytest.raises(Refused, match="too_many_requests"):
            for _ in range(500):
                with endpoint.room_for_unknown("192.0.2.1"):
                    answered += 1
        with endpoint.room_for_unknown("192.0.2.2"):
            answered += 1

    assert 1 < answered < 100
