"""The virtual network itself: what it does to messages is what a test asked of it, and nothing else."""

import pytest

from benchmarks.gossip.cluster import Cluster, fake_sign, fake_verify, id_of


def settled(size: int = 4, seed: int = 0) -> Cluster:
    cluster = Cluster(size, seed=seed)
    cluster.until(cluster.all_alive, within_s=10)
    return cluster


def test_time_passes_only_when_it_is_told_to() -> None:
    cluster = settled()
    before = cluster.now

    cluster.advance(7.5)

    assert before + 7.5 == pytest.approx(cluster.now)


def test_the_same_seed_is_the_same_network() -> None:
    one, again, other = (settled(seed=seed) for seed in (3, 3, 4))

    assert one.now == again.now
    assert [node.sent for node in one.nodes] == [node.sent for node in again.nodes]
    assert one.now != other.now


def test_over_a_cut_nothing_passes_and_over_the_rest_everything() -> None:
    cluster = settled()
    cluster.partition([0], [1, 2, 3])
    cluster.rename(1, "renamed")

    cluster.advance(5)

    names = [cluster.gossip(n).member(id_of(1)).card.name for n in (0, 2, 3)]
    assert ["peer-1", "renamed", "renamed"] == names


def test_what_never_arrives_changes_nobody() -> None:
    cluster = settled()
    cluster.loss = 1.0
    cluster.rename(1, "renamed")

    cluster.advance(5)

    assert not cluster.all_know_card(1)
    with pytest.raises(AssertionError):
        cluster.until(lambda: cluster.all_know_card(1), within_s=1)


def test_who_is_stalled_neither_says_nor_hears_anything() -> None:
    cluster = settled()
    cluster.stall(2, 30)
    sent = cluster.node(2).sent
    cluster.rename(1, "renamed")

    cluster.advance(10)

    assert sent == cluster.node(2).sent
    assert "peer-1" == cluster.gossip(2).member(id_of(1)).card.name


def test_only_its_owner_makes_a_signature() -> None:
    signature = fake_sign(id_of(1), b"data")

    assert fake_verify(id_of(1), signature, b"data")
    assert not fake_verify(id_of(2), signature, b"data")
    assert not fake_verify(id_of(1), signature, b"other")
