"""The protocol in virtual time: what a network of peers comes to know, whatever the network does to them."""

from dataclasses import replace

import pytest

from discovery.detector import DetectorConfig
from discovery.envelopes import MalformedMessage
from discovery.gossip import GossipConfig
from discovery.membership import MembershipConfig
from discovery.messages import Delta, Digest, Probe, Versions, short_id
from discovery.records import Address
from discovery.rounds import RoundsConfig
from tests.cluster import Cluster, card_of, id_of, pulse_of, signed


def test_peers_of_one_seed_know_each_other_soon() -> None:
    cluster = Cluster(20)

    assert 3.0 > cluster.until(cluster.all_alive, within_s=10)


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_a_new_card_reaches_everybody(loss: float) -> None:
    cluster = Cluster(30, seed=1)
    cluster.until(cluster.all_alive, within_s=10)
    cluster.loss = loss

    cluster.rename(7, "renamed")

    assert 4.0 > cluster.until(lambda: cluster.all_know_card(7), within_s=20)


def test_many_cards_at_once_are_left_to_the_digests() -> None:
    """A rumour is for single news: when a whole network is new, passing on each card would flood it."""
    gossip = Cluster(1).gossip(0)
    gossip.learn([signed(card_of(id_of(n))) for n in range(1, 500)], 0.0)

    rumours = [s.message for s in gossip.tick(0.0).sends if isinstance(s.message, Delta)]

    assert {gossip.config.rumours_limit} == {len(rumour.records) for rumour in rumours}


def test_duplicates_and_reordering_change_nothing() -> None:
    cluster = Cluster(12, seed=2)
    cluster.duplicate, cluster.delay_s = 0.3, (0.001, 2.0)

    cluster.until(cluster.all_alive, within_s=20)
    cluster.rename(3, "renamed")
    cluster.until(lambda: cluster.all_know_card(3), within_s=20)

    assert [] == cluster.events("equivocation", "generation")


def test_a_crash_is_noticed_by_all_and_by_none_before() -> None:
    cluster = Cluster(20, seed=3)
    cluster.until(cluster.all_alive, within_s=10)

    cluster.crash(5)
    cluster.advance(5)
    assert not any("dead" in cluster.states(n).values() for n in range(20) if n != 5)

    assert 12.0 > 5 + cluster.until(lambda: cluster.all_see(5, "dead"), within_s=15)


def test_nobody_is_buried_alive_under_loss() -> None:
    cluster = Cluster(20, seed=4)
    cluster.until(cluster.all_alive, within_s=10)
    cluster.loss = 0.3

    cluster.advance(120)

    assert [] == cluster.events("dead")


def test_a_goodbye_is_told_to_all_and_is_no_death() -> None:
    cluster = Cluster(20, seed=5)
    cluster.until(cluster.all_alive, within_s=10)

    cluster.leave(4)

    assert 4.0 > cluster.until(lambda: cluster.all_see(4, "left"), within_s=10)
    cluster.advance(30)
    assert cluster.all_see(4, "left")


def test_a_late_pulse_is_no_fresh_proof_of_life() -> None:
    """Silence counts from when a pulse was made: what wandered through the network for 4 s does not buy 4 s more."""
    gossip = Cluster(1).gossip(0)
    gossip.learn([signed(card_of(id_of(1))), signed(pulse_of(id_of(1), seq=1, t_ms=0))], 0.0)

    gossip.learn([signed(pulse_of(id_of(1), seq=2, t_ms=2000))], 6.0)

    assert 2.0 == gossip.member(id_of(1)).heard_at


def test_a_partition_heals_without_seeds() -> None:
    """Both halves hold each other for dead; the dead are called now and then, and answer."""
    cluster = Cluster(10, seed=6)
    cluster.until(cluster.all_alive, within_s=10)
    cluster.partition(range(5), range(5, 10))
    cluster.advance(600)
    assert all("dead" == cluster.states(n)[m] for n in range(5) for m in range(5, 10))
    cluster.rename(2, "renamed")
    cluster.advance(5)

    cluster.partition()

    assert 15.0 > cluster.until(lambda: cluster.all_alive() and cluster.all_know_card(2), within_s=30)


def test_a_lone_peer_finds_back() -> None:
    cluster = Cluster(4, seed=7)
    cluster.until(cluster.all_alive, within_s=10)
    cluster.partition([0], range(1, 4))
    cluster.advance(600)

    cluster.partition()

    assert 15.0 > cluster.until(cluster.all_alive, within_s=60)


def test_a_stalled_peer_buries_nobody() -> None:
    """Time it slept through is nobody's silence."""
    cluster = Cluster(8, seed=8)
    cluster.until(cluster.all_alive, within_s=10)

    cluster.stall(3, 60)
    cluster.advance(75)

    assert [] == [event for _, event in cluster.node(3).events if event.kind == "dead"]
    assert cluster.all_alive()


