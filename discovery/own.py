"""This peer's own records: signs each new card and pulse, and counts their versions. Nothing else writes them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from discovery.envelopes import Signed
from discovery.members import Entry
from discovery.membership import Event
from discovery.records import Address, Card, PeerId, Pulse, Record, version
from discovery.words import Words

Seal = Callable[[Record], Signed]  # encodes and signs a record of our own


@dataclass(frozen=True, slots=True)
class JumpConfig:
    """How often our generation may jump when a record of ours with a greater version than ours is seen.

    Where we had lost our state one jump repairs it. Where a second process uses a copy of our home each jump is
    followed by another of the other's, until one of the two falls silent. It is the one that started last: a copy that
    somebody tries for a minute does not take the place of the original.
    """

    young_s: float = 60.0  # s after the first card in which we count as the one that started last
    young_limit: int = 1  # jumps while young; at the next record the other must be running
    limit: int = 4  # jumps afterwards within `window_s`
    window_s: float = 60.0  # s; two processes see each other's jumps within a few
    quiet_periods: int = 5  # pulse periods without a record of the other, and up to as many more: it is gone


def shared(seen: Record) -> str:
    """What the user is told where another process wrote `seen`, a record under our id."""
    return shared_at(seen.addr[0] if isinstance(seen, Card) and seen.addr else None)


def shared_at(address: Address | None) -> str:
    """What the user is told where a peer with our id listens at `address`."""
    at = f" at {address}" if address else ""
    return f"another peer runs with this identity{at}, from a copy of this home: give each its own (--home DIR)"


class OwnRecords:
    """Our newest card and pulse, and our generation, which grows with every start and every jump."""

    def __init__(self, peer: PeerId, gen: int, seal: Seal, config: JumpConfig, words: Words | None = None) -> None:
        self._words = words
        self.id = peer
        self.gen = gen
        self.entry: Entry | None = None  # None until the first card
        self.identity_in_use = False  # another process publishes under our identity, and we are silent
        self._seal = seal
        self._config = config
        self._card_seq = self._pulse_seq = 0
        self._jumps: list[float] = []
        self._draft: Card | None = None  # what our card says, also while nobody is told
        self._began: float | None = None  # when the first card was published
        self._other: dict[type[Record], tuple[int, int]] = {}  # newest versions of the other process, while silent
        self._other_at = 0.0  # when it was heard last
        self._has_left = False  # it said goodbye

    def publish(self, draft: Card | Pulse, now: float, *, tells_word: bool = False) -> Signed:
        """Give `draft` our id and the next version, and sign it. Raises InvalidRecord, and then changes nothing.

        `tells_word`: whether a pulse is to carry its word, if we have any. Unless its flag is `delete`, a card gets the
        flag `join` as the first of its generation, else `update`.
        """
        if isinstance(draft, Card):
            flag = draft.flag if draft.flag == "delete" else "update" if self._card_seq else "join"
            signed = self._seal(replace(draft, id=self.id, gen=self.gen, seq=self._card_seq + 1, flag=flag))
            self._card_seq += 1
            self._draft = draft
            if self.entry is None:
                self.entry = Entry(signed, now, now)
                self.entry.state = "alive"
                self._began = now
            self.entry.card = signed
        else:
            assert self.entry is not None, "publish a card before the first pulse"
            seq = self._pulse_seq + 1
            word = self._words.word(self.gen, seq) if tells_word and self._words else b""
            signed = self._seal(replace(draft, id=self.id, gen=self.gen, seq=seq, word=word))
            self._pulse_seq = self.entry.life = seq
            self.entry.pulse, self.entry.word = signed, word
        self.entry.refresh_versions()
        return signed

    def is_ahead(self, record: Record, payload: bytes) -> bool:
        """Whether a record under our id is news that we did not write since our start.

        True for a greater version than our newest, and for other bytes (`payload`) under our newest version. While we
        are silent: for a greater one than the other process's newest.
        """
        if self.identity_in_use:
            return version(record) > self._other.get(type(record), (self.gen, 0))
        latest = (self.gen, self._card_seq if isinstance(record, Card) else self._pulse_seq)
        if version(record) != latest or self.entry is None:
            return version(record) > latest
        mine = self.entry.card if isinstance(record, Card) else self.entry.pulse
        return mine is not None and mine.envelope.payload != payload

    def keep(self, draft: Card | Pulse) -> None:
        """While we are silent: what our card is to say once we are no more. Raises InvalidRecord."""
        if isinstance(draft, Card):
            self._seal(replace(draft, id=self.id, gen=self.gen, seq=1))
            self._draft = draft

    def meet(self, seen: Record, now: float) -> Event | None:
        """Take a verified record under our id that `is_ahead`, and begin a generation greater than its own.

        Returns `generation`, and then the caller publishes `draft`; or `identity_in_use` where we fall silent; or None
        where we were silent before.
        """
        self._other[type(seen)], self._other_at = version(seen), now
        if isinstance(seen, Card):
            self._has_left = seen.flag == "delete"
        if self.identity_in_use:
            return None
        is_young = self._began is None or now - self._began < self._config.young_s
        self._jumps = [jump for jump in self._jumps if now - jump < self._config.window_s]
        if len(self._jumps) >= (self._config.young_limit if is_young else self._config.limit):
            self.identity_in_use = True
            return Event("identity_in_use", self.id, f"{shared(seen)}. This one is silent until that one stops")
        self._jumps.append(now)
        self._begin_beyond(seen.gen)
        return Event("generation", self.id, shared(seen))

    def resume(self, period_s: float, now: float) -> Event | None:
        """End our silence where the other process has said goodbye or is not heard any more; the event if so.

        Then the caller publishes `draft`, in a generation greater than the other's. How long we wait depends on our
        generation, so that two processes that are both silent do not return at once.
        """
        periods = self._config.quiet_periods + self.gen % (self._config.quiet_periods + 1)
        if not self.identity_in_use or not (self._has_left or now - self._other_at > periods * period_s):
            return None
        self.identity_in_use = self._has_left = False
        self._jumps.clear()
        self._begin_beyond(max(gen for gen, _ in self._other.values()))
        self._other.clear()
        return Event("identity_free", self.id, "the other peer with this identity is gone: this one takes part again")

    @property
    def draft(self) -> Card:
        """What our card says."""
        assert self._draft is not None, "publish a card first"
        return self._draft

    def _begin_beyond(self, gen: int) -> None:
        self.gen = max(self.gen, gen) + 1
        self._card_seq = self._pulse_seq = 0
