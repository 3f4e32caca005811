"""Reads Hugging Face datasets as query sets (needs the extra `train`).

READERS knows datasets by their columns, not by their names, so that mirrors of a dataset work as well.
"""

import string
from collections.abc import Callable, Mapping
from typing import Any

from profiler.question import QueryError, Question, parse_question

Row = Mapping[str, Any]


def load_hub(source: str) -> list[Question]:
    """The questions of NAME[:CONFIG][@SPLIT], or of a local folder in the hub's layout. Raises QueryError.

    The split is "test" unless one is named.
    """
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
    task = name.rstrip("/").rpartition("/")[2]
    return [_question(read, row, task, f"hf:{source} row {number}") for number, row in enumerate(rows, 1)]


def _question(read: Callable[[Row, str], Row], row: Row, task: str, at: str) -> Question:
    try:
        value = read(row, task)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise QueryError(f"{at} is not as its columns promise: {error!r}") from error
    return parse_question(value, at)


def _mmlu(row: Row, task: str) -> Row:
    return _choice(row["question"], row.get("subject") or task, row["choices"], int(row["answer"]))


def _arc(row: Row, task: str) -> Row:
    options = row["choices"]
    return _choice(row["question"], task, options["text"], options["label"].index(row["answerKey"]))


def _medqa(row: Row, task: str) -> Row:
    letters = sorted(letter for letter, words in row["options"].items() if words is not None)
    return _choice(row["question"], task, [row["options"][x] for x in letters], letters.index(row["answer_idx"]))


def _agieval(row: Row, task: str) -> Row:
    gold = row["gold"][0] if isinstance(row["gold"], list) else row["gold"]
    stem = row["query"].removeprefix("Q: ").partition("Answer Choices:")[0]
    return _choice(stem.strip(), task, [choice[3:].strip() for choice in row["choices"]], int(gold))


def _gsm8k(row: Row, task: str) -> Row:
    number = row["answer"].rpartition("####")[2].strip().replace(",", "")
    return {"query": row["question"], "task": task, "answer": number, "grade": "number"}


def _choice(query: str, task: str, choices: list[str], right: int) -> Row:
    letter = string.ascii_uppercase[right]
    return {"query": query, "task": task, "answer": letter, "grade": "choice", "choices": list(choices)}


READERS: Mapping[frozenset[str], Callable[[Row, str], Row]] = {  # columns -> what makes a query file's line of a row
    frozenset({"question", "choices", "answerKey"}): _arc,
    frozenset({"question", "options", "answer_idx"}): _medqa,
    frozenset({"query", "choices", "gold"}): _agieval,
    frozenset({"question", "choices", "answer"}): _mmlu,
    frozenset({"question", "answer"}): _gsm8k,
}
