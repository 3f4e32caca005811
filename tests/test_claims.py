"""Every claim has a command, and every command of README and docs/results exists as it is printed."""

import contextlib
import importlib
import io
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.outcomes import SAMPLE
from gateway.home.folder import Home
from gateway.home.weights import WeightsMissing, locate
from tests.test_docs import PAGES as DOCS
from tests.test_docs import anchors, page_name, rows, section, text_of

ROOT = Path(__file__).parent.parent
README, RESULTS = ROOT / "README.md", ROOT / "docs" / "results.md"
PAGES = [README, RESULTS, *sorted((ROOT / "docs" / "results").glob("*.md"))]
BLOCK = re.compile(r"^```\w*\n(.*?)^```", flags=re.M | re.S)
SOURCES = {".md", ".py", ".yaml", ".yml", ".toml", ".txt"}


def commands(text: str) -> Iterator[list[str]]:
    """Every `python -m ...` as words, from `python` on: in backticks, which may break a line, and in code blocks."""
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", BLOCK.sub("", text))]
    lines = [line.strip() for block in BLOCK.findall(text) for line in block.splitlines()]
    for command in [*spans, *lines]:
        found = re.match(r"(?:\w+=\S+ )*(python -m [\w.]+.*)$", command)
        if found:
            yield shlex.split(found[1].replace("\\|", "|"), comments=True)


def module_of(words: list[str]) -> str:
    """A module that runs; fails where it is not there."""
    name = words[2]
    spec = find_spec(name)
    assert spec, f"there is no module {name}"
    return f"{name}.__main__" if spec.submodule_search_locations else name


@cache
def help_of(module: str) -> str:
    """What --help prints, of one of our benchmarks."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit, match=r"^0$"):
        importlib.import_module(module).main(["--help"])
    return said.getvalue()


def unknown_flags(words: list[str]) -> set[str]:
    """Flags that the benchmark's --help does not name."""
    known = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", help_of(module_of(words))))
    return {word.partition("=")[0] for word in words[3:] if re.match(r"--[a-z]", word)} - known


def claims() -> list[list[str]]:
    return rows(section(README, "How good is it"))


def test_every_claim_of_the_readme_has_a_command() -> None:
    assert len(claims()) > 5
    for row in claims():
        assert list(commands(row[-1])), row[1]


@pytest.mark.parametrize("row", rows(section(RESULTS, "At a glance")), ids=lambda row: row[0])
def test_every_figure_at_a_glance_leads_to_a_command(row: list[str]) -> None:
    link = re.search(r"\]\((?P<page>[^)#]*)(?:#(?P<anchor>[^)]+))?\)", row[-1])
    if link is None:
        assert re.search(r"`(?:ppai|python -m) ", row[-1])
        return
    page = RESULTS.parent / link["page"] if link["page"] else RESULTS
    text = text_of(page)
    if link["anchor"]:
        assert link["anchor"] in anchors(page)
        titles = re.findall(r"^#+ (.+)$", text, flags=re.M)
        title = next(t for t in titles if re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") == link["anchor"])
        text = section(page, title)
    assert list(commands(text)) or "`ppai" in text


@pytest.mark.parametrize("page", PAGES[1:], ids=page_name)
def test_every_section_with_figures_has_a_command_or_says_that_none_was_kept(page: Path) -> None:
    parts = re.split(r"^## (.+)$", text_of(page), flags=re.M)
    figures = {title: text for title, text in zip(parts[1::2], parts[2::2], strict=True) if re.search(r"\d\.\d", text)}

    for title, text in figures.items():
        assert list(commands(text)) or re.search(r"`ppai|`make test|not kept", text), title


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_modules_and_flags_exist(page: Path) -> None:
    for words in commands(text_of(page)):
        if words[2].startswith("benchmarks"):
            assert set() == unknown_flags(words), shlex.join(words)
        else:
            module_of(words)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_files_of_a_command_are_in_the_repository_or_can_be_written(page: Path) -> None:
    for words in commands(text_of(page)):
        for word in words[3:]:
            if re.fullmatch(r"(?:[\w.-]+/)+[\w.-]+", word) and not word.startswith("outcomes/"):
                assert (ROOT / word).exists() or (ROOT / word).parent.is_dir(), word


def test_every_picture_of_a_measurement_has_the_command_that_draws_it() -> None:
    drawn, shown = set(), set()
    for page in PAGES:
        shown |= {(page.parent / path).resolve() for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text_of(page))}
        for words in commands(text_of(page)):
            flags = dict(pairwise(words))
            if "--picture" in flags:
                drawn.add(ROOT / flags["--picture"])
            if "--pictures" in flags:
                drawn.add(ROOT / flags["--pictures"] / f"{words[3]}.png")

    assert len(shown) > 5
    assert set() == shown - drawn


