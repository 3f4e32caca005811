"""The index of an agent's documents: one file of sqlite, with their pieces, the words in these and their vectors.

It holds nothing that could not be read again: where it is damaged, or of another form, it is made anew. A document is
written in one transaction, so that whenever the process ends, each is in it as it was or as it is.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gateway.agent.knowledge.pieces import JOINED, Piece

FORM = 1  # of the tables, and of how documents are cut: another one is made anew
BUSY_S = 10.0  # to wait for another program that writes: a transaction takes milliseconds

_TABLES = f"""
create table folder(path text primary key, device integer not null) without rowid;
create table document(
    id integer primary key, folder text not null, path text not null, size integer not null, mtime integer not null,
    digest text not null, problem text not null, unique(folder, path));
create table piece(
    id integer primary key autoincrement, document integer not null references document on delete cascade,
    heading text not null, text text not null);
create index piece_of on piece(document);
create table vector(
    number integer primary key autoincrement, piece integer not null unique references piece on delete cascade,
    parts blob not null);
create table setting(name text primary key, value text not null) without rowid;
create virtual table words using fts5(
    heading, text, content=piece, content_rowid=id, tokenize='porter unicode61 remove_diacritics 2');
create trigger piece_in after insert on piece begin
    insert into words(rowid, heading, text) values (new.id, new.heading, new.text); end;
create trigger piece_out after delete on piece begin
    insert into words(words, rowid, heading, text) values ('delete', old.id, old.heading, old.text); end;
