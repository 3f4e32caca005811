"""Stores graded answers in one append-only JSONL file a model, so that no question is asked twice. Knows no engines."""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


class StoreError(RuntimeError):
    """The stored answers cannot be used; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One graded answer, with its question's text, so that it can be folded with a new gate without the query set."""

    question: str  # Question.id
    query: str
    task: str
    reply: str
    right: float  # grade in [0, 1]
    seconds: float  # s that the engine took
    reference: float | None = None  # the question's reference difficulty, if it has one


class AnswerStore:
    """The answers of one model, to any query set. Use it in `with`, which locks the file against other writers.

    Entering raises StoreError where another process writes, or a line is damaged.
    """

    def __init__(self, folder: Path, model: str) -> None:
        name = re.sub(r"[^\w.-]+", "_", model)[:80]
        self._path = folder / f"{name}.jsonl"
        self._model = model
        self.answers: dict[str, Answer] = {}
        self._file: Any = None

    def __enter__(self) -> "AnswerStore":
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = self._path.open("a+b")
        try:
            _lock(self._file)
            self.answers = {answer.question: answer for answer in self._read()}
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, answer: Answer) -> None:
        """Write one answer to disk at once, so that neither a kill nor a power cut after this loses it."""
        self._file.write(json.dumps({"model": self._model, **asdict(answer)}, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.answers[answer.question] = answer

    def _read(self) -> Iterator[Answer]:
        """The answers in all whole lines; a half line that a killed writer left is cut off the file."""
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self._path, whole)
        for model, answer in _parse(self._path, content[:whole]):
            if model == self._model:  # two names may share a file name
                yield answer


def stored(folder: Path) -> dict[str, list[Answer]]:
    """All answers in the folder by model; of a question asked twice the last one. Raises StoreError."""
    found: dict[str, dict[str, Answer]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        content = path.read_bytes()
        for model, answer in _parse(path, content[: content.rfind(b"\n") + 1]):
            found.setdefault(model, {})[answer.question] = answer
    return {model: list(answers.values()) for model, answers in found.items()}


def _parse(path: Path, lines: bytes) -> Iterator[tuple[str, Answer]]:
    """(model, answer) of each line. Raises StoreError for a damaged line."""
    for number, line in enumerate(lines.splitlines(), 1):
        try:
            value = json.loads(line)
            yield value.pop("model"), Answer(**value)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StoreError(f"{path}:{number} is not a stored answer; delete that line or the file") from error


def _lock(file: Any) -> None:
    with contextlib.suppress(ImportError):
        import fcntl  # absent on Windows, where nothing keeps two writers apart

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"another ppai-profile is measuring into {file.name}; wait for it or stop it") from error
