"""What this peer publishes of itself: the only writer of its records, and of their versions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from discovery.envelopes import Signed
from discovery.members import Entry
from discovery.records import Card, PeerId, Pulse, Record, version

Seal = Callable[[Record], Signed]  # encode and sign one's own record


@dataclass(frozen=True, slots=True)
class JumpConfig:
    """When our own record is seen ahead of us: a lost state is repaired by one jump, a cloned home never is."""

    interval_s: float = 30.0  # s between two jumps of our generation: two clones must not race each other
    limit: int = 3  # jumps within `window_s` after which another process must be using our identity
    window_s: float = 600.0


class OwnRecords:
    """The current card and pulse of this peer, and its generation, which grows with every start and every jump."""

    def __init__(self, peer: PeerId, gen: int, seal: Seal, config: JumpConfig) -> None:
        self.id = peer
        self.gen = gen
        self.entry: Entry | None = None  # None until the first card
        self.identity_in_use = False
        self._seal = seal
        self._config = config
        self._card_seq = self._pulse_seq = 0
        self._jumps: list[float] = []

    def publish(self, draft: Card | Pulse, now: float) -> Signed:
        """Give `draft` our id and the next version, and sign it. Raises InvalidRecord; nothing has changed then.

        A card that is no `delete` says `join` when it is the first of its generation, `update` after that.
        """
        if isinstance(draft, Card):
            flag = draft.flag if draft.flag == "delete" else "update" if self._card_seq else "join"
            signed = self._seal(replace(draft, id=self.id, gen=self.gen, seq=self._card_seq + 1, flag=flag))
            self._card_seq += 1
            if self.entry is None:
                self.entry = Entry(signed, now, now)
                self.entry.state = "alive"
            self.entry.card = signed
        else:
            assert self.entry is not None, "publish a card before the first pulse"
            signed = self._seal(replace(draft, id=self.id, gen=self.gen, seq=self._pulse_seq + 1))
            self._pulse_seq += 1
            self.entry.pulse = signed
        self.entry.refresh_versions()
        return signed

    def is_ahead(self, record: Record, payload: bytes) -> bool:
        """Whether a record under our id is not one we wrote in this life."""
        latest = (self.gen, self._card_seq if isinstance(record, Card) else self._pulse_seq)
        if version(record) != latest or self.entry is None:
            return version(record) > latest
        mine = self.entry.card if isinstance(record, Card) else self.entry.pulse
        return mine is not None and mine.envelope.payload != payload

    def jump(self, seen: Record, now: float) -> Literal["generation", "identity_in_use"] | None:
        """React to a verified record of ours that `is_ahead`: move beyond it, unless that happened just now."""
        if self.identity_in_use or (self._jumps and now - self._jumps[-1] < self._config.interval_s):
            return None
        self._jumps = [at for at in self._jumps if now - at < self._config.window_s] + [now]
        if len(self._jumps) >= self._config.limit:
            self.identity_in_use = True
            return "identity_in_use"
        self.gen = max(self.gen, seen.gen) + 1
        self._card_seq = self._pulse_seq = 0
        return "generation"