pragma user_version = {FORM};
"""


class Known(NamedTuple):
    """What the index has of a document."""

    id: int
    size: int
    mtime: int  # ns
    digest: str
    problem: str


class Counts(NamedTuple):
    """How far the index is."""

    documents: int  # that could be read
    pieces: int
    vectors: int  # of that many pieces


class Store:
    """The writing side. Of one thread at a time; other programs may write the same file."""

    def __init__(self, file: Path) -> None:
        """Open it, or make it. Raises OSError and sqlite3.OperationalError where the disk does not let it."""
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.was_damaged = False
        try:
            self._open(file)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            remove(file)
            self._open(file)
            self.was_damaged = True

    def _open(self, file: Path) -> None:
        self._db = connected(file)
        with contextlib.ExitStack() as stack:
            stack.callback(self._db.close)
            if self._form() != FORM:
                is_new = self._db.execute("select count(*) from sqlite_master").fetchone() == (0,)
                if not is_new:
                    self._db.close()
                    remove(file)
                    self._db = connected(file)
                    stack.callback(self._db.close)
                file.chmod(0o600)
                self._db.execute("pragma journal_mode = wal")
                with self._writing():
                    if self._form() != FORM:  # else another program made it at the same moment
                        for statement in _statements(_TABLES):
                            self._db.execute(statement)
            stack.pop_all()

    def _form(self) -> int:
        return int(self._db.execute("pragma user_version").fetchone()[0])

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.rollback()
            raise
        self._db.commit()

    def known(self) -> dict[tuple[str, str], Known]:
        """Every document, by its folder and path."""
        rows = self._db.execute("select folder, path, id, size, mtime, digest, problem from document")
        return {(folder, path): Known(*rest) for folder, path, *rest in rows}

    def put(
        self,
        folder: str,
        path: str,
        size: int,
        mtime: int,
        digest: str = "",
        pieces: Sequence[Piece] | None = None,
        problem: str = "",
    ) -> None:
        """A document as it is now. Pieces that it had before keep their vectors; None keeps all its pieces."""
        with self._writing():
            found = self._db.execute("select id from document where folder = ? and path = ?", (folder, path)).fetchone()
            row = (size, mtime, digest, problem)
            if found is None:
                made = self._db.execute(
                    "insert into document(folder, path, size, mtime, digest, problem) values (?, ?, ?, ?, ?, ?)",
                    (folder, path, *row),
                )
                document = made.lastrowid
            else:
                (document,) = found
                self._db.execute(
                    "update document set size = ?, mtime = ?, digest = ?, problem = ? where id = ?", (*row, document)
                )
            if pieces is not None:
                assert document is not None
                self._replace(document, pieces)

    def _replace(self, document: int, pieces: Sequence[Piece]) -> None:
        rows = self._db.execute(
            "select heading, text, parts from piece join vector on piece.id = vector.piece where document = ?",
            (document,),
        )
        had = {(heading.split(JOINED)[-1], text): parts for heading, text, parts in rows}
        self._db.execute("delete from piece where document = ?", (document,))
        for piece in pieces:
            made = self._db.execute(
                "insert into piece(document, heading, text) values (?, ?, ?)", (document, piece.heading, piece.text)
            )
            if parts := had.get((piece.heading.split(JOINED)[-1], piece.text)):
                self._db.execute("insert into vector(piece, parts) values (?, ?)", (made.lastrowid, parts))

    def forget(self, documents: Iterable[int]) -> None:
        """Take documents out, with all that is of them."""
        with self._writing():
            self._db.executemany("delete from document where id = ?", [(one,) for one in documents])

    def folders(self) -> dict[str, int]:
        """The device that each folder was last seen on."""
        return dict(self._db.execute("select path, device from folder"))

    def put_folder(self, path: str, device: int) -> None:
        with self._writing():
            self._db.execute("insert or replace into folder values (?, ?)", (path, device))

    def pending(self) -> list[int]:
        """Pieces without a vector, of the newest document first."""
        return [
            row[0]
            for row in self._db.execute(
                "select piece.id from piece join document on document.id = document where piece.id not in "
                "(select piece from vector) order by mtime desc, piece.id"
            )
        ]

    def pieces(self, ids: Sequence[int]) -> list[tuple[int, str]]:
        """(id, text to be embedded) of those pieces that there still are."""
        marks = ",".join("?" * len(ids))
        rows = self._db.execute(f"select id, heading, text from piece where id in ({marks}) order by id", ids)
        return [(number, embedded(heading, text)) for number, heading, text in rows]

    def put_vectors(self, vectors: Mapping[int, bytes]) -> None:
        """Vectors of pieces; of pieces that are gone by now they are passed over."""
        with self._writing():
            self._db.executemany(
                "insert or ignore into vector(piece, parts) select id, ? from piece where id = ?",
                [(parts, number) for number, parts in vectors.items()],
            )

    def drop_vectors(self) -> None:
        """Another encoder reads from now on."""
        with self._writing():
            self._db.execute("delete from vector")

    def setting(self, name: str) -> str:
        """A value that was kept; "" where none was."""
        found = self._db.execute("select value from setting where name = ?", (name,)).fetchone()
        return str(found[0]) if found else ""

    def set(self, name: str, value: str) -> None:
        with self._writing():
            self._db.execute("insert or replace into setting values (?, ?)", (name, value))

    def counts(self) -> Counts:
        row = self._db.execute(
            "select (select count(*) from document where problem = ''), (select count(*) from piece), "
            "(select count(*) from vector)"
        ).fetchone()
        return Counts(*row)

    def problems(self) -> list[tuple[str, str, str]]:
        """(folder, path, problem) of the documents that could not be read."""
        return self._db.execute(
            "select folder, path, problem from document where problem != '' order by folder, path"
        ).fetchall()


def connected(file: Path, read_only: bool = False) -> sqlite3.Connection:
    """A connection that any one thread at a time may use. Raises sqlite3.OperationalError where there is no file."""
    mode = "rw" if read_only else "rwc"
    address = f"{file.absolute().as_uri()}?mode={mode}"
    db = sqlite3.connect(address, BUSY_S, isolation_level=None, check_same_thread=False, uri=True)
    db.execute("pragma foreign_keys = on")
    db.execute("pragma synchronous = normal")
    db.execute("pragma cache_size = -4000")  # KiB
    if read_only:
        db.execute("pragma query_only = on")
    return db


def remove(file: Path) -> None:
    """Delete an index, with the files that sqlite lays beside it."""
    for ending in ("", "-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)


def embedded(heading: str, text: str) -> str:
    """What the encoder reads of a piece: the nearest heading says what it is about, those above it blur that."""
    return f"{heading.split(JOINED)[-1]}\n{text}" if heading else text


def packed(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """(n, d) float32 to (n, d) int8: each row as large as it can be, so that only its direction counts."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    parts: npt.NDArray[np.int8] = np.rint(vectors * (127 / np.maximum(largest, 1e-9))).astype(np.int8)
    return parts


def _statements(script: str) -> Iterator[str]:
    held = ""
    for line in script.strip().splitlines(keepends=True):
        held += line
        if sqlite3.complete_statement(held):
            yield held
            held = ""
