"""What is known of one peer. table.py holds all of them, detector.py judges who is alive."""

import math
from dataclasses import dataclass
from typing import Literal

from discovery.envelopes import Signed
from discovery.messages import Sign, Versions, short_id
from discovery.records import Card, PeerId, Pulse
from discovery.words import is_word

State = Literal["alive", "suspect", "dead", "left"]

_WINDOW = 200  # pulses over which the least clock offset is taken: a few minutes, in which clocks hardly drift apart
CLOCK_JUMP_S = 5.0  # s; three pulses in a row that late mean that the owner slept: the offset is taken anew


@dataclass(frozen=True, slots=True)
class Member:
    """One peer as this peer sees it; times are seconds of the local monotonic clock."""

    id: PeerId
    card: Card
    pulse: Pulse | None
    state: State
    since: float  # when it entered `state`
    heard_at: float  # time of the newest sign of life: a new pulse by any path, or an answer to us
    reason: str  # why it is in `state`, for people
    kept: bool  # a seed that the user named, or approved: never evicted for a stranger
    equivocated: bool  # it signed two different records under one version
    relayed: bool = True  # others hear of it from us: it is no stranger, or has answered us


class Entry:
    """The mutable side of a Member. `heard_at` and `probe_at` count only the time that this process was awake."""

    __slots__ = (
        "card",
        "conflict",
        "failed_at",
        "far",
        "heard_at",
        "id",
        "kept",
        "late",
        "life",
        "look_at",
        "offsets",
        "period_s",
        "probe_at",
        "probes",
        "pulse",
        "pulses",
        "reason",
        "relayed",
        "short",
        "since",
        "state",
        "versions",
        "word",
    )

    def __init__(self, card: Signed, now: float, awake: float) -> None:
        self.id: PeerId = card.record.id
        self.short = short_id(self.id)
        self.card = card
        self.pulse: Signed | None = None
        self.state: State = "suspect"
        self.reason = "no pulse yet"
        self.since = now
        self.heard_at = awake
        self.failed_at: float | None = None  # when a dial or request of ours failed, if none has succeeded since
        self.probe_at = awake  # when to probe it next
        self.probes = 0  # probes unanswered since it became suspect
        self.kept = False
        self.far = False  # see sites.py
        # Whether others hear of it from us: it is no stranger, or has answered us at an address of its card. What
        # strangers make up spreads no further than to whom they tell it.
        self.relayed = True
        self.look_at = awake  # when to look for it next, while it is withheld
        self.conflict: tuple[Signed, Signed] | None = None  # two records under one version: proof of equivocation
        self.pulses = 0  # pulses taken in this generation
        self.offsets: list[tuple[int, float]] = []  # (pulse number, offset s), rising: see `_take_offset`
        self.late = 0  # pulses in a row more than CLOCK_JUMP_S above the least offset
        self.period_s = 0.0  # s between its last two pulses by its own clock; 0 until two of one gen are known
        self.life = 0  # number of its newest pulse that we know of, whole or by its sign
        self.word = b""  # of that pulse; empty: it tells none
        self.versions = Versions(0, 0, 0)
        self.refresh_versions()

    @property
    def is_live(self) -> bool:
        """Alive or suspect."""
        return self.state in ("alive", "suspect")

    def view(self, slept_s: float) -> Member:
        """The frozen view of this entry; `slept_s`: how long this process slept."""
        card, pulse = self.card.record, self.pulse.record if self.pulse else None
        assert isinstance(card, Card) and not isinstance(pulse, Card), "the registers hold one kind each"
        heard_at = self.heard_at + slept_s
        conflict = self.conflict is not None
        head = (self.id, card, pulse, self.state, self.since, heard_at)
        return Member(*head, self.reason, self.kept, conflict, self.relayed)

    def refresh_versions(self) -> None:
        """Recompute `versions` from the card and the pulse held. Signs of an earlier generation are forgotten."""
        card, pulse = self.card.record, self.pulse.record if self.pulse else None
        if pulse is None or pulse.gen < card.gen:
            self.versions, self.life, self.word = Versions(card.gen, card.seq, 0), 0, b""
        else:
            self.versions = Versions(pulse.gen, card.seq if card.gen == pulse.gen else 0, pulse.seq)

    def take_pulse(self, signed: Signed, new: Pulse, received_at: float) -> None:
        """Store a newer pulse, and learn from its `t_ms` how its owner's clock is offset to ours."""
        old = self.pulse.record if self.pulse else None
        if isinstance(old, Pulse) and old.gen == new.gen:
            self.period_s = max(0, new.t_ms - old.t_ms) / 1000 / (new.seq - old.seq)
        else:
            self.offsets.clear()
            self.pulses = self.late = 0
            self.period_s = 0.0
        if not isinstance(old, Pulse) or old.gen != new.gen or new.seq >= self.life:
            self.life, self.word = new.seq, new.word
        self.pulse = signed
        self.refresh_versions()
        self._take_offset(received_at - new.t_ms / 1000)

    def take_sign(self, sign: Sign) -> bool:
        """Take the sign of a pulse that is newer than any known of this generation. Returns whether it is one."""
        if not is_word(sign.word, sign.seq, self.word, self.life):
            return False
        self.life, self.word = sign
        return True

    def age_s(self, now: float) -> float:
        """Seconds on our clock since its newest pulse was made; inf when there is none."""
        pulse = self.pulse.record if self.pulse else None
        return max(0.0, now - pulse.t_ms / 1000 - self.offsets[0][1]) if isinstance(pulse, Pulse) else math.inf

    def _take_offset(self, offset_s: float) -> None:
        """Keep what is needed of the last `_WINDOW` offsets to know the least one.

        An offset is our time of receipt minus the owner's `t_ms`; the fastest delivery has the least. `offsets` drops
        every value that a newer one undercuts, so it rises, and its first entry is the least.
        """
        self.pulses += 1
        while self.offsets and self.offsets[-1][1] >= offset_s:
            self.offsets.pop()
        self.offsets.append((self.pulses, offset_s))
        if self.offsets[0][0] <= self.pulses - _WINDOW:
            del self.offsets[0]
        if self.far:
            return  # its pulses come by others and late, which says nothing of its clock
        self.late = self.late + 1 if offset_s > self.offsets[0][1] + CLOCK_JUMP_S else 0
        if self.late == 3:
            self.offsets = [kept for kept in self.offsets if kept[0] > self.pulses - 3]
            self.late = 0
