"""Hugging Face datasets as query sets (extra `train`). A table of column shapes, not of names: mirrors work as well."""

import string
from collections.abc import Callable, Mapping
from typing import Any

from profiler.queries import QueryError, Question

Row = Mapping[str, Any]


def load_hub(source: str) -> list[Question]:
    """NAME[:CONFIG][@SPLIT], or a local folder in the hub's layout; split "test" unless said. Raises QueryError."""
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise QueryError("query sets from the hub need the datasets library: pip install 'ppai[train]'") from error
    name, _, split = source.partition("@")
    name, _, config = name.partition(":")
    try:
        rows = load_dataset(name, config or None, split=split or "test")
    except Exception as error:  # the hub's, the network's and pyarrow's errors have no common class
        raise QueryError(f"cannot load hf:{source}: {error}") from error
    read = next((read for columns, read in READERS.items() if columns <= set(rows.column_names)), None)
    if read is None:
        shapes = "; ".join(" ".join(sorted(columns)) for columns in READERS)
        raise QueryError(f"hf:{source} has columns {rows.column_names}, known are: {shapes}")
    return [read(row, name.rstrip("/").rpartition("/")[2]) for row in rows]


def _mmlu(row: Row, task: str) -> Question:
    return _choice(row["question"], row.get("subject") or task, row["choices"], int(row["answer"]))


def _arc(row: Row, task: str) -> Question:
    options = row["choices"]
    return _choice(row["question"], task, options["text"], options["label"].index(row["answerKey"]))


def _medqa(row: Row, task: str) -> Question:
    letters = sorted(row["options"])
    return _choice(row["question"], task, [row["options"][x] for x in letters], letters.index(row["answer_idx"]))


def _agieval(row: Row, task: str) -> Question:
    gold = row["gold"][0] if isinstance(row["gold"], list) else row["gold"]
    stem = row["query"].removeprefix("Q: ").partition("Answer Choices:")[0]
    return _choice(stem.strip(), task, [choice[3:].strip() for choice in row["choices"]], int(gold))


def _gsm8k(row: Row, task: str) -> Question:
    number = row["answer"].rpartition("####")[2].strip().replace(",", "")
    return Question(row["question"], task, number, "number")


def _choice(query: str, task: str, choices: list[str], right: int) -> Question:
    return Question(query, task, string.ascii_uppercase[right], "choice", tuple(choices))


READERS: Mapping[frozenset[str], Callable[[Row, str], Question]] = {
    frozenset({"question", "choices", "answerKey"}): _arc,
    frozenset({"question", "options", "answer_idx"}): _medqa,
    frozenset({"query", "choices", "gold"}): _agieval,
    frozenset({"question", "choices", "answer"}): _mmlu,
    frozenset({"question", "answer"}): _gsm8k,
}
