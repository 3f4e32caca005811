"""What was answered is never asked again, whatever killed the writer."""

from pathlib import Path

import pytest

from profiler.answers import Answer, AnswerStore, StoreError, stored


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


def test_nothing_stored_is_nothing(tmp_path: Path) -> None:
    assert {} == stored(tmp_path / "nowhere")
