"""An index follows its folders: at once, newest first, and what is away for a while is not forgotten."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.agent.knowledge import following
from gateway.agent.knowledge.folders import Sight
from gateway.agent.knowledge.following import LOOK_S, Following, Source, calibrated, threshold_of
from gateway.agent.knowledge.search import Search
from gateway.agent.knowledge.store import Counts, connected
from profiler.encoder import EncoderError
from tests.gateway.agent.knowledge.made import WordEncoder, locked_pdf

WORDS = WordEncoder()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for at, name in enumerate(("keel", "mast", "sail")):
        (folder / f"{name}.md").write_text(f"# {name}\n\nThe {name} of this boat is number {at}.")
        os.utime(folder / f"{name}.md", (at, at))
    return folder


Make = Callable[..., Following]


@pytest.fixture
def make(tmp_path: Path, docs: Path, clock: Clock) -> Iterator[Make]:
    made: list[Following] = []

    def make(*folders: Path, encoder: Callable[[], WordEncoder] = lambda: WORDS) -> Following:
        def opened() -> tuple[str, Callable]:
            found = encoder()
            return found.name, found.encode

        source = Source(folders or (docs,), ("*.md", "*.pdf"))
        made.append(Following(tmp_path / "index.sqlite", source, opened, clock))
        return made[-1]

    yield make
    for one in made:
        one.close()


def finish(one: Following, clock: Clock | None = None) -> None:
    """Go on until nothing is to be done; with `clock`, from the next look on."""
    if clock:
        clock.now += 10 * LOOK_S
    while one.step():
        pass


def found(tmp_path: Path, question: str) -> list[str]:
    search = Search(tmp_path / "index.sqlite")
    names = [passage.document for passage in search.find(question, WORDS.name, WORDS.encode, 3)]
    search.close()
    return names


def test_full_text_comes_first_and_vectors_of_the_newest_before_others(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "EMBEDDED", 1)
    monkeypatch.setattr(following, "WORK_S", 0.0)  # one document, or one batch, a step
    steps: list[Counts] = []
    embedded: list[str] = []

    class Noting(WordEncoder):
        def encode(self, texts):  # type: ignore[no-untyped-def]
            embedded.extend(texts)
            return super().encode(texts)

    one = make(encoder=Noting)
    while one.step():
        steps.append(one.counts)

    assert all(counts.pieces == 3 for counts in steps if counts.vectors)
    assert ["sail", "mast", "keel"] == [text.partition("\n")[0] for text in embedded]
    assert Counts(3, 3, 3) == one.counts


def test_changes_and_deletions_are_followed(make: Make, docs: Path, clock: Clock, tmp_path: Path) -> None:
    one = make()
    finish(one)
    assert "mast.md" in found(tmp_path, "mast")

    (docs / "mast.md").unlink()
    (docs / "keel.md").write_text("# rudder\n\nThe rudder is new.")
    finish(one, clock)

    assert "mast.md" not in found(tmp_path, "mast")
    assert ["keel.md"] == found(tmp_path, "rudder")[:1]
    assert Counts(2, 2, 2) == one.counts


def test_a_document_that_did_not_change_is_not_read_again(make: Make, clock: Clock, docs: Path) -> None:
    one = make()
    finish(one)
    changes = one.changes
    one._reading.read = lambda *_: pytest.fail("it was read")  # type: ignore[method-assign]

    finish(one, clock)

    assert changes == one.changes


def test_a_touched_document_keeps_its_vectors(make: Make, clock: Clock, docs: Path) -> None:
    one = make()
    finish(one)
    one._encoder = lambda: pytest.fail("it was embedded")

    os.utime(docs / "keel.md", (99, 99))
    finish(one, clock)

    assert Counts(3, 3, 3) == one.counts


def test_a_folder_that_goes_away_is_said_and_answers_from_the_index(
    make: Make, docs: Path, clock: Clock, tmp_path: Path
) -> None:
    one = make()
    finish(one)

    docs.rename(tmp_path / "unplugged")
    finish(one, clock)

    assert 3 == one.counts.vectors
    assert ["3 documents of it answer from the index until it is back"] == [
        problem.partition("): ")[2].partition(";")[0] for problem in one.problems
    ]

    (tmp_path / "unplugged").rename(docs)
    finish(one, clock)

    assert [] == one.problems


def test_an_empty_mount_point_is_a_folder_that_is_away(
    make: Make, docs: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make()
    finish(one)

    with monkeypatch.context() as away:
        away.setattr(following, "look", lambda *_: Sight(device=12345))
        finish(one, clock)
        assert 3 == one.counts.documents
        assert "it is empty, and was on another drive" in one.problems[0]
    for file in docs.iterdir():
        file.unlink()
    finish(one, clock)

    assert (Counts(0, 0, 0), []) == (one.counts, one.problems)


def test_a_folder_that_was_never_there_is_to_be_corrected(make: Make, tmp_path: Path) -> None:
    one = make(tmp_path / "gone")
    finish(one)

    assert one.problems[0].endswith("make it, or correct knowledge.folders")


def test_a_folder_that_is_taken_out_is_forgotten(make: Make, docs: Path, clock: Clock, tmp_path: Path) -> None:
    finish(make())
    other = tmp_path / "other"
    other.mkdir()

    one = make(other)
    finish(one)

    assert Counts(0, 0, 0) == one.counts


def test_a_document_that_cannot_be_read_is_said_and_the_rest_goes_on(make: Make, docs: Path, clock: Clock) -> None:
    (docs / "a.pdf").write_bytes(locked_pdf())

    one = make()
    finish(one)

    assert 3 == one.counts.vectors
    assert [f"{docs / 'a.pdf'}: it is locked with a password: save it without one"] == one.problems
    (docs / "a.pdf").unlink()
    finish(one, clock)
    assert [] == one.problems


def test_without_encoder_words_are_indexed_and_vectors_follow_when_it_is_there(make: Make, clock: Clock) -> None:
    there: list[WordEncoder] = []

    def encoder() -> WordEncoder:
        if not there:
            raise EncoderError("no encoder weights. Run: ppai pull encoder")
        return there[0]

    one = make(encoder=encoder)
    finish(one)
    assert Counts(3, 3, 0) == one.counts
    assert ["Run: ppai pull encoder"] == [problem.rpartition(". ")[2] for problem in one.problems]

    there.append(WORDS)
    finish(one, clock)

    assert (Counts(3, 3, 3), []) == (one.counts, one.problems)


def test_vectors_of_another_encoder_are_made_anew(make: Make, clock: Clock, tmp_path: Path) -> None:
    finish(make(encoder=lambda: WordEncoder("other")))
    one = make()
    one.used = WORDS.name

    finish(one)

    assert 3 == one.counts.vectors
    assert ["sail.md"] == found(tmp_path, "sail")[:1]


def test_a_damaged_index_is_made_anew_and_said(make: Make, clock: Clock, tmp_path: Path) -> None:
    first = make()
    finish(first)
    first.close()
    file = tmp_path / "index.sqlite"
    content = bytearray(file.read_bytes())
    content[100:] = b"x" * (len(content) - 100)
    file.write_bytes(content)

    one = make()
    finish(one)
    said = list(one.problems)
    finish(one, clock)

    assert Counts(3, 3, 3) == one.counts
    assert any("the index was damaged and is made anew" in problem for problem in [*said, *one.problems])


def test_a_full_disk_is_said_and_it_goes_on_when_there_is_room(make: Make, clock: Clock) -> None:
    one = make()
    assert one.step()
    assert one._store
    put = one._store.put_vectors

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    one._store.put_vectors = full  # type: ignore[method-assign]
    finish(one)
    assert "make room on the disk" in one.problems[0]
    one_store = one._store
    assert one_store is None or one_store.put_vectors is not put

    finish(one, clock)

    assert (Counts(3, 3, 3), []) == (one.counts, one.problems)


def test_too_many_pieces_are_said(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PIECES", 2)

    one = make()
    finish(one)

    assert Counts(2, 2, 2) == one.counts
    assert ["narrow knowledge.patterns, or make a second agent"] == [one.rpartition(": ")[2] for one in one.problems]


def test_a_document_whose_reading_is_stopped_is_not_to_blame(make: Make, docs: Path) -> None:
    one = make()
    one._reading._boot = "import time; time.sleep(600)"
    stopping = threading.Timer(0.5, one.stop)
    stopping.start()

    assert not one.step()

    assert [] == one.problems


@pytest.mark.parametrize(
    ("nearnesses", "threshold"), [([], 0.4), ([0.1] * 100, 0.4), ([0.9, 0.8, 0.7] + [0.1] * 97, 0.7)]
)
def test_few_everyday_questions_reach_the_threshold(nearnesses: list[float], threshold: float) -> None:
    assert threshold == threshold_of(nearnesses, 0.4, 0.02)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "null", '["a", 1, 2]'])
def test_a_threshold_that_cannot_be_read_is_none(text: str) -> None:
    assert (0, "", 0.0) == calibrated(text)


KILLED = """
import sys, time
from pathlib import Path
import gateway.agent.knowledge.following as f
from tests.gateway.agent.knowledge.made import WordEncoder
f.WORK_S, f.EMBEDDED = 0.0, 4  # one document, or one batch, a step
words = WordEncoder()
one = f.Following(Path(sys.argv[1]), f.Source((Path(sys.argv[2]),), ("*.md",)), lambda: (words.name, words.encode))
print("begun", flush=True)
while one.step():
    print(*one.counts, flush=True)
