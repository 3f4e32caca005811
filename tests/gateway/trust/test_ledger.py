"""The file: appended to alone, bounded, private, and no reason not to start."""

import sqlite3
import stat
from pathlib import Path

import pytest

from discovery.records import PeerId
from gateway.trust.ledger import ROWS_LIMIT, Ledger
from gateway.trust.tab import Signed, Statement, Sums
from gateway.trust.tabs import Row, Side

BEN = PeerId("ben")


def row(answers: int, peer: str = "ben", side: Side = "got", signed: Signed | None = None) -> Row:
    return Row(float(answers), PeerId(peer), side, Sums(answers, 2 * answers, 3 * answers), 1.5, signed)


def test_the_newest_of_each_side_comes_back(tmp_path: Path) -> None:
    signed = Signed(Statement("ada", "ben", Sums(2, 4, 6), 7), "aa", "bb")
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append([row(1), row(2, signed=signed), row(1, side="given"), row(9, "cat")])
    ledger.close()

    found = Ledger(tmp_path / "ledger.db").rows

    assert {row(2, signed=signed), row(1, side="given"), row(9, "cat")} == set(found)


def test_no_row_is_changed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append([row(1)])

    with pytest.raises(sqlite3.IntegrityError, match="not changed"):
        sqlite3.connect(tmp_path / "ledger.db").execute("UPDATE rows SET tokens = 0")


def test_it_is_bounded_and_keeps_the_last_word_on_everybody(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append([row(5, "early")])
    for batch in range(12):
        ledger.append([row(k + batch) for k in range(ROWS_LIMIT // 5)])

    count = sqlite3.connect(tmp_path / "ledger.db").execute("SELECT count(*) FROM rows").fetchone()[0]
    assert ROWS_LIMIT <= count <= 1.3 * ROWS_LIMIT
    ledger.close()
    assert {"early", "ben"} == {each.peer for each in Ledger(tmp_path / "ledger.db").rows}


def test_it_is_bounded_over_many_short_runs(tmp_path: Path) -> None:
    """Each writes fewer rows than one run would prune after."""
    for batch in range(26):
        ledger = Ledger(tmp_path / "ledger.db")
        ledger.append([row(k + batch) for k in range(ROWS_LIMIT // 20)])
        ledger.close()

    count = sqlite3.connect(tmp_path / "ledger.db").execute("SELECT count(*) FROM rows").fetchone()[0]
    assert ROWS_LIMIT <= count <= 1.1 * ROWS_LIMIT


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db")

    assert 0o600 == stat.S_IMODE((tmp_path / "ledger.db").stat().st_mode)


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\0" + bytes(4096)])
def test_a_damaged_file_is_put_aside_and_told(tmp_path: Path, content: bytes) -> None:
    path, said = tmp_path / "ledger.db", list[str]()
    path.write_bytes(content)
    path.chmod(0o600)

    ledger = Ledger(path, said.append)

    assert [] == ledger.rows and "a new one begins" in said[0]
    assert content == (tmp_path / "ledger.db.damaged").read_bytes()
    ledger.append([row(1)])


def test_a_file_that_others_may_write_is_put_aside(tmp_path: Path) -> None:
    path, said = tmp_path / "ledger.db", list[str]()
    Ledger(path).close()
    path.chmod(0o666)

    assert [] == Ledger(path, said.append).rows
    assert said


def test_a_full_disk_is_an_error_of_the_system_and_nothing_is_half_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append([row(1)])
    holder = sqlite3.connect(tmp_path / "ledger.db")
    holder.execute("BEGIN EXCLUSIVE")
    ledger._file.execute("PRAGMA busy_timeout = 1")

    with pytest.raises(OSError, match="cannot write"):
        ledger.append([row(2), row(3)])

    holder.rollback()
    ledger.append([row(4)])
    ledger.close()
    assert [row(4)] == Ledger(tmp_path / "ledger.db").rows
