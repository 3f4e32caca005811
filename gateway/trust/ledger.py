"""The ledger in the home: a file of SQLite that is only appended to, and bounded.

A row says how one side of one tab stood, with the statement that both signed last. No row is ever changed; the oldest
are dropped beyond ROWS_LIMIT, but for the newest of each side of each tab. A file that cannot be read is put aside, and
a new one begun: what both signed comes back from the other peers.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from discovery.private_files import OpenToOthers, require_unchanged, set_aside
from discovery.records import PeerId
from gateway.trust.tab import Signed, Sums
from gateway.trust.tabs import PEERS_LIMIT, Row

ROWS_LIMIT = 20_000  # some 15 MiB
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, peer TEXT NOT NULL, side TEXT NOT NULL,
    answers INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, tokens INTEGER NOT NULL, recent REAL NOT NULL, signed BLOB
);
CREATE INDEX IF NOT EXISTS by_tab ON rows (peer, side, id);
CREATE TRIGGER IF NOT EXISTS only_appended BEFORE UPDATE ON rows BEGIN SELECT RAISE(ABORT, 'rows are not changed'); END;
"""
_NEWEST = "SELECT max(id) FROM rows GROUP BY peer, side"
_INSERT = (
    "INSERT INTO rows (at, peer, side, answers, prompt_tokens, tokens, recent, signed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_signed = msgspec.json.Decoder(Signed)


class Ledger:
    """Open from when it is made until `close`. One thread uses it at a time."""

    def __init__(self, path: Path, say: Callable[[str], None] = lambda line: None) -> None:
        """`say` is called where the file could not be read. Raises OSError where none can be made."""
        self._path, self._since_pruned = path, ROWS_LIMIT  # so that the first rows prune what earlier runs left
        self.rows: list[Row] = []  # the newest of each side of each tab, when it was opened
        try:
            self._file = self._open()
            self.rows = self._read()
        except (sqlite3.DatabaseError, msgspec.MsgspecError, OpenToOthers) as error:
            aside = set_aside(path)
            say(f"the ledger could not be read ({error}): it is now {aside}, and a new one begins")
            self._file = self._open()

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows down, all or none. Raises OSError where the disk does not take them."""
        try:
            with self._file:
                self._file.executemany(_INSERT, [_values(row) for row in rows])
                self._since_pruned += len(rows)
                if self._since_pruned > ROWS_LIMIT // 20:
                    self._prune()
        except sqlite3.OperationalError as error:
            raise OSError(f"cannot write {self._path}: {error}") from error

    def close(self) -> None:
        self._file.close()

    def _open(self) -> sqlite3.Connection:
        """The file, readable by its owner alone. Raises OpenToOthers, sqlite3.DatabaseError."""
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        require_unchanged(self._path, self._path.stat())
        file = sqlite3.connect(self._path, check_same_thread=False, timeout=5)
        try:
            file.executescript(_SCHEMA)
        except sqlite3.DatabaseError:
            file.close()
            raise
        return file

    def _read(self) -> list[Row]:
        """The newest of each side of each tab; of too many tabs the newest."""
        columns = "at, peer, side, answers, prompt_tokens, tokens, recent, signed"
        found = self._file.execute(
            f"SELECT {columns} FROM rows WHERE id IN ({_NEWEST}) ORDER BY id DESC LIMIT ?",
            (2 * PEERS_LIMIT,),
        )
        return [
            Row(
                float(at), PeerId(peer), side, Sums(answers, prompt_tokens, tokens), float(recent),
                _signed.decode(signed) if signed else None,
            )
            for at, peer, side, answers, prompt_tokens, tokens, recent, signed in found
        ]  # fmt: skip

    def _prune(self) -> None:
        self._since_pruned = 0
        keep = f"SELECT id FROM rows ORDER BY id DESC LIMIT {ROWS_LIMIT}"
        newest = f"{_NEWEST} ORDER BY max(id) DESC LIMIT {2 * PEERS_LIMIT}"
        self._file.execute(f"DELETE FROM rows WHERE id NOT IN ({keep}) AND id NOT IN ({newest})")


def _values(row: Row) -> tuple[float, str, str, int, int, int, float, bytes | None]:
    signed = msgspec.json.encode(row.signed) if row.signed else None
    sums = row.sums
    return row.at, row.peer, row.side, sums.answers, sums.prompt_tokens, sums.tokens, row.recent, signed
