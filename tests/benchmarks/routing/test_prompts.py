"""Prompts are read from every file of a folder, and each as a gateway reads it."""

from pathlib import Path

import pytest

from benchmarks.routing.prompts import Text, load_texts
from profiler.question import QueryError


def test_every_file_of_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"query": "why?", "accept": ["facts", "science"], "source": "a"}\n\n')
    (tmp_path / "b.jsonl").write_text('{"query": "how?", "accept": ["food"], "source": "b"}\n')

    assert [
        Text("why?", frozenset({"facts", "science"}), "a"),
        Text("how?", frozenset({"food"}), "b"),
    ] == load_texts(tmp_path)


def test_a_folder_without_a_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n")

    with pytest.raises(QueryError, match="hold no text"):
        load_texts(tmp_path)
