"""Questions with checkable answers: the built-in set, JSONL files, Hugging Face datasets. Knows nothing of engines."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal, cast, get_args

from profiler.qagate import shipped_gate

Grade = Literal["choice", "number", "exact", "code"]


class QueryError(ValueError):
    """A query set cannot be used; the message names file and line, or the remedy."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question that an agent is asked, and what counts as right."""

    query: str  # what decides relevance: the question without options or instructions
    task: str
    answer: str  # a choice's letter, a number, the exact words, or for code the assertions that must hold
    grade: Grade
    choices: tuple[str, ...] = ()
    reference: float | None = None  # how often reference engines are right, in [0, 1]

    @property
    def id(self) -> str:
        """16 hex digits: the same question in another file or place is the same question."""
        content = [self.query, self.task, self.answer, self.grade, list(self.choices)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @property
    def prompt(self) -> str:
        """What the engine reads."""
        options = "".join(f"\n{chr(65 + i)}. {choice}" for i, choice in enumerate(self.choices))
        return f"{self.query}{options}\n\n{_INSTRUCTIONS[self.grade]}"


@dataclass(frozen=True, slots=True)
class TrainingText:
    """One text to train a gate on."""

    query: str
    category: str
    ability: float | None  # mean score of the agents recorded on it


_INSTRUCTIONS: Mapping[str, str] = {
    "choice": "Answer with the letter of the right option only.",
    "number": "End your answer with the final number alone on the last line.",
    "exact": "Answer with nothing but what is asked for: no explanation, no punctuation around it.",
    "code": "Answer with one Python code block and nothing else.",
}


def load_questions(source: str) -> list[Question]:
    """The questions of `builtin`, of a JSONL file or a folder of them, or of `hf:NAME[:CONFIG][@SPLIT]`.

    Raises QueryError; for a broken line its message starts with file:line.
    """
    if source.startswith("hf:"):
        from profiler.hub import load_hub

        questions = load_hub(source.removeprefix("hf:"))
    else:
        path = shipped_gate() / "queries.jsonl" if source == "builtin" else Path(source).expanduser()
        questions = [_question(value, at) for value, at in _lines(path)]
    if not questions:
        raise QueryError(f"the query set {source} is empty")
    return questions


def load_training_texts(paths: Sequence[Path]) -> list[TrainingText]:
    """Texts with their category, from JSONL files or folders: {"query", "task" or "topic", "scores"?: {agent: 0..1}}.

    Raises QueryError; for a broken line its message starts with file:line.
    """
    texts = [_training_text(value, at) for path in paths for value, at in _lines(path)]
    if not texts:
        raise QueryError(f"no texts in {', '.join(map(str, paths))}")
    return texts


def set_hash(questions: Sequence[Question]) -> str:
    """16 hex digits of the set, whatever its order: answers are stored under it."""
    return hashlib.sha256("".join(sorted({q.id for q in questions})).encode()).hexdigest()[:16]


def balanced(questions: Sequence[Question], limit: int | None, seed: int) -> list[Question]:
    """At most `limit` questions, tasks in turn, shuffled by seed; a larger limit only appends to a smaller one's."""
    rng = Random(seed)
    by_task: dict[str, list[Question]] = defaultdict(list)
    for question in sorted(questions, key=lambda q: q.id):
        by_task[question.task].append(question)
    piles = [by_task[task] for task in sorted(by_task)]
    rng.shuffle(piles)
    for pile in piles:
        rng.shuffle(pile)
    deepest = max(map(len, piles), default=0)
    turns = [pile[depth] for depth in range(deepest) for pile in piles if depth < len(pile)]
    return turns[:limit]


def to_json(question: Question) -> str:
    """One line of a query file."""
    kept = {key: value for key, value in asdict(question).items() if value not in ((), None)}
    return json.dumps(kept, ensure_ascii=False)


def _lines(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """(object, "file:line") of each line of a file, or of all *.jsonl of a folder."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise QueryError(f"{path} holds no *.jsonl file")
    for file in files:
        try:
            lines = file.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise QueryError(f"cannot read the query set {file}: {error}") from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _object(line, f"{file}:{number}"), f"{file}:{number}"


def _object(line: str, at: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise QueryError(f"{at}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise QueryError(f"{at}: not a JSON object")
    return value


def _text(value: Mapping[str, Any], key: str, at: str) -> str:
    found = value.get(key)
    if not isinstance(found, str) or not found.strip():
        raise QueryError(f'{at}: "{key}" must be a text that is not empty')
    return found


def _question(value: Mapping[str, Any], at: str) -> Question:
    unknown = value.keys() - {"query", "task", "answer", "grade", "choices", "reference"}
    if unknown:
        raise QueryError(f"{at}: unknown key {sorted(unknown)[0]!r}")
    grade = value.get("grade")
    if grade not in get_args(Grade):
        raise QueryError(f'{at}: "grade" must be one of {", ".join(get_args(Grade))}')
    choices, answer, reference = value.get("choices", []), _text(value, "answer", at), value.get("reference")
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise QueryError(f'{at}: "choices" must be a list of texts')
    if grade == "choice" and not (2 <= len(choices) <= 26 and answer in [chr(65 + i) for i in range(len(choices))]):
        raise QueryError(f'{at}: a choice needs 2 to 26 "choices" and the letter of one of them as "answer"')
    if grade == "number" and not _is_number(answer):
        raise QueryError(f'{at}: "answer" must be a number')
    if reference is not None and not (isinstance(reference, int | float) and 0 <= reference <= 1):
        raise QueryError(f'{at}: "reference" must lie in [0, 1]')
    query, task = _text(value, "query", at), _text(value, "task", at)
    return Question(query, task, answer, cast(Grade, grade), tuple(choices), reference)


def _training_text(value: Mapping[str, Any], at: str) -> TrainingText:
    category = _text(value, "task" if "task" in value else "topic", at)
    scores = value.get("scores", {})
    if not isinstance(scores, dict) or not all(isinstance(s, int | float) and 0 <= s <= 1 for s in scores.values()):
        raise QueryError(f'{at}: "scores" must map agents to numbers in [0, 1]')
    return TrainingText(_text(value, "query", at), category, sum(scores.values()) / len(scores) if scores else None)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return False
    return True
