"""How far another peer's claims are believed, by the audits that we made of it (P).

An audit is a question whose right answer we know, asked like any other. Its claim is the share right that we expected
of that agent for that question; so much of it as is true is what a peer's honesty says. Two things follow:

    weight   pseudo-answers that its claims count: times observed / claimed, as long as that is below 1
    share    how much of a claim is believed where we saw nothing: all of it, until a test says that it boasts
    borne out  how far the same test says that it does not: then a measured vector counts more beside what we saw

The test is Wald's, run on for as long as we know the peer: is it right as often as it claims, or two thirds as often?
Each answer moves the odds. They are bounded on both sides, so that good answers of yesterday pay for no more than a
few bad ones of today. Either verdict errs in about one of ninety peers. Smaller boasts than a third are beneath it.

A verdict that no audit bears out any more fades: after a day in which the peer might have shown better, and after twice
as long each time that it is spoken anew. Half of the doubt is left, so that half of the evidence brings it back. Who
lies again and again is believed ever more rarely; who mended his engine is believed again without anybody asking.

Who answers less than half as well as it claims is set aside, for a minute at first, and twice as long each time that it
fails an audit after that. Failures, cuts and slowness are no matter of honesty: they are cost (beliefs/).
"""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from math import inf, log
from typing import Literal

from discovery.records import PeerId

Verdict = Literal["untested", "like", "worse"]

BOASTING = 2 / 3  # the share of a claim that is true, of the lie that is tested against: .9 claimed, .6 true
CERTAIN = log(90)  # log odds at which the test ends: one error in ninety
LIKELIEST = 0.95  # share right that a claim is taken for at most: one wrong answer convicts nobody
MEMORY = 64.0  # audits that observed / claimed rests on; older ones fade
PATIENCE = 8.0  # answers as claimed that are assumed beside them, for the weight
# Of a boaster's claims even the true share is believed so far alone: they do not say where they are false, and of many
# such the best looks better than it is.
CAUTION = 0.9
USELESS = 0.5  # observed / claimed below which a convicted peer is set aside
FIRST_S, LONGEST_S = 60.0, 86400.0  # s that it is set aside: at first, and at most
FADES_S, FADES_LAST_S = 86400.0, 16 * 86400.0  # s without an audit that bears it out, and a verdict fades: as above
REMEMBERED_S = 30 * 86400.0  # after its last audit a peer is forgotten
_PEERS_REMEMBERED = 4096  # who was audited longest ago is forgotten first


@dataclass(slots=True)
class Audited:
    """What audits of one peer came to; times are s of the clock that `now` is of."""

    odds: float = 0.0  # log odds that it boasts, in [-CERTAIN, CERTAIN]
    claimed: float = 0.0  # sums that fade with each audit
    right: float = 0.0
    verdict: Verdict = "untested"
    asked: int = 0  # audits in all, and the sum of their scores
    total: float = 0.0
    until: float = 0.0  # when it is no longer set aside
    next_s: float = FIRST_S  # how long it is set aside the next time
    at: float = 0.0  # of the last audit
    verdicts: int = 0  # how often it was found to boast
    compared: int = 0  # answers that were compared with those of others with the same model, and how many were alike
    alike: int = 0
    fades_at: float = 0.0  # when the verdict "worse" fades

    @property
    def ratio(self) -> float:
        """Observed / claimed."""
        return self.right / self.claimed if self.claimed else 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What we think of a peer, for a person to read."""

    verdict: Verdict
    right: float  # of `asked` audits
    asked: int
    weight: float  # what its claims count
    share: float  # what of them is believed
    set_aside_s: float  # for how long yet; 0: it is not
    compared: int = 0  # answers compared with those of others with the same model
    alike: int = 0

    @property
    def words(self) -> str:
        """`untested`, `untested (7 of 9)`, `behaves like it claims`, `worse than it claims (31 of 60)`."""
        count = f" ({self.right:.0f} of {self.asked})" if self.asked else ""
        said = {
            "untested": f"untested{count}",
            "like": "behaves like it claims",
            "worse": f"worse than it claims{count}",
        }
        twins = f", answers as others of its model do ({self.alike} of {self.compared})" if self.compared else ""
        return said[self.verdict] + twins


@dataclass(frozen=True, slots=True)
class Kept:
    """All of it, to outlive this process: its times are of the wall's clock."""

    peers: dict[str, Audited] = field(default_factory=dict)
    known_then: tuple[str, ...] | None = None


