"""The tabs with all other peers (P): what is counted, what is to be signed and written down, who is forgotten.

1. An answer counts for who gave it once its receipt is here, and for who had it as far as it was answered.
2. Sums are signed and written down after ANSWERS answers, after OPEN_S, or when nothing came for QUIET_S.
3. Who took states the sums, who gave signs them too: at least what both signed before. Of two who disagree, each goes
   on counting for himself; who lost his ledger takes over what he signed himself.
4. PEERS_LIMIT tabs are kept. Those who gave the least are forgotten first: made-up names gave nothing.

Times are unix seconds, which the caller passes: a tab outlives the process.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from discovery.records import PeerId
from gateway.trust.tab import Account, Side, Signed, Statement, Sums, Tab, Verify, signed_bytes

ANSWERS = 64
OPEN_S = 10.0
QUIET_S = 2.0
PEERS_LIMIT = 1024
SIDES: tuple[Side, Side] = ("got", "given")


class Row(NamedTuple):
    """One line of the ledger: how one side of one tab stood."""

    at: float  # unix s
    peer: PeerId
    side: Side
    sums: Sums
    recent: float  # work, faded until `at`
    signed: Signed | None  # what both signed last


class NotBetweenUs(Exception):
    """A statement that is not between the two, or that its taker did not sign."""


class Tabs:
    """Every tab by peer."""

    def __init__(self, me: PeerId, sign: Callable[[bytes], bytes], verify: Verify, rows: Iterable[Row] = ()) -> None:
        """`rows`: the last of each side, as the ledger has them."""
        self._me, self._sign, self._verify = me, sign, verify
        self._tabs: dict[PeerId, Tab] = {}
        self._unwritten: dict[tuple[PeerId, Side], None] = {}  # besides those with open answers
        for row in rows:
            tab = self._tabs.setdefault(row.peer, Tab())
            account = tab.of(row.side)
            account.sums, account.recent, account.as_of, account.signed = row.sums, row.recent, row.at, row.signed

    def __getitem__(self, peer: PeerId) -> Tab:
        """The tab with this peer; an empty one where there is none."""
        return self._tabs.get(peer) or Tab()

    def all(self) -> dict[PeerId, Tab]:
        """Those that are kept."""
        return dict(self._tabs)

    def add(self, peer: PeerId, side: Side, sums: Sums, now: float) -> None:
        """Count an answer: `got` from that peer, or `given` to it."""
        if sums.answers:
            tab = self._tabs.get(peer) or self._tab(peer, now)
            (tab.got if side == "got" else tab.given).add(sums, now)

    def due(self, now: float, *, is_last: bool = False) -> list[Row]:
        """What is to be written down now, each once. `is_last`: all that is open, since we are being stopped."""
        keys = [
            (peer, side) for peer, tab in self._tabs.items() for side in SIDES if _is_due(tab.of(side), now, is_last)
        ]
        rows = [self._row(*key, now) for key in dict.fromkeys([*keys, *self._unwritten]) if key[0] in self._tabs]
        self._unwritten.clear()
        for peer, side in keys:
            self._tabs[peer].of(side).open_answers = 0
        return rows

    def unsigned(self) -> list[PeerId]:
        """From whom we got what is written down and not signed by both."""
        return [
            peer
            for peer, tab in self._tabs.items()
            if tab.got.sums.answers and not tab.got.open_answers and _signed_sums(tab.got) != tab.got.sums
        ]

    def state(self, peer: PeerId, now: float) -> Signed:
        """What we say that we got from this peer in all, signed by us."""
        statement = Statement(self._me, peer, self[peer].got.sums, int(now))
        return Signed(statement, self._sign(signed_bytes(statement)).hex())

    def signed(self, peer: PeerId, signed: Signed, now: float) -> bool:
        """The giver's answer: our statement with its signature too, or what both signed before. Whether it holds."""
        account = self._tab(peer, now).got
        if not signed.holds(self._me, peer, self._verify) or not signed.statement.sums.covers(_signed_sums(account)):
            return False
        account.signed = signed
        account.raise_to(signed.statement.sums, now)
        self._unwritten[peer, "got"] = None
        return True

    def countersign(self, peer: PeerId, stated: Signed, known: Signed | None, now: float) -> Signed:
        """What a taker states, with our signature; or what both signed before, where it states less than that.

        `known`: what it says that both signed before. Raises NotBetweenUs.
        """
        if not stated.holds(peer, self._me, self._verify, both=False):
            raise NotBetweenUs("the statement is not between us, or you did not sign it")
        account = self._tab(peer, now).given
        if known and known.holds(peer, self._me, self._verify) and known.statement.sums.covers(_signed_sums(account)):
            account.signed = known  # we lost ours: our own signature says so
        if account.signed is None or stated.statement.sums.covers(_signed_sums(account)):
            by_us = self._sign(signed_bytes(stated.statement)).hex()
            account.signed = Signed(stated.statement, stated.by_taker, by_us)
        account.raise_to(_signed_sums(account), now)
        self._unwritten[peer, "given"] = None
        return account.signed

    def _tab(self, peer: PeerId, now: float) -> Tab:
        tab = self._tabs.get(peer)
        if tab is None:
            if len(self._tabs) >= PEERS_LIMIT:
                del self._tabs[min(self._tabs, key=lambda other: self._worth_keeping(self._tabs[other], now))]
            tab = self._tabs[peer] = Tab()
        return tab

    def _worth_keeping(self, tab: Tab, now: float) -> tuple[float, float]:
        return tab.got.faded(now), max(tab.got.last_at, tab.given.last_at, tab.given.as_of)

    def _row(self, peer: PeerId, side: Side, now: float) -> Row:
        account = self._tabs[peer].of(side)
        return Row(now, peer, side, account.sums, account.faded(now), account.signed)


def _is_due(account: Account, now: float, is_last: bool) -> bool:
    waits = now - account.open_since >= OPEN_S or now - account.last_at >= QUIET_S
    return account.open_answers > 0 and (is_last or waits or account.open_answers >= ANSWERS)


def _signed_sums(account: Account) -> Sums:
    return account.signed.statement.sums if account.signed else Sums()
