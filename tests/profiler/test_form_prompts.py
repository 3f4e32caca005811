"""The prompts of form categories that gates are trained with: whole, distinct, balanced, in several languages."""

import json
import re
from collections import Counter

import numpy as np

from profiler.ladder import FAST_FOLDER
from profiler.qagate import shipped_gate
from profiler.static import StaticEncoder

PROMPTS = [json.loads(line) for line in (shipped_gate() / "forms.jsonl").read_text("utf-8").splitlines()]
CATEGORIES = {
    "brainstorming": 100,
    "business writing": 220,
    "classification": 120,
    "editing": 160,
    "extraction": 120,
    "poems and songs": 90,
    "reading": 45,
    "role play": 80,
    "small talk": 90,
    "stories": 90,
    "summarising": 130,
    "translation": 140,
    "writing to rules": 60,
}  # at least so many prompts each
LANGUAGES = {
    "German": r"\b(ich|und|bitte|der|das|mir|ist|mit|ein|eine|auf|du)\b",
    "French": r"\b(le|les|des|une|pour|je|est|moi|avec|dans|sans|fais)\b",
    "Spanish": r"\b(el|los|una|para|que|con|por|mi|esto|pero|y)\b",
    "Portuguese": r"\b(um|uma|pra|não|meu|minha|com|em|isso|pro|tá)\b",
    "Italian": r"\b(il|di|che|una|per|non|ci|mi|sono|è|alla|gli)\b",
    "Chinese": r"^(?=[^ぁ-ヿ]*[一-鿿])",
    "Japanese": r"[ぁ-ヿ]",
}


def is_of(language: str, text: str) -> bool:
    return len(re.findall(LANGUAGES[language], text.lower())) >= (1 if language in ("Chinese", "Japanese") else 2)


def test_each_line_is_a_prompt_with_two_names() -> None:
    assert len(PROMPTS) >= 1500
    assert {("query", "task", "category")} == {tuple(prompt) for prompt in PROMPTS}
    assert all(prompt["query"] == prompt["query"].strip() != "" for prompt in PROMPTS)
    assert all(len(prompt["query"]) <= 4000 for prompt in PROMPTS)
    tasks = {prompt["task"]: prompt["category"] for prompt in PROMPTS}
    assert all(tasks[prompt["task"]] == prompt["category"] for prompt in PROMPTS), "a task is of one category"


def test_each_category_has_its_prompts() -> None:
    counts = Counter(prompt["category"] for prompt in PROMPTS)

    assert set(CATEGORIES) == set(counts)
    assert all(counts[category] >= least for category, least in CATEGORIES.items()), counts


def test_no_two_prompts_are_nearly_the_same() -> None:
    """Otherwise one wording would weigh twice, and a part that is kept back for a test would not be unseen."""
    queries = [prompt["query"] for prompt in PROMPTS]
    vectors = StaticEncoder(shipped_gate() / FAST_FOLDER).encode(queries)

    alike = np.triu(vectors @ vectors.T, 1) >= 0.95

    assert not [(queries[a], queries[b]) for a, b in zip(*np.where(alike), strict=True)]


def test_a_fifth_is_in_other_languages() -> None:
    counts = Counter(language for prompt in PROMPTS for language in LANGUAGES if is_of(language, prompt["query"]))

    assert all(counts[language] >= 25 for language in LANGUAGES), counts
    foreign = sum(any(is_of(language, prompt["query"]) for language in LANGUAGES) for prompt in PROMPTS)
    assert 0.15 < foreign / len(PROMPTS) < 0.4


def test_no_opening_is_a_template() -> None:
    """At most one prompt in fifty begins with the same three words."""
    openings = Counter(" ".join(prompt["query"].lower().split()[:3]) for prompt in PROMPTS)

    assert openings.most_common(1)[0][1] <= max(3, len(PROMPTS) // 50), openings.most_common(5)
