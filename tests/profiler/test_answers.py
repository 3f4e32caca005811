"""What was answered is never asked again, whatever killed the writer."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from profiler.answers import Answer, AnswerStore, StoreError, answers_of, is_another, make_of, stored


def answer(question: str, right: float = 1.0) -> Answer:
    return Answer(question, f"text of {question}", "maths", "42", right, 0.5)


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*.jsonl")
    return path


def test_answers_are_there_again(tmp_path: Path) -> None:
    with AnswerStore(tmp_path, "org/model:7b") as store:
        store.add(answer("a"))

    with AnswerStore(tmp_path, "org/model:7b") as store:
        store.add(answer("b", 0.0))

        assert {"a": answer("a"), "b": answer("b", 0.0)} == store.answers


def test_other_models_have_their_own(tmp_path: Path) -> None:
    """Two names that make one file name are still told apart."""
    with AnswerStore(tmp_path, "org/model") as store:
        store.add(answer("a"))

    with AnswerStore(tmp_path, "org:model") as store:
        assert {} == store.answers


def test_the_half_line_of_a_killed_writer_is_cut_off(tmp_path: Path) -> None:
    with AnswerStore(tmp_path, "m") as store:
        store.add(answer("a"))
        store.add(answer("b"))
    path = only_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])

    with AnswerStore(tmp_path, "m") as store:
        assert ["a"] == list(store.answers)
        store.add(answer("c"))

    assert {"m": [answer("a"), answer("c")]} == stored(tmp_path)


@pytest.mark.parametrize("garbage", [b"garbage", b"[" * 100_000], ids=["words", "brackets"])
def test_a_broken_line_is_named_and_nothing_is_lost(tmp_path: Path, garbage: bytes) -> None:
    with AnswerStore(tmp_path, "m") as store:
        store.add(answer("a"))
    path = only_file(tmp_path)
    before = path.read_bytes() + garbage + b"\n"
    path.write_bytes(before)

    with pytest.raises(StoreError, match=r"m\.jsonl:2 is not a stored answer"):
        AnswerStore(tmp_path, "m").__enter__()

    assert before == path.read_bytes()


def test_one_process_at_a_time_may_write(tmp_path: Path) -> None:
    with (
        AnswerStore(tmp_path, "m"),
        pytest.raises(StoreError, match="another ppai-profile is measuring"),
        AnswerStore(tmp_path, "m"),
    ):
        pass


def test_answers_of_one_model_are_read_while_another_process_writes(tmp_path: Path) -> None:
    with AnswerStore(tmp_path, "org/model", "7 Q4") as store, AnswerStore(tmp_path, "other") as other:
        store.add(replace(answer("a"), make="7 Q4"))
        store.add(replace(answer("b"), make="7 Q8"))
        store.add(replace(answer("a", 0.0), make="7 Q4"))
        other.add(answer("c"))

        assert [replace(answer("a", 0.0), make="7 Q4")] == answers_of(tmp_path, "org/model", "7 Q4")
        assert [] == answers_of(tmp_path, "org:model") == answers_of(tmp_path / "nowhere", "m")


def test_nothing_stored_is_nothing(tmp_path: Path) -> None:
    assert {} == stored(tmp_path / "nowhere")


WRITER = """
import sys, time
from pathlib import Path
from profiler.answers import AnswerStore
with AnswerStore(Path(sys.argv[1]), "m") as store:
    print("in", flush=True)
    while not store.is_wanted:
        time.sleep(0.01)
print("out", flush=True)
"""


def test_the_other_process_gives_way_to_who_waits(tmp_path: Path) -> None:
    """It looks whether somebody waits; nothing of that is left once the store has changed hands."""
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout
            assert "in\n" == other.stdout.readline()

            with AnswerStore(tmp_path, "m", patience_s=30.0) as store:
                assert "out\n" == other.stdout.readline()
                assert not store.is_wanted
                store.add(answer("a"))
        finally:
            other.kill()

    assert ["m.jsonl"] == [path.name for path in tmp_path.iterdir()]


def test_who_was_killed_while_waiting_wants_nothing_any_more(tmp_path: Path) -> None:
    with AnswerStore(tmp_path, "m") as store:
        (tmp_path / "m.wanted").touch()

        assert not store.is_wanted


def test_who_does_not_give_way_is_waited_for_only_so_long(tmp_path: Path) -> None:
    with AnswerStore(tmp_path, "m"), pytest.raises(StoreError, match="wait for it or stop it"):
        AnswerStore(tmp_path, "m", patience_s=0.1).__enter__()


def test_answers_of_another_model_of_that_name_do_not_count_and_stay(tmp_path: Path) -> None:
    with AnswerStore(tmp_path, "m", make_of(8, "Q4_K_M")) as store:
        store.add(replace(answer("a"), make=make_of(8, "Q4_K_M")))
        store.add(replace(answer("b"), make=make_of(8, "Q8_0")))
        store.add(answer("c"))  # of a version that did not note it

    with AnswerStore(tmp_path, "m", make_of(8, "Q4_K_M")) as store:
        assert ["a", "c"] == list(store.answers)
    with AnswerStore(tmp_path, "m", make_of(0, "")) as store:
        assert ["a", "b", "c"] == list(store.answers)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (make_of(8, "Q4_K_M"), make_of(8, "Q4_K_M"), False),
        (make_of(8, "Q4_K_M"), make_of(8, "Q8_0"), True),
        (make_of(8, "Q4_K_M"), make_of(7, "Q4_K_M"), True),
        (make_of(8, "Q4_K_M"), make_of(8, ""), False),
        (make_of(0, "Q4_K_M"), make_of(8, "Q4_K_M"), False),
        (make_of(0, ""), make_of(8, "Q4_K_M"), False),
        ("", make_of(8, "Q4_K_M"), False),
        (make_of(8, "two words"), make_of(8, "two more"), True),
        (make_of(8, "Q4_K_M", "a1b2c3d4"), make_of(8, "Q4_K_M", "a1b2c3d4"), False),
        (make_of(8, "Q4_K_M", "a1b2c3d4"), make_of(8, "Q4_K_M", "00000000"), True),
        (make_of(8, "Q4_K_M", "a1b2c3d4"), make_of(8, "Q8_0", "a1b2c3d4"), True),
        (make_of(8, "", "a1b2c3d4"), make_of(8, "two words", "a1b2c3d4"), False),
        (make_of(8, "Q4_K_M", "a1b2c3d4"), make_of(8, "Q4_K_M"), True),
        (make_of(8, "Q4_K_M", "a1b2c3d4"), "", True),
    ],
)
def test_what_an_engine_does_not_tell_is_no_difference(one: str, other: str, expected: bool) -> None:
    assert expected == is_another(one, other) == is_another(other, one)