print("done", flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_index_that_is_killed_twenty_times_is_whole_and_is_finished(tmp_path: Path) -> None:
    """At a later step each time, from before the file is made to the last vectors; documents change meanwhile."""
    docs, index = tmp_path / "docs", tmp_path / "index.sqlite"
    docs.mkdir()
    texts = {n: "\n\n".join(f"# part {n} {m}\n\nThe part {m} of document {n}." for m in range(8)) for n in range(40)}
    for n, text in texts.items():
        (docs / f"{n}.md").write_text(text)
    vectors = 0

    for kill in range(21):
        (docs / f"{kill}.md").write_text(f"{texts[kill]}\n\n# new\n\nIt has changed.")
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(index), str(docs)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        for at, _ in enumerate(process.stdout):
            if kill < 20 and at >= kill * 4:
                process.kill()
        process.wait()
        process.stdout.close()
        if not index.exists():
            continue
        db = connected(index)
        assert [("ok",)] == db.execute("pragma integrity_check").fetchall()
        if db.execute("select count(*) from sqlite_master where name = 'words'").fetchone() == (1,):
            db.execute("insert into words(words) values ('integrity-check')")
            half = "select count(*) from piece group by document having count(*) not in (8, 9)"
            assert [] == db.execute(half).fetchall()
            (now,) = db.execute("select count(*) from vector").fetchone()
            assert now + 9 >= vectors  # but for those of a document that has changed
            vectors = now
        db.close()

    assert 40 * 8 + 21 == vectors
    shutil.rmtree(docs)


def test_two_programs_may_follow_the_same_folders(make: Make, tmp_path: Path) -> None:
    """Such as a peer that runs and a command that indexes."""
    both = [make(), make()]

    while both[0].step() | both[1].step():  # each does its own, whatever the other has left
        pass

    assert [Counts(3, 3, 3)] * 2 == [one.counts for one in both]
    assert [[], []] == [one.problems for one in both]