def test_the_checks_can_fail() -> None:
    flown, measured, wrapped = commands("`python -m benchmarks.flight`, `python -m benchmarks.gossip --wings 2`, "
                                        "`A=1 python -m\nbenchmarks.gossip --nodes 3`")  # fmt: skip

    with pytest.raises(AssertionError, match=r"there is no module benchmarks\.flight"):
        unknown_flags(flown)
    assert ({"--wings"}, set()) == (unknown_flags(measured), unknown_flags(wrapped))


def test_nothing_leads_out_of_the_repository() -> None:
    """Neither a path beside the checkout, nor a document that is not in it."""
    outside = re.compile("|".join((r"\.\./sha" + "red", "sha" + "red/data", r"\bDESI" + r"GN\b")))
    rooms = ("benchmarks", "configs", "discovery", "docs", "gateway", "profiler", "tests")
    files = [*ROOT.glob("*.*"), *(path for room in rooms for path in (ROOT / room).rglob("*.*"))]

    texts = {path: path.read_bytes().decode("utf-8", "replace") for path in files if path.suffix in SOURCES}

    assert [] == [str(path.relative_to(ROOT)) for path, text in texts.items() if outside.search(text)]


def runnable() -> list[list[str]]:
    """The README's claims that run on the small sample: benchmarks that take recorded outcomes, without the folder."""
    found = [words for row in claims() for words in commands(row[-1])]
    on_outcomes = [words for words in found if "outcomes" in words or "--topics" in words]
    return [[word for word in words if word not in ("outcomes", "--outcomes", "--train")] for words in on_outcomes]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("words", runnable(), ids=shlex.join)
def test_a_claim_runs_from_a_fresh_clone(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    if "routing" in words[2]:
        pytest.importorskip("torch", reason="needs the extra `train`")
    try:
        locate("encoder", Home.default().weights)
    except WeightsMissing as missing:
        pytest.skip(str(missing))

    status = importlib.import_module(module_of(words)).main([*words[3:], "--seeds", "1"])

    said = capsys.readouterr()
    assert (0, True) == (status, bool(said.out)), said.err
    assert str(SAMPLE) in said.err


@pytest.mark.parametrize("page", DOCS, ids=page_name)
def test_tests_that_are_named_exist(page: Path) -> None:
    """As `folder/test_file.py::test_name`, with as much of the path as tells which."""
    named = re.findall(r"([\w/]*test_\w+\.py)::(test_\w+)", text_of(page))
    files = {
        file: [found for found in (ROOT / "tests").rglob(Path(file).name) if is_at(found, file)] for file, _ in named
    }

    lost = {f"{file}::{name}" for file, name in named if not any(defines(found, name) for found in files[file])}

    assert set() == lost


def is_at(found: Path, named: str) -> bool:
    return f"/{found.relative_to(ROOT)}".endswith(f"/{named}")


def defines(file: Path, test: str) -> bool:
    return f"def {test}(" in text_of(file)
