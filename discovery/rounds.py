"""With whom a peer compares notes, how often, and how much each is to hear (P). Compares by reconcile.py, signs.py."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from discovery import reconcile, signs
from discovery.members import Entry
from discovery.membership import Membership
from discovery.messages import ALL_BUCKETS, BUCKETS, Delta, Digest
from discovery.records import PeerId
from discovery.sites import SitesConfig
from discovery.table import Circle

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RoundsConfig:
    """How often digests are sent, and to whom."""

    tick_s: float = 1 / 3  # s between digests; spread over a second, the replies do not repeat each other
    alarmed_exchanges: int = 2  # digests a tick while some peer's pulses are missing: cheaper than probing for them
    digest_entries: int = 128  # in a larger network a digest covers part of the id space, checksums the rest
    own_dial_share: float = 0.5  # share of digests to seeds and approved peers: strangers alone cannot isolate us
    own_dial_weight: float = 8.0  # times its fair share that such a peer gets at most, so that a lone seed copes
    dead_interval_s: float = 1.0  # s between attempts at the dead, each made with probability dead / (living + 1)


class Rng(Protocol):
    """The part of random.Random that gossip uses."""

    def random(self) -> float: ...
    def randrange(self, stop: int, /) -> int: ...
    def choice(self, seq: Sequence[T], /) -> T: ...
    def sample(self, population: Sequence[T], k: int) -> list[T]: ...


class Rounds:
    """Of one peer."""

    def __init__(self, config: RoundsConfig, sites: SitesConfig, members: Membership, rng: Rng) -> None:
        self._config, self._sites, self._rng = config, sites, rng
        self._members, self._table = members, members.table
        self._dead_at = -math.inf

    def due(self, own: Entry, now: float) -> list[tuple[PeerId, Digest]]:
        """The digests to send in this tick: to a near peer, and now and then to a far one and to a dead one."""
        near, far = self._table.near(), self._table.far()
        times = self._config.alarmed_exchanges if self._members.is_anybody_missed() else 1
        partners = [self._partner(near) for _ in range(times if near.all else 0)]
        if far.all and self._rng.random() < self._chance(self._config.tick_s):
            partners.append(self._partner(far))
        return [(partner.id, self._digest_for(partner, own, now)) for partner in (*partners, *self._dead(now))]

    def answer(self, own: Entry, digest: Digest, sender: PeerId) -> Delta:
        """The answer to a digest of this peer's. One that shows no lives knows of no sites: it hears everything."""
        limits = self._limits(sender) if digest.lives else reconcile.EVERYTHING
        return reconcile.answer(self._table, own, digest, self._rng.random(), limits)

    def follow_up(self, own: Entry, delta: Delta, sender: PeerId, now: float) -> list[Delta | Digest]:
        """What this peer wants to have after its delta came: records, signs, the digest of buckets that differ."""
        messages = list[Delta | Digest]()
        if delta.want_cards or delta.want_pulses or delta.want_signs:
            granted = reconcile.granted(self._table, own, delta, self._limits(sender))
            messages += [granted] if granted else []
        if delta.differing:
            # Once: a difference stays where one of two holds a peer for dead, and would be followed up for ever.
            limit = self._sites.digest_entries if self._is_far(sender) else self._config.digest_entries
            some, left = self._some(limit, delta.differing), self._members.recently_left(now)
            messages.append(reconcile.digest(self._table, own, left, some, is_last=True))
        return messages

    def share(self) -> float:
        """Our share of what one of our site is to do for all of it."""
        return self._sites.share(len(self._table.near().all))

    def _partner(self, among: Circle) -> Entry:
        """One of these, a kept one in its share of cases."""
        share = min(self._config.own_dial_share, self._config.own_dial_weight * len(among.kept) / len(among.all))
        return self._rng.choice(among.kept if among.kept and self._rng.random() < share else among.all)

    def _dead(self, now: float) -> list[Entry]:
        """Now and then a dead peer, so that the halves of a partition find each other again."""
        dead = self._table.dead()
        if not dead or now < self._dead_at:
            return []
        self._dead_at = now + self._config.dead_interval_s
        entry, chance = self._rng.choice(dead), len(dead) / (self._table.living + 1)
        chance *= self._chance(self._config.dead_interval_s) if entry.far else 1.0
        return [entry] if self._rng.random() < chance else []

    def _chance(self, within_s: float) -> float:
        """Of beginning an exchange with a far peer within this time."""
        return self._sites.chance(len(self._table.near().all), len(self._table.far().all), within_s)

    def _digest_for(self, partner: Entry, own: Entry, now: float) -> Digest:
        """A far peer is shown checksums of all cards and numbers of all pulses, a near one the versions of a part."""
        if partner.far:
            return reconcile.digest(self._table, own, (), 0, signs.lives(self._table, own, ALL_BUCKETS))
        limit = self._config.digest_entries
        buckets = ALL_BUCKETS if self._table.living < limit else self._some(limit, ALL_BUCKETS)
        lives = signs.lives(self._table, own, buckets) if self._table.far().all else None
        return reconcile.digest(self._table, own, self._members.recently_left(now), buckets, lives)

    def _some(self, limit: int, among: int) -> int:
        return reconcile.some_buckets(self._table, limit, self._rng.randrange(BUCKETS), among)

    def _is_far(self, peer: PeerId) -> bool:
        entry = self._table.get(peer)
        return entry is not None and entry.far

    def _limits(self, peer: PeerId) -> reconcile.Limits:
        """How much of what is new this peer is to hear."""
        news_s = self._sites.news_s(len(self._table.far().all))
        least = max(1, round(news_s / self._members.period_s()))
        is_far = self._is_far(peer)
        return reconcile.Limits(not is_far, least, self._sites.whole_pulses if is_far else 0)
