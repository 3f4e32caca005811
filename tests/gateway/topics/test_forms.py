"""Forms seen by their wording: in several languages, held against prompts that no pattern was written from."""

import json
import re
import time
from functools import cache
from random import Random

import pytest

from benchmarks.routing.changes import CHANGES
from benchmarks.routing.forms import is_unseen
from gateway.topics.forms import WORDINGS, _branches, _by_begin, forms, written_out
from profiler.essence import essence
from profiler.qagate import shipped_gate

PROMPTS = [json.loads(line) for line in (shipped_gate() / "forms.jsonl").read_text("utf-8").splitlines()]
UNSEEN = [one for one in PROMPTS if is_unseen(one["query"])]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Translate into German: the key is under the mat", "translation"),
        ("wie sagt man guten Appetit auf polnisch", "translation"),
        ("用英语怎么说这个词", "translation"),
        ("tldr: " + "the council met and talked about the roof again. " * 6, "summarising"),
        ("Résume-moi ce mail en deux lignes : la chaudière est en panne.", "summarising"),
        ("make this sound less angry: I have asked you four times", "editing"),
        ("Corrígeme este texto: haber si me puedes desir", "editing"),
        ("extract all the dates from this letter: we met on 3 March", "extraction"),
        ("spam or not? 'you have won a yacht'", "classification"),
        ("Ordne die Wörter den Tieren zu: Wal, Eule", "classification"),
        ("haiku about the first snow", "poems and songs"),
        ("写一首关于老街的诗", "poems and songs"),
        ("tell me a bedtime story with a digger in it", "stories"),
        ("write an email to my landlord, the heating is off", "business writing"),
        ("brainstorm names for a bakery", "brainstorming"),
        ("I want you to act as a sommelier", "role play"),
        ("describe rain in exactly 30 words", "writing to rules"),
        ("good morning!", "small talk"),
        ("According to the text, who paid? The salt merchants finished it.", "reading"),
    ],
)
def test_a_form_is_seen_by_its_wording(text: str, found: str) -> None:
    assert found in forms(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "what is the capital of Portugal?",
        "How long do I boil an egg?",
        "Write a Python function that extracts all dates from a text",
        "summarise a pandas dataframe by group",
        "can I take 400 mg of ibuprofen with coffee",
        "which type of regression should I use?",
        "what shall I do when my router drops the connection?",
    ],
)
def test_a_question_asks_for_no_form(text: str) -> None:
    assert {} == forms(text)


def test_shares_sum_to_one_where_two_forms_are_asked_for() -> None:
    assert {"summarising": 0.5, "translation": 0.5} == forms("Summarise this letter and translate it into French: ...")


@pytest.mark.parametrize("change", ["greeting", "thanks", "question", "outer blanks", "case"])
def test_what_says_nothing_changes_no_form(change: str) -> None:
    rng = Random(0)
    changed = [forms(CHANGES[change](one["query"], rng)) != forms(one["query"]) for one in PROMPTS[::5]]

    assert sum(changed) / len(changed) <= 0.01


def test_a_form_is_seen_at_either_end_and_not_in_the_pasted_text() -> None:
    pasted = "The river was straightened in the thirties and the meadows dried. " * 12

    assert {"summarising"} == set(forms(f"Summarise this:\n{pasted}"))
    assert {"summarising"} == set(forms(f"{pasted}\nSummarise the above, please.   \n"))
    assert {} == forms(f"{pasted} Then he said: translate it into Polish. {pasted}")


@pytest.mark.parametrize(
    ("category", "least"),
    [
        ("translation", 0.7),
        ("summarising", 0.55),
        ("editing", 0.7),
        ("extraction", 0.6),
        ("classification", 0.65),
        ("poems and songs", 0.8),
        ("stories", 0.65),
        ("business writing", 0.7),
        ("brainstorming", 0.6),
        ("role play", 0.85),
        ("writing to rules", 0.5),
        ("small talk", 0.25),
        ("reading", 0.5),
    ],
)
def test_prompts_that_no_pattern_was_written_from_are_seen(category: str, least: float) -> None:
    """And at most 3 % of the prompts of other forms are taken for this one."""
    own = [category in forms(one["query"]) for one in UNSEEN if one["category"] == category]
    others = [category in forms(one["query"]) for one in UNSEEN if one["category"] != category]

    assert sum(own) / len(own) >= least
    assert sum(others) / len(others) <= 0.03


def test_questions_of_subjects_are_hardly_ever_taken_for_a_form() -> None:
    questions = [json.loads(line) for line in (shipped_gate() / "queries.jsonl").read_text("utf-8").splitlines()]
    subjects = {"history", "geography", "physics", "chemistry", "biology", "law", "health", "economics", "philosophy"}
    asked = [one["query"] for one in questions if one["task"] in subjects]

    assert len(asked) >= 100
    assert sum(bool(forms(text)) for text in asked) / len(asked) <= 0.02


def test_the_cues_of_a_line_cover_each_of_its_branches() -> None:
    """A prompt that a pattern of its category fits is never passed over for lack of a cue."""
    passed_over = []
    for one in PROMPTS:
        text = essence(one["query"]).lower()
        words = {word[:4] for word in re.findall(r"[^\W_]+", text)} | (set() if text.isascii() else set(text))
        for cues, pattern in WORDINGS[one["category"]]:
            if not words & set(cues.split()) and _compiled(pattern).search(text):
                passed_over.append((cues, text))

    assert not passed_over


def test_a_branch_that_a_request_begins_with_is_found_where_its_whole_wording_is() -> None:
    """And nowhere else; brackets, bars in classes and escaped ones do not part a wording."""
    wordings = [pattern for lines in WORDINGS.values() for _, pattern in lines if len(_by_begin(pattern)) > 1]
    texts = [essence(one["query"]).lower() for one in PROMPTS[::8]] + ["the boiler is broken; now,  condense it"]
    found = 0

    for wording in wordings:
        assert wording == "|".join(_branches(wording))
        parts = [(_compiled(before), _compiled("|".join(said))) for before, said in _by_begin(wording).items()]
        for text in texts:
            is_whole = _compiled(wording).search(text) is not None
            found += is_whole
            assert is_whole == any(
                part.match(text, begun.end()) for before, part in parts for begun in before.finditer(text)
            )
    assert len(wordings) >= 12
    assert found > 20


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(written_out(pattern))


def test_no_text_takes_long() -> None:
    """The worst are made of nothing but cues; 250 characters of either end are read of the longest."""
    cues = [cue for lines in WORDINGS.values() for line in lines for cue in line[0].split()]
    worst = [" ".join(cues[start : start + 120]) for start in range(0, len(cues), 60)] + ["write a " * 1_000_000]
    forms("load the patterns")

    began = time.process_time()
    for text in worst:
        forms(text)

    assert (time.process_time() - began) / len(worst) < 0.1


@pytest.mark.parametrize("said", ["two sentences", "3 short lines", "max. 50 words", "five bullets", "3 bullet points"])
def test_how_long_an_answer_shall_be_asks_for_a_summary_of_what_is_pasted(said: str) -> None:
    """But nothing of a short text alone."""
    pasted = "The boiler in the cellar has been broken since Friday, and nobody comes to repair it. " * 3

    assert {"summarising": 1.0} == forms(f"In {said}: {pasted}")
    assert {} == forms(f"In {said}: the boiler.")
