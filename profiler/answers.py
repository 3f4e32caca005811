"""Stores graded answers in one append-only JSONL file a model or agent: no question is asked twice. Knows no engines.

One process writes at a time. Who comes second asks the first to give way, and waits: a peer that measures while its
machine is idle does so at once, `ppai-profile` does not. Both by the system's locks, which end with a process.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

GIVE_WAY_S = 3.0  # s that is waited for another writer to give way: it looks every half second
_LOOK_S = 0.05
_AGENT = " agent:"  # in a make, between what is told of the model and the digest of the agent in front of it


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
    make: str = ""  # see `make_of`


def make_of(parameters: int, quantisation: str, agent: str = "") -> str:
    """What an engine tells of a model besides its name: `8030261248 Q4_K_M`; a part that it does not tell is `?`.

    `agent`: of a personal agent, the digest of how it is configured (gateway/agent/digest.py).
    """
    return f"{parameters or '?'} {quantisation or '?'}" + (f"{_AGENT}{agent}" if agent else "")


def is_another(make: str, other: str) -> bool:
    """Whether the two are of different models under one name: a part that both tell differs.

    An agent that is configured otherwise is another one, and none is a bare model.
    """
    (model, _, agent), (their_model, _, their_agent) = make.partition(_AGENT), other.partition(_AGENT)
    parts = zip(model.split(" ", 1), their_model.split(" ", 1), strict=False)
    return agent != their_agent or any("?" not in (one, two) and one != two and bool(one and two) for one, two in parts)


class AnswerStore:
    """The answers of one model, to any query set. Use it in `with`, which locks the file against other writers.

    Answers of another `make` stay in the file and do not count: the model was replaced under its name. Entering raises
    StoreError where another process writes and has not given way within `patience_s`, or a line is damaged.
    """

    def __init__(self, folder: Path, model: str, make: str = "", patience_s: float = 0.0) -> None:
        self._path = _file_of(folder, model)
        self._model, self._make, self._patience_s = model, make, patience_s
        self.answers: dict[str, Answer] = {}
        self._file: Any = None

    def __enter__(self) -> "AnswerStore":
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = self._path.open("a+b")
        try:
            if not _take_lock(self._file):
                self._wait()
            kept = (answer for answer in self._read() if not is_another(answer.make, self._make))
            self.answers = {answer.question: answer for answer in kept}
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

    @property
    def is_wanted(self) -> bool:
        """Whether another process waits for the file: whoever can give way should."""
        try:
            with self._wanting.open("rb") as file:
                return not _take_lock(file)
        except FileNotFoundError:
            return False

    @property
    def _wanting(self) -> Path:
        """A file that whoever waits holds a lock on."""
        return self._path.with_suffix(".wanted")

    def _wait(self) -> None:
        """Ask the other writer to give way. Raises StoreError where it does not in time."""
        until = time.monotonic() + self._patience_s
        with self._wanting.open("ab") as wanting:
            while time.monotonic() < until:
                _take_lock(wanting)  # which the writer sees; so it does where another who waits has it
                time.sleep(_LOOK_S)
                if _take_lock(self._file):
                    self._wanting.unlink(missing_ok=True)
                    return
        raise StoreError(f"another ppai-profile is measuring into {self._path}; wait for it or stop it")

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


def answers_of(folder: Path, model: str, make: str = "") -> list[Answer]:
    """All answers of one model of this make, read without the lock; of a question asked twice the last one.

    None where nothing is stored. Raises StoreError, and OSError where the file cannot be read.
    """
    path = _file_of(folder, model)
    content = path.read_bytes() if path.exists() else b""
    kept = _parse(path, content[: content.rfind(b"\n") + 1])
    found = {answer.question: answer for name, answer in kept if name == model and not is_another(answer.make, make)}
    return list(found.values())


def stored(folder: Path) -> dict[str, list[Answer]]:
    """All answers in the folder by model; of a question asked twice the last one. Raises StoreError."""
    found: dict[str, dict[str, Answer]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        content = path.read_bytes()
        for model, answer in _parse(path, content[: content.rfind(b"\n") + 1]):
            found.setdefault(model, {})[answer.question] = answer
    return {model: list(answers.values()) for model, answers in found.items()}


def _file_of(folder: Path, model: str) -> Path:
    name = re.sub(r"[^\w.-]+", "_", model)[:80]
    return folder / f"{name}.jsonl"


def _parse(path: Path, lines: bytes) -> Iterator[tuple[str, Answer]]:
    """(model, answer) of each line. Raises StoreError for a damaged line."""
    for number, line in enumerate(lines.splitlines(), 1):
        try:
            value = json.loads(line)
            yield value.pop("model"), Answer(**value)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StoreError(f"{path}:{number} is not a stored answer; delete that line or the file") from error


def _take_lock(file: Any) -> bool:
    """Take the file's lock; False where another process has it."""
    try:
        import fcntl  # absent on Windows, where nothing keeps two writers apart
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