def test_when_many_fall_silent_at_once_nobody_is_buried_at_first() -> None:
    """A third of the world gone: more likely our own link. After half a minute they are gone indeed."""
    cluster = Cluster(9, seed=9)
    cluster.until(cluster.all_alive, within_s=10)
    cluster.partition([0, 1, 2, 3, 4], [5, 6, 7, 8])

    cluster.advance(25)
    assert [] == cluster.events("dead")
    cluster.advance(30)
    assert all("dead" == cluster.states(0)[n] for n in (5, 6, 7, 8))


def test_who_only_we_cannot_reach_is_kept_alive_by_what_others_pass_on() -> None:
    """Attack 46: 0 and 1 cannot talk. The third peer passes their pulses on, which they alone can sign."""
    cluster = Cluster(3, seed=10)
    cluster.until(cluster.all_alive, within_s=10)
    gossip = cluster.gossip(0)
    cluster.cut = lambda a, b: {a, b} == {id_of(0), id_of(1)}

    cluster.advance(60)

    assert "dead" not in [event.kind for _, event in cluster.node(0).events]
    assert 10.0 > gossip.age(id_of(1), cluster.now)


def test_a_probe_of_a_third_peer_brings_back_its_pulse() -> None:
    cluster = Cluster(3, seed=11)
    cluster.until(cluster.all_alive, within_s=10)
    helper, asker, subject = cluster.gossip(0), id_of(1), id_of(2)

    asked = helper.receive(Probe(subject), asker, cluster.now)
    assert [(subject, Probe(subject))] == [(send.to, send.message) for send in asked.sends]

    fresh = signed(pulse_of(subject, seq=10_000, t_ms=10**6))
    brought = helper.learn([fresh], cluster.now)
    assert [(asker, Delta((fresh,)))] == [(send.to, send.message) for send in brought.sends]


def test_a_restarted_peer_is_the_same_peer() -> None:
    cluster = Cluster(5, seed=12)
    cluster.until(cluster.all_alive, within_s=10)
    cluster.crash(2)
    cluster.advance(3)

    cluster.start(2, gen=2)
    cluster.introduce(2, 0)

    assert 4.0 > cluster.until(lambda: cluster.all_alive() and cluster.all_know_card(2), within_s=10)
    assert 2 == cluster.gossip(2).gen


def test_a_peer_that_lost_its_state_jumps_ahead_of_itself() -> None:
    """Attack 13: restarted with a generation the others have already seen the better of."""
    cluster = Cluster(5, seed=13)
    cluster.until(cluster.all_alive, within_s=10)
    cluster.rename(2, "old")
    cluster.until(lambda: cluster.all_know_card(2), within_s=10)
    cluster.crash(2)
    cluster.advance(2)

    cluster.start(2, gen=1)
    cluster.introduce(2, 0)

    cluster.until(lambda: cluster.all_alive() and cluster.all_know_card(2), within_s=20)
    assert 2 <= cluster.gossip(2).gen
    assert not cluster.gossip(2).identity_in_use


@pytest.mark.parametrize("age_s", [0, 100])
@pytest.mark.parametrize("ends", ["leave", "crash"])
def test_two_peers_with_one_identity_are_told_and_the_original_outlives_the_copy(age_s: float, ends: str) -> None:
    """A copied home, run for 40 s: both users hear of it, and soon after its end the original is there again.

    An original that has run for a while is not silenced at all.
    """
    cluster = Cluster(4, seed=14)
    cluster.until(cluster.all_alive, within_s=10)
    cluster.advance(age_s)
    original = cluster.node(3)
    copy = cluster.start(3, gen=original.gossip.gen + 50)
    cluster.introduce(3, 0)

    cluster.advance(40)

    told = [[event.kind for _, event in node.events if event.peer == node.id] for node in (original, copy)]
    assert all(told), "both users hear of it"
    assert 6 >= sum(map(len, told)), "they do not race each other"
    assert [not age_s, bool(age_s)] == [node.gossip.identity_in_use for node in (original, copy)]
    silent = copy if age_s else original
    assert not silent.gossip.pulse_due(cluster.now)

    getattr(cluster, ends)(3)

    def original_is_back() -> bool:
        card = original.gossip.own_card()
        known = [node.gossip.member(original.id) for node in cluster.running() if node is not original]
        return all(m is not None and m.state == "alive" and card is not None and m.card == card.record for m in known)

    cluster.until(original_is_back, within_s=30)
    assert not original.gossip.identity_in_use


