"""The laws of merging: each peer's registers, whatever order and however often its records come."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.detector import DetectorConfig, FailureDetector
from discovery.envelopes import Signed
from discovery.members import Member
from discovery.membership import Membership, MembershipConfig
from discovery.records import supersedes, version
from tests.cluster import card_of, id_of, pulse_of, signed

ONE, TWO, THREE = id_of(1), id_of(2), id_of(3)


def membership(**limits: int) -> Membership:
    return Membership(MembershipConfig(**limits), FailureDetector(DetectorConfig()), vouched=lambda _: True)


def merged(records: list[Signed], into: Membership | None = None) -> Membership:
    members = into or membership()
    for record in records:
        members.merge(record, 0.0)
    return members


def silence(members: Membership, seconds: int) -> None:
    """Let time pass in which nobody is heard and no probe is answered."""
    for now in range(seconds):
        members.watch(float(now))
        members.probes_due(float(now))


def registers(members: Membership) -> dict[str, tuple[object, object]]:
    return {m.id: (m.card, m.pulse) for m in members.members()}


CARDS = st.builds(
    lambda peer, gen, seq: signed(card_of(peer, gen=gen, seq=seq, name=f"{gen}.{seq}")),
    *(st.sampled_from([ONE, TWO]), st.integers(1, 3), st.integers(1, 3)),
)
PULSES = st.builds(
    lambda peer, gen, seq: signed(pulse_of(peer, gen=gen, seq=seq, t_ms=1000 * seq)),
    *(st.sampled_from([ONE, TWO]), st.integers(1, 3), st.integers(1, 5)),
)
FIRST = [signed(card_of(peer, name="1.1")) for peer in (ONE, TWO)]


def order_of_cards_does_not_matter(records: list[Signed], rng: random.Random) -> None:
    """Commutative and associative: any order gives the same cards, and the same newest pulse of the newest life."""
    records = [r for r in records if r.envelope.kind == "card"]
    shuffled = rng.sample(records, len(records))

    assert registers(merged(FIRST + records)) == registers(merged(FIRST + shuffled))


def order_of_pulses_does_not_matter(records: list[Signed], rng: random.Random) -> None:
    assert registers(merged(FIRST + records)) == registers(merged(FIRST + rng.sample(records, len(records))))


def all_orders_agree_once_everything_came_again(records: list[Signed], rng: random.Random) -> None:
    """A pulse that overtook its card is refused, but anti-entropy brings it again: then nothing depends on the past."""
    one = merged(FIRST + records + records)
    other = merged(FIRST + (again := rng.sample(records, len(records))) + again)
    newest = {m.id: m.card.gen for m in one.members()}

    assert {m.id: m.card for m in one.members()} == {m.id: m.card for m in other.members()}
    for a, b in zip(one.members(), sorted_like(other, one), strict=True):
        if a.pulse is not None and a.pulse.gen == newest[a.id]:
            assert a.pulse == b.pulse


def sorted_like(other: Membership, one: Membership) -> list[Member]:
    found = {m.id: m for m in other.members()}
    return [found[m.id] for m in one.members()]


def merging_twice_changes_nothing(records: list[Signed]) -> None:
    """Idempotent: the second time nothing happens, and nothing is reported."""
    members = merged(FIRST + records)
    before = registers(members)

    events = [event for m in members.table for r in (m.card, m.pulse) if r for event in members.merge(r, 1.0)]

    assert [] == events
    assert before == registers(members)


def versions_only_grow(records: list[Signed], one_more: Signed) -> None:
    """Monotone: no register ever goes back."""
    members = merged(FIRST + records)
    before = {m.id: m for m in members.members()}

    members.merge(one_more, 1.0)

    for member in members.members():
        assert version(member.card) >= version(before[member.id].card)
        assert before[member.id].pulse is None or not supersedes(before[member.id].pulse, member.pulse)


def what_is_not_needed_changes_nothing(records: list[Signed], one_more: Signed) -> None:
    """`needs` may skip a verification only where merging would have been without effect."""
    members = merged(FIRST + records)
    before = registers(members)

    if not members.needs(one_more.record, one_more.envelope):
        assert [] == members.merge(one_more, 1.0)
        assert before == registers(members)


RECORDS, RANDOM = st.lists(CARDS | PULSES, max_size=12), st.randoms(use_true_random=False)
LAWS: list[tuple[Callable[..., None], tuple[st.SearchStrategy, ...]]] = [
    (order_of_cards_does_not_matter, (RECORDS, RANDOM)),
    (order_of_pulses_does_not_matter, (st.lists(PULSES, max_size=12), RANDOM)),
    (all_orders_agree_once_everything_came_again, (RECORDS, RANDOM)),
    (merging_twice_changes_nothing, (RECORDS,)),
    (versions_only_grow, (RECORDS, CARDS | PULSES)),
    (what_is_not_needed_changes_nothing, (RECORDS, CARDS | PULSES)),
]


@pytest.mark.parametrize("cases", [100, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
@pytest.mark.parametrize(("law", "of"), LAWS, ids=[law.__name__ for law, _ in LAWS])
def test_the_laws_of_merging(law: Callable[..., None], of: tuple[st.SearchStrategy, ...], cases: int) -> None:
    """Commutative, associative, idempotent, monotone."""
    settings(max_examples=cases)(given(*of)(law))()


def test_a_pulse_without_a_card_introduces_nobody() -> None:
    members = membership()

    assert [] == members.merge(signed(pulse_of(ONE)), 0.0)
    assert () == members.members()


def test_who_left_comes_back_only_by_a_newer_card() -> None:
    """Attack 12: neither old cards nor late pulses revive it."""
    left = [signed(card_of(ONE, seq=1)), signed(pulse_of(ONE, seq=1)), signed(card_of(ONE, seq=2, flag="delete"))]
    members = merged(left)
    assert "left" == members.member(ONE).state

    for late in (signed(card_of(ONE, seq=1)), signed(pulse_of(ONE, seq=9)), signed(pulse_of(ONE, gen=2, seq=1))):
        members.merge(late, 1.0)
        assert "left" == members.member(ONE).state
    merged([signed(card_of(ONE, gen=2)), signed(pulse_of(ONE, gen=2))], members)
    assert "alive" == members.member(ONE).state


def test_the_dead_come_back_by_a_newer_pulse_only() -> None:
    members = merged([signed(card_of(ONE)), signed(pulse_of(ONE, seq=5))])
    silence(members, 40)
    assert "dead" == members.member(ONE).state

    members.merge(signed(pulse_of(ONE, seq=5)), 41.0)
    members.merge(signed(pulse_of(ONE, seq=4)), 41.0)
    assert "dead" == members.member(ONE).state
    members.merge(signed(pulse_of(ONE, seq=6)), 41.0)
    assert "alive" == members.member(ONE).state


def test_the_dead_come_back_by_answering_us() -> None:
    members = merged([signed(card_of(ONE)), signed(pulse_of(ONE))])
    for now in range(40):
        members.watch(float(now))

    members.answered(ONE, 41.0)

    assert "alive" == members.member(ONE).state


def test_two_records_of_one_version_are_shown_and_the_first_stays() -> None:
    """Attack 5: equivocation, with its proof."""
    first, second = signed(card_of(ONE, name="honest")), signed(card_of(ONE, name="liar"))
    members = merged([first])

    events = members.merge(second, 0.0)

    assert ["equivocation"] == [event.kind for event in events]
    assert ("honest", True) == (members.member(ONE).card.name, members.member(ONE).equivocated)
    assert (first, second) == members.conflict(ONE)
    assert [] == members.merge(signed(card_of(ONE, name="again")), 0.0)
    assert not members.needs(second.record, second.envelope)


@pytest.mark.parametrize("ts", [0, 1_760_000_000 - 3600, 1_760_000_000 + 3600, 2**52])
def test_the_wall_clock_decides_nothing(ts: int) -> None:
    """Attack 14: a timestamp an hour or an age off neither wins nor loses against a version."""
    held = signed(replace(card_of(ONE, seq=2), ts=1_760_000_000))
    older, newer = (signed(replace(card_of(ONE, seq=seq, name=f"{seq}"), ts=ts)) for seq in (1, 3))
    members = merged([held])

    members.merge(older, 0.0)
    assert held.record == members.member(ONE).card
    members.merge(newer, 0.0)
    assert "3" == members.member(ONE).card.name


def test_a_failed_request_makes_suspect_until_it_answers() -> None:
    """A peer that pulses through others but cannot be reached from here is no candidate."""
    members = merged([signed(card_of(ONE)), signed(pulse_of(ONE))])

    members.suspect(ONE, 0.0, "refused")
    members.merge(signed(pulse_of(ONE, seq=2)), 1.0)

    assert ("suspect", "refused") == (members.member(ONE).state, members.member(ONE).reason)
    members.answered(ONE, 2.0)
    assert "alive" == members.member(ONE).state


def test_who_tells_no_address_any_more_is_alive_by_its_pulses() -> None:
    """Nobody can reach it: an answer would be waited for without end."""
    members = merged([signed(card_of(ONE)), signed(pulse_of(ONE, seq=1))])
    members.suspect(ONE, 1.0)
    members.merge(signed(replace(card_of(ONE, seq=2), addr=())), 2.0)

    members.merge(signed(pulse_of(ONE, seq=2, t_ms=2000)), 3.0)

    assert "alive" == members.member(ONE).state
    assert [] == members.suspect(ONE, 4.0)


def test_strangers_cannot_fill_the_table() -> None:
    """Attack 9: 5,000 made-up peers with good signatures; the known stay, dialled newcomers still get in."""
    members = membership(live_limit=100, departed_limit=200)
    members.keep(ONE)
    merged([signed(card_of(ONE)), signed(pulse_of(ONE))], members)
    template = signed(card_of(TWO))

    for number in range(5_000):
        card = replace(card_of(TWO), id=id_of(number + 10), flag="delete" if number % 2 else "join")
        members.merge(Signed(card, template.envelope), 0.0)
        if number % 100 == 0:
            members.watch(number / 5_000)

    assert 300 >= len(members.table)
    assert "alive" == members.member(ONE).state
    newcomer = id_of(5)
    members.keep(newcomer)
    members.merge(signed(card_of(newcomer)), 2.0)
    assert members.member(newcomer) is not None
    assert 100 == len(members.table.live())


def test_a_stranger_that_neither_answers_nor_pulses_is_forgotten() -> None:
    members = Membership(MembershipConfig(), FailureDetector(DetectorConfig()), vouched=lambda _: False)
    merged([signed(card_of(ONE)), signed(card_of(TWO)), signed(card_of(THREE, flag="delete"))], members)
    members.answered(TWO, 1.0)

    for second in range(20):
        members.watch(float(second))

    assert None is members.member(ONE)
    assert None is members.member(THREE)
    assert "suspect" == members.member(TWO).state


def test_who_is_kept_is_so_however_long_it_was_away() -> None:
    """An approved laptop comes back after its holidays, to a table full of strangers."""
    members = membership(live_limit=2, departed_limit=2)
    members.keep(ONE)
    merged([signed(card_of(ONE, flag="delete"))], members)
    members.watch(2 * 86_400.0)
    assert members.member(ONE) is None

    later = 3 * 86_400.0
    for number in (10, 11):
        members.merge(signed(card_of(id_of(number))), later)
    members.merge(signed(card_of(ONE)), later)

    assert members.member(ONE).kept


def test_the_long_departed_are_forgotten() -> None:
    members = merged([signed(card_of(ONE, flag="delete")), signed(replace(card_of(TWO), ttl_s=60))])

    silence(members, 75)
    assert {"left"} == {member.state for member in members.members()}
    silence(members, 86_400 + 75)

    assert () == members.members()


def test_the_age_of_a_pulse_needs_no_common_clock() -> None:
    """The fastest delivery calibrates: one that was 3 s under way is 3 s old on arrival."""
    boot = 1e6
    members = merged([signed(card_of(ONE))])
    for seq in range(1, 20):
        members.merge(signed(pulse_of(ONE, seq=seq, t_ms=2000 * seq)), boot + 2 * seq + 0.1)

    members.merge(signed(pulse_of(ONE, seq=20, t_ms=40_000)), boot + 43.1)

    assert abs(members.age(ONE, boot + 43.1) - 3.0) < 1e-6
    assert abs(members.age(ONE, boot + 44.1) - 4.0) < 1e-6
    assert float("inf") == members.age(TWO, 0.0)


def test_a_clock_that_stood_still_is_calibrated_anew() -> None:
    """The owner slept for an hour: three pulses later its age is right again."""
    members = merged([signed(card_of(ONE))])
    for seq in range(1, 10):
        members.merge(signed(pulse_of(ONE, seq=seq, t_ms=2000 * seq)), 2.0 * seq)
    for seq in range(10, 13):
        members.merge(signed(pulse_of(ONE, seq=seq, t_ms=2000 * seq)), 3600 + 2.0 * seq)

    assert abs(members.age(ONE, 3600 + 24.0)) < 1e-6


def test_counters_of_two_lives_do_not_mix() -> None:
    """A restart begins a new offset: its clock starts at zero."""
    members = merged([signed(card_of(ONE))])
    members.merge(signed(pulse_of(ONE, seq=1, t_ms=10**9)), 0.0)
    merged([signed(card_of(ONE, gen=2))], members)

    members.merge(signed(pulse_of(ONE, gen=2, seq=1, t_ms=5)), 10.0)

    assert abs(members.age(ONE, 11.0) - 1.0) < 1e-6


def test_revision_moves_with_cards_and_states_only_and_who_watches_is_told() -> None:
    """Whoever keeps a matrix of the members rebuilds it then."""
    members = merged([signed(card_of(ONE)), signed(pulse_of(ONE))])
    before, told = members.table.revision, list[int]()
    members.table.watching.append(lambda: told.append(members.table.revision))

    members.merge(signed(pulse_of(ONE, seq=2)), 0.0)
    assert (before, []) == (members.table.revision, told)
    members.merge(signed(card_of(ONE, seq=2)), 0.0)
    assert before < members.table.revision == told[-1]
