"""The index: a document is in it whole or not at all, with its words and vectors, and damage is made good."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from gateway.agent.knowledge.pieces import Piece
from gateway.agent.knowledge.store import FORM, Counts, Store, connected, packed

PIECES = [Piece("Boats > Keel", "Of lead."), Piece("Boats > Mast", "Of wood.")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "index" / "a.sqlite")


def words(file: Path, word: str) -> int:
    db = connected(file, read_only=True)
    (found,) = db.execute("select count(*) from words where words match ?", (word,)).fetchone()
    db.close()
    return int(found)


def test_a_document_replaces_what_it_was(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "index" / "a.sqlite"
    store.put("/d", "a.md", 1, 1, "x", PIECES)
    assert 1 == words(file, "lead")

    store.put("/d", "a.md", 2, 2, "y", [Piece("", "Of steel.")])

    assert (0, 1) == (words(file, "lead"), words(file, "steel"))
    assert Counts(1, 1, 0) == store.counts()


def test_a_document_that_is_forgotten_leaves_nothing(store: Store, tmp_path: Path) -> None:
    store.put("/d", "a.md", 1, 1, "x", PIECES)
    store.put_vectors(dict.fromkeys(store.pending(), b"\x01" * 4))

    store.forget([store.known()[("/d", "a.md")].id])

    assert Counts(0, 0, 0) == store.counts()
    assert 0 == words(tmp_path / "index" / "a.sqlite", "lead")


def test_pieces_that_stay_keep_their_vectors(store: Store) -> None:
    store.put("/d", "a.md", 1, 1, "x", PIECES)
    store.put_vectors(dict.fromkeys(store.pending(), b"\x01" * 4))

    store.put("/d", "a.md", 2, 2, "y", [Piece("Ships > Keel", "Of lead."), Piece("", "New.")])

    assert Counts(1, 2, 1) == store.counts()


def test_new_documents_get_their_vectors_first(store: Store) -> None:
    for path, mtime in (("old.md", 1), ("new.md", 3), ("middle.md", 2)):
        store.put("/d", path, 1, mtime, path, [Piece("", path)])

    assert ["new.md", "middle.md", "old.md"] == [store.pieces([n])[0][1] for n in store.pending()]


def test_what_is_embedded_is_the_nearest_heading_and_the_text(store: Store) -> None:
    store.put("/d", "a.md", 1, 1, "x", PIECES)

    assert ["Keel\nOf lead.", "Mast\nOf wood."] == [text for _, text in store.pieces(store.pending())]


def test_vectors_of_pieces_that_are_gone_are_passed_over(store: Store) -> None:
    store.put("/d", "a.md", 1, 1, "x", PIECES)

    store.put_vectors(dict.fromkeys((*store.pending(), 99), b"\x01"))

    assert 2 == store.counts().vectors


def test_a_problem_is_kept_until_the_document_can_be_read(store: Store) -> None:
    store.put("/d", "a.pdf", 1, 1, pieces=(), problem="it is locked")
    assert [("/d", "a.pdf", "it is locked")] == store.problems()

    store.put("/d", "a.pdf", 2, 2, "x", PIECES)

    assert [] == store.problems()


@pytest.mark.parametrize("content", [b"no database " * 100, b""])
def test_a_damaged_index_is_made_anew(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    file.write_bytes(content)

    store = Store(file)
    store.put("/d", "a.md", 1, 1, "x", PIECES)

    assert bool(content) == store.was_damaged
    assert 2 == store.counts().pieces


def test_an_index_of_another_form_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    db = sqlite3.connect(file)
    db.executescript(f"create table document(x); pragma user_version = {FORM + 1};")
    db.close()

    store = Store(file)

    assert Counts(0, 0, 0) == store.counts()


def test_what_fails_midway_changes_nothing(store: Store) -> None:
    store.put("/d", "a.md", 1, 1, "x", PIECES)

    with pytest.raises(AttributeError):
        store.put("/d", "a.md", 2, 2, "y", [Piece("", "New."), None])  # type: ignore[list-item]

    assert ("x", 2) == (store.known()[("/d", "a.md")].digest, store.counts().pieces)


def test_only_the_direction_of_a_vector_counts() -> None:
    row = np.array([[0.2, -0.1, 0.0], [0, 0, 0]], np.float32)

    assert np.array_equal(packed(row), packed(row * 3))
    assert [127, -64, 0] == packed(row)[0].tolist()


def test_only_its_user_may_read_an_index(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "index" / "a.sqlite"

    assert (0o600, 0o700) == (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777)