def test_a_replayed_network_changes_nothing() -> None:
    """Attack 4: every message of a minute, sent again ten minutes later."""
    cluster = Cluster(5, seed=15)
    cluster.until(cluster.all_alive, within_s=10)
    cluster.tape = []
    cluster.advance(60)
    tape, cluster.tape = cluster.tape, None
    cluster.crash(4)
    cluster.advance(600)
    before = {n: cluster.states(n) for n in range(4)}

    assert len(tape) > 100
    for sender, target, message in tape:
        if target.up:
            cluster.deliver(sender, target, message)
    cluster.advance(1)

    assert before == {n: cluster.states(n) for n in range(4)}
    assert "dead" == cluster.states(0)[4]


def test_a_third_party_cannot_touch_a_victim() -> None:
    """Attacks 1, 3, 7: whatever a member says of another, without the other's signature it is not even heard."""
    cluster = Cluster(4, seed=16)
    cluster.until(cluster.all_alive, within_s=10)

    for record in (
        card_of(id_of(1), seq=99, flag="delete"),
        card_of(id_of(1), gen=99),
        pulse_of(id_of(1), seq=2**50),
    ):
        with pytest.raises(MalformedMessage, match="signature"):
            cluster.deliver(cluster.node(3), cluster.node(0), Delta((signed(record, by=id_of(3)),)))

    member = cluster.gossip(0).member(id_of(1))
    assert ("alive", "peer-1", 1) == (member.state, member.card.name, member.card.gen)


def test_above_128_peers_digests_cover_a_part_and_still_all_is_told() -> None:
    config = GossipConfig(rounds=RoundsConfig(digest_entries=16))
    cluster = Cluster(60, seed=17, config=config)
    cluster.until(cluster.all_alive, within_s=20)
    cluster.advance(5)
    cluster.tape = []
    cluster.carries = lambda message: not isinstance(message, Delta)  # no rumours: answers to digests must do

    cluster.rename(9, "renamed")

    assert 15.0 > cluster.until(lambda: cluster.all_know_card(9), within_s=30)
    assert 17 >= max(len(message.entries) for *_, message in cluster.tape if isinstance(message, Digest))


def test_a_peer_alone_is_content() -> None:
    cluster = Cluster(1)

    cluster.advance(60)

    assert {} == cluster.states(0)
    assert 0 == cluster.node(0).sent


def test_pulses_slow_down_as_the_network_grows() -> None:
    """At most `pulses_per_s` network-wide: 8 peers at 1/s pulse every 8 s instead of every 2 s."""
    cluster = Cluster(8, seed=18, config=GossipConfig(detector=DetectorConfig(pulses_per_s=1.0)))
    cluster.until(cluster.all_alive, within_s=20)
    before = sum(node.gossip.own_pulse().record.seq for node in cluster.nodes)

    cluster.advance(80)

    after = sum(node.gossip.own_pulse().record.seq for node in cluster.nodes)
    assert 0.8 < (after - before) / 80 < 1.2


def test_a_suspect_is_probed_directly_then_through_others() -> None:
    cluster = Cluster(5, seed=19, config=GossipConfig(detector=DetectorConfig(direct_probes=1)))
    cluster.until(cluster.all_alive, within_s=10)
    gossip, subject = cluster.gossip(0), id_of(4)
    gossip.suspect(subject, cluster.now)

    rounds = [gossip.tick(cluster.now + 1.1 * second) for second in range(2)]

    asked = [[send.to for send in step.sends if send.message == Probe(subject)] for step in rounds]
    assert [subject] == asked[0]
    assert (4, subject, 4) == (len(asked[1]), asked[1][0], len(set(asked[1])))


def test_while_pulses_are_missing_notes_are_compared_twice_as_often() -> None:
    """A digest finds what many suspects have sent since; asking for each of them took 43 messages/s at 50 % loss."""
    cluster = Cluster(5, seed=22)
    cluster.until(cluster.all_alive, within_s=10)
    gossip = cluster.gossip(0)

    def digests(now: float) -> int:
        return sum(isinstance(send.message, Digest) for send in gossip.tick(now).sends)

    calm = digests(cluster.now)
    gossip.suspect(id_of(4), cluster.now)  # out of our reach, but its pulses come
    unreachable = digests(cluster.now + 0.4)
    later = [digests(cluster.now + second) for second in range(1, 10)]  # in which nothing comes

    assert (1, 1, 1, 2) == (calm, unreachable, later[0], later[-1])


def test_a_difference_in_the_sums_is_followed_up() -> None:
    cluster = Cluster(20, seed=20)
    cluster.until(cluster.all_alive, within_s=10)
    bucket = short_id(id_of(5))[0] >> 2

    step = cluster.gossip(0).receive(Delta(differing=1 << bucket), id_of(1), cluster.now)

    (send,) = step.sends
    assert (id_of(1), 1 << bucket) == (send.to, send.message.buckets)
    assert short_id(id_of(5)) in send.message.entries


