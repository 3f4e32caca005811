"""Finds the pieces nearest to a question, by meaning and by words. Reads the index, and never writes it.

The vectors are held as int8, in blocks, and all of them are compared: as many documents as a person has need no index
of vectors (docs/decisions.md). Both orders become one by reciprocal ranks. How near the first piece is is told
by its nearest sentence, because a piece says several things; the order is left as words and meaning made it.
"""

import re
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gateway.agent.knowledge.pieces import sentences_of
from gateway.agent.knowledge.store import connected
from gateway.agent.parts import Passage

Floats = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]  # texts to (n, d) float32, unit rows

COMMON = 1000  # pieces: a word that more of them have tells little, and takes long to look up
WORDS = 32  # of a question, the rarest
CANDIDATES = 40  # of each order
COMPARED = 1  # pieces whose sentences are compared with the question; of others the whole is
QUOTABLE = 3  # the same where the nearest sentence is to be quoted
SENTENCES = 8  # of a piece
NEAREST = 2  # of them that are told
RANK = 60  # of reciprocal ranks: the larger, the more it counts to be in both orders

_BLOCK = 1024  # vectors compared at once: as float32 they fit into a processor's cache
_COUNTED = 10_000  # words whose pieces are counted once
_REMEMBERED = 256  # pieces whose sentences' vectors are kept


