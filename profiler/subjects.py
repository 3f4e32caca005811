"""Labels of exam questions by their subject. Needs the extra `train`.

"mmlu" and "arc_challenge" are formats: a gate that learns them as labels takes every question with options for one of
them, whatever it is about. Here each such question takes the topic that texts with a topic teach, and is learnt with
and without its options. The other formats are of one subject each: gsm8k is word problems, humaneval is Python.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from profiler.queries import TrainingText
from profiler.question import QueryError

Floats = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]

EXAMS = ("arc_challenge", "mmlu")  # tasks that hold all subjects
FORMATS = {  # a task that is a format of one subject: (task, category)
    "gsm8k": ("word problems", "maths"),
    "humaneval": ("python", "coding"),
    "cmmlu": ("Chinese", "Chinese"),
}
SUBJECTS = {  # a topic of exam questions: (task, category), as everyday queries name them
    "biology": ("biology", "science"),
    "business": ("business and career", "business and career"),
    "chemistry": ("chemistry", "science"),
    "cs": ("computer science", "coding"),
    "culture": ("culture", "facts"),
    "economics": ("politics and economics", "politics and economics"),
    "engineering": ("engineering", "engineering"),
    "geography": ("geography", "facts"),
    "health": ("medicine", "medicine"),
    "history": ("history", "history"),
    "law": ("law", "law"),
    "math": ("algebra and calculus", "maths"),
    "other": ("general knowledge", "facts"),
    "philosophy": ("philosophy", "philosophy"),
    "physics": ("physics", "science"),
    "politics": ("politics and economics", "politics and economics"),
    "psychology": ("psychology", "science"),
}
_OPTION = re.compile(r"^\s*[(\[]?[A-J][)\].:]\s", re.MULTILINE)


def without_format(query: str) -> str:
    """A prompt without its options and without the "Answer:" it ends on."""
    stem = re.sub(r"^\s*(Question|问题)\s*[:：]\s*", "", query)
    stem = re.sub(r"\n?\s*(Answer|答案)\s*[:：]\s*$", "", stem)
    found = _OPTION.search(stem)
    return stem[: found.start()].strip() or stem if found else stem


def by_subject(texts: Sequence[TrainingText], encode: Encode) -> list[TrainingText]:
    """The texts with tasks and categories of everyday queries; those of EXAMS twice, where they have options.

    encode: (n,) texts -> (n, d) embeddings, for the logistic model that tells the topics of EXAMS. It learns from the
    texts that name a topic. Raises QueryError where there are exams and no text names a topic.
    """
    exams = [text for text in texts if text.task in EXAMS]
    taught = [text for text in texts if text.topic in SUBJECTS]
    stems = [without_format(text.query) for text in exams]
    subjects: list[str] = []
    if exams:
        topics = [text.topic for text in taught]
        if len(set(topics)) < 2:
            raise QueryError(
                f"the subjects of {' and '.join(EXAMS)} are learnt from texts with two topics or more: add a file "
                'whose lines are {"query": text, "topic": name}, or leave out --by-subject'
            )
        subjects = subjects_of(encode([text.query for text in taught]), topics, encode(stems))
    found = []
    for text in texts:
        if text.task not in EXAMS:
            task, category = FORMATS.get(text.task) or SUBJECTS.get(text.topic) or (text.task, text.category)
            found.append(replace(text, task=task, category=category))
    for text, stem, topic in zip(exams, stems, subjects, strict=True):
        task, category = SUBJECTS[topic]
        queries = dict.fromkeys((text.query, stem))
        found += [replace(text, query=query, task=task, category=category) for query in queries]
    return found


def subjects_of(taught: Floats, topics: Sequence[str], asked: Floats) -> list[str]:
    """The topics of texts `asked` (n, d), as a logistic model learns them from `taught` (m, d) with `topics` (m,)."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10.0, max_iter=1000).fit(taught, list(topics))
    found: list[str] = model.predict(asked).tolist()
    return found
