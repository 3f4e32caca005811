"""This peer's own records: signs each new card and pulse, and counts their versions. Nothing else writes them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from discovery.envelopes import Signed
from discovery.members import Entry
from discovery.records import Card, PeerId, Pulse, Record, version

Seal = Callable[[Record], Signed]  # encodes and signs a record of our own


@dataclass(frozen=True, slots=True)
class JumpConfig:
    """How often our generation may jump when a record of ours with a greater version than ours is seen.

    Where we had lost our state one jump repairs it. Where a second process uses a copy of our home no jump does.
    """

    interval_s: float = 30.0  # s between two jumps, so that two such processes do not race each other
    limit: int = 3  # jumps within `window_s` after which a second process must be using our identity
    window_s: float = 600.0  # s


class OwnRecords:
    """Our newest card and pulse, and our generation, which grows with every start and every jump."""

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
        """Give `draft` our id and the next version, and sign it. Raises InvalidRecord, and then changes nothing.

        Unless its flag is `delete`, a card gets the flag `join` as the first of its generation, else `update`.
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
        """Whether a record under our id is one that we did not write since our start.

        True for a greater version than our newest, and for other bytes (`payload`) under our newest version.
        """
        latest = (self.gen, self._card_seq if isinstance(record, Card) else self._pulse_seq)
        if version(record) != latest or self.entry is None:
            return version(record) > latest
        mine = self.entry.card if isinstance(record, Card) else self.entry.pulse
        return mine is not None and mine.envelope.payload != payload

    def jump(self, seen: Record, now: float) -> Literal["generation", "identity_in_use"] | None:
        """Take a verified record under our id that `is_ahead`, and begin a generation greater than its own.

        Returns what happened: "generation" for a jump, "identity_in_use" at the limit of jumps, None within
        `interval_s` of the last jump.
        """
        if self.identity_in_use or (self._jumps and now - self._jumps[-1] < self._config.interval_s):
            return None
        self._jumps = [at for at in self._jumps if now - at < self._config.window_s] + [now]
        if len(self._jumps) >= self._config.limit:
            self.identity_in_use = True
            return "identity_in_use"
        self.gen = max(self.gen, seen.gen) + 1
        self._card_seq = self._pulse_seq = 0
        return "generation"