class Honesty:
    """What audits said of each peer. Ours alone: it is told to nobody, and what others say does not change it."""

    def __init__(self) -> None:
        self.changes = 0  # audits that counted
        self.fades_at = inf  # when the next verdict fades: then `fade` has something to do
        self._peers: OrderedDict[PeerId, Audited] = OrderedDict()
        self._known_then: frozenset[PeerId] | None = None  # who was there when somebody was convicted first

    def audited(self, peer: PeerId, claimed: float, score: float, now: float, known: Collection[PeerId] = ()) -> None:
        """A peer was asked something that it claims to answer rightly with this probability.

        `score`: 1 right, 0 wrong. `known`: who is there now; whoever comes later may be somebody who was convicted.
        """
        if not (0.0 <= score <= 1.0 and 0.0 < claimed <= 1.0):
            return
        self.changes += 1
        self._forget(now)
        self.fade(now)
        of = self._peers.setdefault(peer, Audited())
        self._peers.move_to_end(peer)
        of.at, of.asked, of.total = now, of.asked + 1, of.total + score
        keep = 1 - 1 / MEMORY
        of.claimed, of.right = of.claimed * keep + claimed, of.right * keep + score
        of.odds = min(CERTAIN, max(-CERTAIN, of.odds + _step(claimed, score)))
        if of.odds >= CERTAIN:
            of.verdicts += of.verdict != "worse"
            of.verdict = "worse"
            self._known_then = self._known_then or frozenset((*known, peer))
        elif of.odds <= -CERTAIN:
            of.verdict, of.until, of.next_s = "like", 0.0, FIRST_S
        if of.verdict == "worse" and of.ratio < USELESS and score < USELESS and of.until <= now:
            of.until, of.next_s = now + of.next_s, min(2 * of.next_s, LONGEST_S)
        if of.verdict == "worse" and of.odds > 0:
            of.fades_at = max(now, of.until) + min(FADES_S * 2.0 ** (of.verdicts - 1), FADES_LAST_S)
        self._look_ahead()

    def compared(self, peer: PeerId, is_alike: bool) -> None:
        """An answer was compared with those of others with the same model. A person is told; nothing else follows."""
        if (of := self._peers.get(peer)) is not None:
            of.compared, of.alike = of.compared + 1, of.alike + is_alike
            self.changes += 1

    def fade(self, now: float) -> bool:
        """Let verdicts fade that no audit bore out for long; whether there were any. Half of the doubt is left."""
        if now < self.fades_at:
            return False
        faded = [of for of in self._peers.values() if of.verdict == "worse" and of.fades_at <= now]
        for of in faded:
            of.verdict, of.odds = "untested", CERTAIN / 2
            of.right = (of.right + of.claimed) / 2
        self.changes += bool(faded)
        self._look_ahead()
        return bool(faded)

    def _look_ahead(self) -> None:
        self.fades_at = min((of.fades_at for of in self._peers.values() if of.verdict == "worse"), default=inf)

    def is_doubted(self, peer: PeerId) -> bool:
        """Whether it was found to boast, and audits have not shown since that it does not."""
        of = self._peers.get(peer)
        return of is not None and of.verdicts > 0 and of.verdict != "like"

    def weight(self, peer: PeerId) -> float:
        """How much its claims count, in [0, 1]."""
        of = self._peers.get(peer)
        return min(1.0, (PATIENCE + of.right) / (PATIENCE + of.claimed)) if of else 1.0

    def borne_out(self, peer: PeerId) -> float:
        """How far audits bear its claims out, from 0 (nothing known, or in doubt) to 1 (as sure as we get)."""
        of = self._peers.get(peer)
        return max(0.0, -of.odds / CERTAIN) if of else 0.0

    def share(self, peer: PeerId) -> float:
        """How much of its claims is believed where nothing was seen, in [0, 1]."""
        of = self._peers.get(peer)
        return CAUTION * min(1.0, of.ratio) if of and of.verdict == "worse" else 1.0

    def set_aside(self, now: float) -> frozenset[PeerId]:
        """Who is not asked now while anybody else can answer."""
        return frozenset(peer for peer, of in self._peers.items() if of.until > now)

    def is_suspicious(self, peer: PeerId) -> bool:
        """Whether it came after somebody was convicted: it may be the same, with a new id."""
        return self._known_then is not None and peer not in self._known_then

    def standing(self, peer: PeerId, now: float) -> Standing:
        """All of it, to be shown."""
        of = self._peers.get(peer, Audited())
        aside_s = max(0.0, of.until - now)
        return Standing(
            of.verdict, of.total, of.asked, self.weight(peer), self.share(peer), aside_s, of.compared, of.alike
        )

    def kept(self, now: float, wall: float) -> Kept:
        """What is to be restored; it is `wall` s by the wall's clock."""
        known = None if self._known_then is None else tuple(map(str, sorted(self._known_then)))
        return Kept({str(peer): _moved(of, wall - now) for peer, of in self._peers.items()}, known)

    def restore(self, kept: Kept, now: float, wall: float) -> None:
        """Take over what `kept` returned in an earlier run. A clock that was set back sets nobody aside for longer."""
        for peer, of in kept.peers.items():
            of = _moved(of, now - wall)
            self._peers[PeerId(peer)] = replace(
                of, at=min(of.at, now), until=min(of.until, now + LONGEST_S),
                fades_at=min(of.fades_at, now + FADES_LAST_S),
            )  # fmt: skip
        self._look_ahead()
        self._known_then = None if kept.known_then is None else frozenset(map(PeerId, kept.known_then))

    def _forget(self, now: float) -> None:
        while self._peers:
            oldest = next(iter(self._peers))
            if len(self._peers) < _PEERS_REMEMBERED and now - self._peers[oldest].at < REMEMBERED_S:
                return
            del self._peers[oldest]


def _moved(of: Audited, seconds: float) -> Audited:
    return replace(of, at=of.at + seconds, until=of.until + seconds, fades_at=of.fades_at + seconds)


def _step(claimed: float, score: float) -> float:
    """What one answer adds to the log odds that its peer boasts."""
    honest = min(claimed, LIKELIEST)
    boasting = BOASTING * honest
    return score * log(boasting / honest) + (1 - score) * log((1 - boasting) / (1 - honest))