class Search:
    """The reading side of an index. Of one thread at a time."""

    def __init__(self, file: Path, named: Callable[[str, str], str] = lambda folder, path: path) -> None:
        """`named`: what a document is called, by its folder and its path in it."""
        self._file, self._named = file, named
        self._db: sqlite3.Connection | None = None
        self._inode = self._version = self._number = -1
        self._blocks: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int8], Floats]] = []
        self._sentences: OrderedDict[int, Floats] = OrderedDict()
        self._rare: dict[str, int] = {}
        self._encoder = ""  # whose vectors the index has
        self._is_readable = False  # whether they are those of the encoder in use

    def find(self, question: str, encoder: str, encode: Encode, limit: int, compared: int = COMPARED) -> list[Passage]:
        """The passages, best first. `encoder`: the name of what encodes. Raises sqlite3.Error and OSError.

        `compared`: how many of them are compared sentence by sentence.
        """
        vector = encode([question])[0]
        db = self._fresh()
        if db is None:
            return []
        self._is_readable = encoder == self._encoder
        orders = [self._by_meaning(vector) if self._is_readable else [], self._by_words(db, question)]
        worth: dict[int, float] = {}
        for order in orders:
            for rank, piece in enumerate(order):
                worth[piece] = worth.get(piece, 0.0) + 1 / (RANK + rank)
        best = sorted(worth, key=lambda piece: -worth[piece])
        found = self._passages(db, best, limit)
        return [
            self._compared(db, piece, passage, vector, encode, at < compared)
            for at, (piece, passage) in enumerate(found)
        ]

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db = None
        self._inode = self._version = self._number = -1
        self._blocks.clear()
        self._sentences.clear()

    def _fresh(self) -> sqlite3.Connection | None:
        """The index as it is now; None where there is none."""
        try:
            inode = self._file.stat().st_ino
        except FileNotFoundError:
            self.close()
            return None
        if self._db is None or inode != self._inode:
            self.close()
            self._db = connected(self._file, read_only=True)
            self._inode = inode
        version = self._db.execute("pragma data_version").fetchone()[0]
        if version != self._version:
            self._load(self._db)
            self._rare.clear()
            self._version = version
        return self._db

    def _load(self, db: sqlite3.Connection) -> None:
        """Take in vectors that are new. Those of deleted pieces find nothing; where they are many, all is loaded."""
        encoder = db.execute("select value from setting where name = 'encoder'").fetchone()
        if encoder is not None and encoder[0] != self._encoder:
            self._encoder = encoder[0]
            self._blocks.clear()
            self._sentences.clear()
            self._number = -1
        held = sum(len(ids) for ids, _, _ in self._blocks)
        (there,) = db.execute("select count(*) from vector").fetchone()
        (new,) = db.execute("select count(*) from vector where number > ?", (self._number,)).fetchone()
        if held + new > there + max(_BLOCK, there // 8) or there == 0:
            self._blocks.clear()
            self._number = -1
        rows = db.execute("select number, piece, parts from vector where number > ? order by number", (self._number,))
        while many := rows.fetchmany(_BLOCK):
            self._number = many[-1][0]
            self._add(many)

    def _add(self, rows: Sequence[tuple[int, int, bytes]]) -> None:
        ids = np.array([piece for _, piece, _ in rows], np.int64)
        parts = np.frombuffer(b"".join(row[2] for row in rows), np.int8).reshape(len(rows), -1)
        lengths = np.linalg.norm(parts.astype(np.float32), axis=1)
        if self._blocks and len(self._blocks[-1][0]) + len(ids) <= _BLOCK:
            last = self._blocks.pop()
            ids, parts = np.concatenate([last[0], ids]), np.concatenate([last[1], parts])
            lengths = np.concatenate([last[2], lengths])
        self._blocks.append((ids, parts, np.maximum(lengths, 1e-9)))

    def _by_meaning(self, vector: Floats) -> list[int]:
        blocks = self._blocks
        if not blocks:
            return []
        cosines = np.concatenate([parts.astype(np.float32) @ vector / lengths for _, parts, lengths in blocks])
        ids = np.concatenate([ids for ids, _, _ in blocks])
        best = np.argpartition(-cosines, min(CANDIDATES, len(cosines) - 1))[:CANDIDATES]
        return [int(piece) for piece in ids[best[np.argsort(-cosines[best])]]]

    def _by_words(self, db: sqlite3.Connection, question: str) -> list[int]:
        words = {word.lower() for word in re.findall(r"\w+", question[:4000])}
        seen = {word: count for word in words if 0 < (count := self._pieces_with(db, word)) <= COMMON}
        rarest = sorted(seen, key=lambda word: (seen[word], word))[:WORDS]
        if not rarest:
            return []
        asked = " OR ".join(f'"{word}"' for word in rarest)
        rows = db.execute("select rowid from words where words match ? order by rank limit ?", (asked, CANDIDATES))
        return [row[0] for row in rows]

    def _pieces_with(self, db: sqlite3.Connection, word: str) -> int:
        """How many pieces have the word, counted to COMMON + 1."""
        if word not in self._rare:
            if len(self._rare) >= _COUNTED:
                self._rare.clear()
            counting = "select count(*) from (select 1 from words where words match ? limit ?)"
            (self._rare[word],) = db.execute(counting, (f'"{word}"', COMMON + 1)).fetchone()
        return self._rare[word]

    def _passages(self, db: sqlite3.Connection, best: Sequence[int], limit: int) -> list[tuple[int, Passage]]:
        """The first `limit` of the pieces that there still are."""
        reading = "select folder, path, heading, text from piece join document d on d.id = document where piece.id = ?"
        found: list[tuple[int, Passage]] = []
        for piece in best:
            row = db.execute(reading, (piece,)).fetchone()
            if row is not None:
                folder, path, heading, text = row
                found.append((piece, Passage(self._named(folder, path), heading, text, 0.0)))
            if len(found) == limit:
                break
        return found

    def _compared(
        self, db: sqlite3.Connection, piece: int, passage: Passage, vector: Floats, encode: Encode, by_sentence: bool
    ) -> Passage:
        """With the cosine of the nearest sentence, or of the whole; of a piece without a vector always the former."""
        if not by_sentence and self._is_readable and piece not in self._sentences:
            row = db.execute("select parts from vector where piece = ?", (piece,)).fetchone()
            if row is not None:
                parts = np.frombuffer(row[0], np.int8).astype(np.float32)
                return replace(passage, nearness=float(parts @ vector / max(float(np.linalg.norm(parts)), 1e-9)))
        sentences = sentences_of(passage.text)[:SENTENCES] or [passage.text]
        if piece not in self._sentences:
            self._sentences[piece] = encode(sentences)
            while len(self._sentences) > _REMEMBERED:
                self._sentences.popitem(last=False)
        self._sentences.move_to_end(piece)
        cosines = self._sentences[piece] @ vector
        nearest = tuple((float(cosines[at]), sentences[at]) for at in np.argsort(-cosines, kind="stable")[:NEAREST])
        return replace(passage, nearness=nearest[0][0], sentences=nearest)
