"""Loads query sets (the built-in one, JSONL files, Hugging Face datasets), and chooses from one within a limit."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from profiler.answers import Answer
from profiler.qagate import shipped_gate
from profiler.question import QueryError, Question, parse_question, text_of


@dataclass(frozen=True, slots=True)
class TrainingText:
    """One text to train a gate on."""

    query: str
    task: str  # what the gate learns to tell
    category: str  # what the task is a part of; the task itself where a line names none
    ability: float | None  # mean grade of the agents recorded on it; None: none was
    topic: str = ""  # the subject of an exam question, where its line names one instead of a task


def load_questions(source: str) -> list[Question]:
    """The questions of `builtin`, of a JSONL file or a folder of them, or of `hf:NAME[:CONFIG][@SPLIT]`.

    Raises QueryError; for a broken line its message starts with file:line.
    """
    if source.startswith("hf:"):
        from profiler.hub import load_hub

        questions = load_hub(source.removeprefix("hf:"))
    else:
        path = shipped_gate() / "queries.jsonl" if source == "builtin" else Path(source).expanduser()
        questions = [parse_question(value, at) for value, at in lines_of(path)]
    if not questions:
        raise QueryError(f"the query set {source} is empty")
    return questions


def load_training_texts(paths: Sequence[Path]) -> list[TrainingText]:
    """Texts with their tasks and categories, from JSONL files or folders of them.

    A line is {"query": text, "task" or "topic": name, "category"?: name, "scores"?: {agent: grade in [0, 1]}}.
    Raises QueryError; for a broken line its message starts with file:line.
    """
    texts = [_training_text(value, at) for path in paths for value, at in lines_of(path)]
    if not texts:
        raise QueryError(f"no texts in {', '.join(map(str, paths))}")
    return texts


def categories_of(texts: Sequence[TrainingText]) -> dict[str, str]:
    """{task: category}. Raises QueryError where a task is in two."""
    found: dict[str, str] = {}
    for text in texts:
        if found.setdefault(text.task, text.category) != text.category:
            raise QueryError(
                f"the task {text.task} is in the categories {found[text.task]} and {text.category}: a task is in one, "
                "the same on all lines"
            )
    return found


def balanced(questions: Sequence[Question], limit: int | None, seed: int) -> list[Question]:
    """At most `limit` questions, one of each task in turn, shuffled by `seed`.

    A larger limit begins with the questions of a smaller one, so that a second run asks only the rest.
    """
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


def in_order(questions: Sequence[Question], asked: Mapping[str, float]) -> list[Question]:
    """The questions that were not asked yet, those first that say most about an agent.

    `asked`: the grade in [0, 1] of each question that was answered, by id. What is asked next is of the category whose
    expected accuracy becomes most certain by it: at first of each once, then more where an answer was not as others
    of the agent are. Inside a category tasks take turns, and grades as often as the category has them. Call it again
    after an answer: the order follows what is known, and of answers to come it assumes what is expected of them.
    """
    counts: dict[str, tuple[float, float]] = {}  # of each category: how many were asked, how many right
    piles: dict[str, list[Question]] = {}
    turns: dict[str, int] = defaultdict(int)
    for question in _mixed(questions):
        group = question.category or question.task
        number, right = counts.setdefault(group, (0.0, 0.0))
        if question.id in asked:
            turns[question.task] += 1
            counts[group] = number + 1, right + asked[question.id]
        else:
            piles.setdefault(group, []).append(question)
    mean = (sum(right for _, right in counts.values()) + 1) / (sum(number for number, _ in counts.values()) + 2)
    ordered = []
    while piles:
        group = max(piles, key=lambda name: _gain(*counts[name], mean))
        pile = piles[group]
        question = min(pile, key=lambda q: turns[q.task])
        pile.remove(question)
        if not pile:
            del piles[group]
        turns[question.task] += 1
        number, right = counts[group]
        counts[group] = number + 1, right + _expected(number, right, mean)
        ordered.append(question)
    return ordered


def _expected(number: float, right: float, mean: float) -> float:
    """The accuracy expected in a category: two imaginary answers as the agent's others are."""
    return (right + 2 * mean) / (number + 2)


def _gain(number: float, right: float, mean: float) -> float:
    """By how much one more answer lowers the variance of that accuracy, a Beta's."""
    expected = _expected(number, right, mean)
    return expected * (1 - expected) * (1 / (number + 3) - 1 / (number + 4))


def _mixed(questions: Sequence[Question]) -> list[Question]:
    """The questions so that those of each grade of a category are spread evenly over it, the commonest grade first."""
    alike: dict[tuple[str, str], list[Question]] = defaultdict(list)
    for question in sorted(questions, key=lambda q: q.id):
        alike[question.category or question.task, question.grade].append(question)
    places = [((at + 0.5) / len(group), q.id, q) for group in alike.values() for at, q in enumerate(group)]
    return [question for *_, question in sorted(places, key=lambda place: place[:2])]


def as_asked_now(answers: Iterable[Answer], questions: Iterable[Question]) -> list[Answer]:
    """The answers with task and reference of the query set, which may have changed since they were stored.

    An answer to a question that is not in the set stays as it is.
    """
    now = {question.id: question for question in questions}
    known = ((answer, now.get(answer.question)) for answer in answers)
    return [replace(a, task=q.task, reference=q.reference) if q else a for a, q in known]


def lines_of(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
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
    except (ValueError, RecursionError) as error:
        raise QueryError(f"{at}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise QueryError(f"{at}: not a JSON object")
    return value


def _training_text(value: Mapping[str, Any], at: str) -> TrainingText:
    key = "task" if "task" in value else "topic"
    task = text_of(value, key, at)
    category = text_of(value, "category", at) if "category" in value else task
    scores = value.get("scores", {})
    if not isinstance(scores, dict) or not all(isinstance(s, int | float) and 0 <= s <= 1 for s in scores.values()):
        raise QueryError(f'{at}: "scores" must map agents to numbers in [0, 1]')
    ability = sum(scores.values()) / len(scores) if scores else None
    return TrainingText(text_of(value, "query", at), task, category, ability, task if key == "topic" else "")
