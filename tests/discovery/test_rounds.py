"""Peers of several homes with a relay between them, in virtual time: what crosses, how soon, and what it costs."""

import pytest

from benchmarks.gossip.cluster import HANDSHAKE_BYTES, HTTP_BYTES, opened
from discovery import signs
from discovery.gossip import Gossip, GossipConfig
from discovery.messages import ALL_BUCKETS, Delta, Digest, Probe, Sign, decode, encode, short_id
from discovery.rounds import RoundsConfig
from discovery.sites import SitesConfig
from discovery.words import Words
from tests.cluster import NET, Cluster, card_of, id_of, pulse_of, signed

KEY = bytes(32)


@pytest.fixture(scope="module")
def homes() -> Cluster:
    """Three homes of two, three minutes later; one of them tells no words, as peers of 0.1.0."""
    cluster = Cluster(6, seed=1, acquainted=True, homes=3)
    cluster.node(1).gossip._own._words = None
    cluster.advance(60)
    cluster.relay_bytes = cluster.relay_exchanges = 0
    cluster.advance(120)
    return cluster


def gossip_of(number: int = 0) -> Gossip:
    return Cluster(1, homes=4).gossip(number)


def test_few_exchanges_pass_the_relay(homes: Cluster) -> None:
    """Six a minute for each of three homes, and what follows them up."""
    per_minute = homes.relay_exchanges / 2

    assert 9 < per_minute < 45
    assert homes.relay_bytes < homes.relay_exchanges * (HTTP_BYTES + HANDSHAKE_BYTES + 1000)


def test_everybody_is_heard_of_and_nobody_is_buried(homes: Cluster) -> None:
    assert homes.all_alive()
    assert [] == homes.events("dead")


def test_a_new_card_crosses(homes: Cluster) -> None:
    homes.rename(5, "renamed")

    assert 60 > homes.until(lambda: homes.all_know_card(5), within_s=120, step_s=1.0)


def test_a_goodbye_and_a_crash_cross() -> None:
    cluster = Cluster(6, seed=2, acquainted=True, homes=2)
    cluster.advance(30)

    cluster.leave(1)
    assert 60 > cluster.until(lambda: cluster.all_see(1, "left"), within_s=120, step_s=1.0)
    cluster.crash(2)
    cluster.until(lambda: cluster.states(0)[2] == cluster.states(4)[2] == "dead", within_s=30)
    assert 240 > cluster.until(lambda: cluster.all_see(2, "dead"), within_s=300, step_s=1.0)


def test_homes_that_were_cut_apart_find_each_other_again() -> None:
    cluster = Cluster(4, seed=3, acquainted=True, homes=2)
    cluster.partition([0, 2], [1, 3])
    cluster.advance(180)
    assert "dead" == cluster.states(0)[1]

    cluster.partition()

    assert 90 > cluster.until(cluster.all_alive, within_s=240, step_s=1.0)


def test_who_answers_directly_is_near_and_who_answers_through_a_relay_is_far() -> None:
    gossip = gossip_of()
    gossip.learn([signed(card_of(id_of(1), relayed=1)), signed(card_of(id_of(2)))], 0.0)
    assert {id_of(2)} == partners(gossip)

    gossip.answered(id_of(1), 0.0)
    gossip.answered(id_of(2), 0.0, far=True)

    assert {id_of(1)} == partners(gossip)


def partners(gossip: Gossip) -> set[str]:
    """To whom digests go for some seconds: too few for a far one but by chance."""
    return {
        s.to
        for at in range(9)
        for s in gossip.tick(at / 3).sends
        if isinstance(s.message, Digest) and s.message.buckets
    }


