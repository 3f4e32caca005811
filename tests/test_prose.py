"""Comments, docstrings and pages keep away from what readers could not decode.

Patterns find only some of it: history, measurements without the page that holds their command, a handful of sentences
that nobody understood, and names that are voice. What is left is for reviewers.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("discovery", "profiler", "gateway", "benchmarks")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

HISTORY = re.compile(r"(?<!\bis )(?<!\bare )(?<!\bbe )(?<!\bwas )(?<!\bwere )\bused to\b", re.IGNORECASE)
FIGURE = re.compile(r"\d ?(?:µs|ms|tok/s)\b|\(measured\)|\bpoints (?:fewer|more|less)\b")
VOICE = {"told", "seldom", "mingling", "lacking", "says"}

# Readers could not say what these mean. Each is part of a sentence that once stood in the code or the pages.
UNDECODED = (
    "all hold the same news and may act on it in one moment",
    "the less, the more was done since",
    "would else stay with its owner for good",
    "they do not ask",
    "how much of itself a turn is",
    "what is left for still older turns cannot turn it",
    "make eq. (6) bayes' rule with a stated likelihood",
    "the prior h = 1 is worth",
    "a factor on nothing ahead could never convict",
    "was the reading",
    "a certain place for the best",
    "goes where room is as if it came last",
    "the variance of own - reference, inside a task",
    "more than 5 s later than that begin",
    "are worth a fresh look, if it may change the choice",
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def sources_of(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@cache
def prose_of(path: Path) -> tuple[str, ...]:
    """A page as one text; of a source the comments (following lines are one text) and docstrings."""
    text = path.read_text(encoding="utf-8")
    return (*_comments(text), *_docstrings(text)) if path.suffix == ".py" else (" ".join(text.split()),)


def found_in(paths: list[Path], is_wrong: Callable[[str], bool]) -> dict[str, list[str]]:
    """The texts that are wrong, by file."""
    found = {name_of(path): [text[:200] for text in prose_of(path) if is_wrong(text)] for path in paths}
    return {path: texts for path, texts in found.items() if texts}


def _comments(source: str) -> Iterator[str]:
    block: list[str] = []
    end = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        is_alone, line = token.line.strip().startswith("#"), token.start[0]
        if block and not (is_alone and line == end + 1):
            yield " ".join(block)
            block = []
        block.append(token.string.lstrip("# "))
        end = line if is_alone else 0
    if block:
        yield " ".join(block)


def _docstrings(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield " ".join((ast.get_docstring(node) or "").split())


def history_in(text: str) -> bool:
    """Whether a text says how things were."""
    return bool(HISTORY.search(text))


def unplaced_figure_in(text: str) -> bool:
    """Whether a text reports a measurement and does not name the page that has it."""
    return bool(FIGURE.search(text)) and "docs/" not in text


def voice_in(source: str) -> set[str]:
    """The names in a source that are of VOICE: functions, variables, parameters, attributes."""
    nodes = list(ast.walk(ast.parse(source)))
    return {getattr(node, key, None) for node in nodes for key in ("name", "id", "arg", "attr")} & VOICE


@pytest.mark.parametrize("room", ROOMS)
def test_prose_tells_no_history(room: str) -> None:
    assert {} == found_in(sources_of(room), history_in)


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "benchmarks"])
def test_a_measurement_names_its_page(room: str) -> None:
    """The unit of a constant is fine; a figure such as "a scrape costs 3 ms" stands in docs/results."""
    assert {} == found_in(sources_of(room), unplaced_figure_in)


@pytest.mark.parametrize("paths", [*map(sources_of, ROOMS), PAGES], ids=[*ROOMS, "pages"])
def test_no_sentence_comes_back_that_nobody_understood(paths: list[Path]) -> None:
    assert {} == found_in(paths, lambda text: any(lost in text.lower() for lost in UNDECODED))


@pytest.mark.parametrize("room", ROOMS)
def test_names_are_vocabulary(room: str) -> None:
    found = {name_of(path): voice_in(path.read_text(encoding="utf-8")) for path in sources_of(room)}

    assert {} == {path: names for path, names in found.items() if names}


def test_the_checks_can_fail() -> None:
    assert history_in("200 requests used to send 400 probes")
    assert not history_in("the key that is used to sign")
    assert unplaced_figure_in("a scrape costs vLLM 14-22 ms")
    assert not unplaced_figure_in("a scrape costs vLLM 14-22 ms (docs/results/gateway.md)")
    assert {"told", "lacking"} == voice_in("def told(x):\n    return x.lacking")
    assert ["one two", "three"] == list(_comments("# one\n# two\nx = 1  # three\n"))