def test_an_eclipse_does_not_take_all_our_exchanges() -> None:
    """900 peers we never dialled, 4 that we did: every thirtieth exchange at least is with one of the four."""
    gossip = Cluster(1).gossip(0)
    kept = [id_of(n) for n in range(1, 5)]
    for peer in kept:
        gossip.keep(peer)
    gossip.learn([signed(card_of(id_of(n))) for n in range(1, 905)], 0.0)
    gossip.learn([signed(pulse_of(id_of(n))) for n in range(1, 905)], 0.0)

    partners = [s.to for n in range(600) for s in gossip.tick(0.0).sends if isinstance(s.message, Digest)]

    assert 600 == len(partners)
    assert 600 / 100 < sum(partner in kept for partner in partners)


def test_probes_on_behalf_of_others_are_bounded() -> None:
    cluster = Cluster(3, seed=21)
    cluster.until(cluster.all_alive, within_s=10)
    gossip = cluster.gossip(0)

    steps = [gossip.receive(Probe(id_of(2)), id_of(100 + n), cluster.now) for n in range(100)]
    again = [gossip.receive(Probe(id_of(2)), id_of(100), cluster.now) for _ in range(100)]

    assert 64 == sum(len(step.sends) for step in steps)
    assert 0 == sum(len(step.sends) for step in again)


def test_who_was_dialled_in_masses_is_not_kept_in_masses() -> None:
    """A flood of announcements makes us dial; half of the table stays open to eviction."""
    config = GossipConfig(membership=MembershipConfig(live_limit=20, kept_limit=10))
    gossip = Cluster(1, config=config).gossip(0)

    for number in range(1, 21):
        gossip.keep(id_of(number))
        gossip.learn([signed(card_of(id_of(number)))], 0.0)

    assert 10 == sum(member.kept for member in gossip.members())


def test_strangers_of_one_seed_know_each_other_soon() -> None:
    """Each must answer whoever passes it on, so it takes longer than with a secret; then all is as usual."""
    cluster = Cluster(20, strangers=True)

    assert 8.0 > cluster.until(cluster.all_alive, within_s=20)
    cluster.rename(7, "renamed")
    assert 4.0 > cluster.until(lambda: cluster.all_know_card(7), within_s=20)


def test_others_hear_of_a_stranger_only_once_it_has_answered_us() -> None:
    cluster = Cluster(3, seed=22, strangers=True)
    cluster.until(cluster.all_alive, within_s=10)
    made_up, late = id_of(100), cluster.start(50)
    cluster.inject(cluster.node(0), [signed(card_of(made_up)), signed(pulse_of(made_up))])
    cluster.advance(5)
    cluster.introduce(50, 0)
    cluster.advance(10)

    assert [None, None] == [cluster.gossip(n).member(made_up) for n in (1, 2)]
    assert [True, True] == [cluster.gossip(n).member(late.id) is not None for n in (1, 2)]


def test_a_stranger_that_moves_must_answer_again() -> None:
    """Else one answer at an address of his own would let him send everybody to any other."""
    gossip = Cluster(1, strangers=True).gossip(0)
    card = card_of(id_of(1))
    gossip.learn([signed(card)], 0.0)
    gossip.answered(card.id, 0.0)
    moved = replace(card, seq=2, addr=(Address("10.9.9.9", 8471),))
    asked = Digest({short_id(card.id): Versions(1, 0, 0)})

    told = gossip.receive(asked, id_of(2), 0.0).reply
    gossip.learn([signed(moved)], 0.0)
    told_then = gossip.receive(asked, id_of(2), 0.0).reply

    assert card in [one.record for one in told.records]
    assert not {card.id} & {one.record.id for one in told_then.records}
    assert () == gossip.receive(Delta(want_cards=(short_id(card.id),)), id_of(2), 0.0).sends
    assert () == gossip.receive(Probe(card.id), id_of(2), 0.0).sends


def test_made_up_peers_take_no_exchange_from_others_and_slow_down_no_pulse() -> None:
    """However many there are: partners, the pulse's period and mass silence are reckoned without them."""
    gossip = Cluster(1, strangers=True).gossip(0)
    kept = id_of(1)
    gossip.keep(kept)
    gossip.learn([signed(card_of(kept)), signed(pulse_of(kept))], 0.0)
    for n in range(2, 900):
        gossip.learn([signed(card_of(id_of(n))), signed(pulse_of(id_of(n)))], 0.0)

    sends = [send for n in range(30) for send in gossip.tick(n / 3).sends]
    gossip.publish(pulse_of(gossip.id), 0.0)

    assert {kept} == {send.to for send in sends if isinstance(send.message, Digest)}
    assert 60 >= sum(isinstance(send.message, Probe) for send in sends)
    assert gossip.pulse_due(2.3)
    assert 257 >= len(gossip.members())