def test_a_sign_that_another_made_is_no_sign_of_life() -> None:
    gossip, words = gossip_of(), Words(KEY)
    pulse = pulse_of(id_of(1), seq=5, word=words.word(1, 5))
    gossip.learn([signed(card_of(id_of(1), relayed=1)), signed(pulse)], 0.0)
    short = short_id(id_of(1))

    for sign in (
        Sign(9, bytes(16)),
        Sign(9, words.word(1, 8)),
        Sign(5, words.word(1, 5)),
        Sign(2**52, words.word(1, 9)),
    ):
        gossip.receive(Delta(signs={short: sign}), id_of(2), 60.0)
    assert 0.0 == gossip.member(id_of(1)).heard_at  # type: ignore[union-attr]

    gossip.receive(Delta(signs={short: Sign(9, words.word(1, 9))}), id_of(2), 60.0)
    assert 60.0 == gossip.member(id_of(1)).heard_at  # type: ignore[union-attr]


def test_a_message_of_signs_costs_no_more_than_so_many_hashes() -> None:
    config = GossipConfig(sites=SitesConfig(hashes_limit=100))
    gossip, words = Cluster(1, homes=2, config=config).gossip(0), Words(KEY)
    signs = {}
    for number in range(1, 9):
        pulse = signed(pulse_of(id_of(number), word=words.word(1, 1)))
        gossip.learn([signed(card_of(id_of(number), relayed=1)), pulse], 0.0)
        signs[short_id(id_of(number))] = Sign(31, words.word(1, 31))

    gossip.receive(Delta(signs=signs), id_of(1), 60.0)

    assert 3 == sum(member.heard_at == 60.0 for member in gossip.members())


def test_where_nobody_is_far_nothing_is_said_of_sites() -> None:
    cluster = Cluster(4, acquainted=True)
    cluster.tape = []
    cluster.advance(5)

    digests = [message for _, _, message in cluster.tape if isinstance(message, Digest)]
    assert digests and not any(digest.lives or digest.sums for digest in digests)
    assert {b""} == {node.gossip.own_pulse().record.word for node in cluster.nodes}  # type: ignore[union-attr]


def test_a_far_suspect_is_probed_by_one_of_a_site_at_a_time() -> None:
    cluster = Cluster(5, seed=5, acquainted=True, homes=2)
    cluster.advance(20)
    sent = list[float]()
    cluster.carries = lambda message: message != Probe(id_of(1)) or sent.append(cluster.now) is not None
    cluster.partition([1])  # as if it had crashed; to what has, nothing is carried

    cluster.until(lambda: all(cluster.states(n)[1] == "dead" for n in (0, 2, 4)), within_s=300, step_s=1.0)

    far = [at for at in sent if at > 40]  # the other one of its home has buried it by then
    assert 3 <= len(far) <= 30


@pytest.mark.parametrize("homes", [0, 2], ids=["near", "far"])
def test_what_two_hold_differently_for_good_is_followed_up_once(homes: int) -> None:
    """As it is where one holds more peers for dead than fit into one digest, which no record that the other has mends.

    A digest for each delta that names differences, and a delta for each digest, went on for ever.
    """
    config = GossipConfig(rounds=RoundsConfig(digest_entries=2), sites=SitesConfig(digest_entries=2))
    cluster = Cluster(20, acquainted=True, homes=homes, config=config)
    ada, ben = cluster.gossip(0), cluster.gossip(1)
    for number in range(2, 20):
        ada._table.change(ada._table.get(id_of(number)), lambda entry: setattr(entry, "state", "dead"))
    differing = signs.lives(ben._table, ben._own.entry, ALL_BUCKETS)

    first = ben._rounds._digest_for(ben._table.get(ada.id), ben._own.entry, 0.0)
    said, waiting = 0, [(ada, ben, first)]
    while waiting and said < 100:
        receiver, sender, message = waiting.pop(0)
        step = receiver.receive(decode(encode(message, NET), NET, opened), sender.id, 0.0)
        waiting += [(sender, receiver, step.reply)] if step.reply is not None else []
        waiting += [(sender, receiver, send.message) for send in step.sends if send.to == sender.id]
        said += 1

    assert len(differing) > 10 and 4 <= said < 10
