"""The documentation says what is: links, commands, keys, endpoints, headers and names exist, and none is left out."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import typer

from gateway import cli
from gateway.client.app import EXPOSED_HEADERS
from gateway.client.entrance.paths import ENDPOINT_PATHS, OTHER_PATHS
from gateway.client.page.files import page_files
from gateway.client.page.watching import Watching
from gateway.client.pages import pages_app
from gateway.client.running import RunningPeer
from gateway.config import Config, leaf_paths
from gateway.peering.listener import BODY_LIMITS_BYTES
from gateway.privacy import agent_fields
from gateway.privacy import fields as travel
from gateway.routing.candidates import Excluded
from gateway.wire import known, sampling
from profiler import cli as profile_cli

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMANDS: dict[str, Any] = {
    "ppai": typer.main.get_command(cli.app),
    "ppai-profile": typer.main.get_command(profile_cli.app),
}
PATH = re.compile(r"(?:[\w-]+/)+[\w.-]+\.(?:py|md|yaml|yml)")


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def section(page: Path, title: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    level, _, rest = text_of(page).partition(f" {title}\n")
    hashes = re.search(r"#+$", level)
    assert rest and hashes, f"{page_name(page)} has no section `{title}`"
    return re.split(rf"^#{{1,{len(hashes[0])}}} ", rest, maxsplit=1, flags=re.M)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row in `text`, heads and rules left out."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    rules = [n for n, line in enumerate(cells) if set("".join(line)) <= {"-"}]
    return [line for n, line in enumerate(cells) if n not in rules and n + 1 not in rules]


def quoted(text: str) -> list[str]:
    """What stands in `backticks`, code blocks left out."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def anchors(page: Path) -> set[str]:
    """What a heading is called in a link, by GitHub's rule."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(text: str) -> Iterator[list[str]]:
    """Every `ppai ...` and `ppai-profile ...`, as words: in backticks, and at the start of a code block's lines."""
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, flags=re.M | re.S))
    lines = [*quoted(text), *blocks.splitlines()]
    for line in lines:
        found = re.match(r"(?:\$ |[A-Z_]+=\S+ |docker exec ppai |\S*/bin/)*(ppai(?:-profile)?(?: .*)?)$", line.strip())
        if found:
            yield shlex.split(found[1].replace("...", ""), comments=True)


def resolve(words: list[str]) -> tuple[Any, list[str]]:
    """(the command that is meant, what is left for it). Fails where there is none."""
    command = COMMANDS[words[0]]
    rest = words[1:]
    if words[0] == "ppai-profile" and (not rest or rest[0].startswith("--")) and rest != ["--version"]:
        rest = ["measure", *rest]
    while hasattr(command, "commands") and rest and not rest[0].startswith("--"):
        assert rest[0] in command.commands, f"there is no `{shlex.join(words)}`"
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


def unknown_flags(words: list[str]) -> set[str]:
    """Flags of a command line that its command does not have."""
    command, rest = resolve(words)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return {word.partition("=")[0] for word in rest if word.startswith("--")} - known - {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", text_of(page))
    inside = [target for target in targets if not target.startswith(("https://", "http://", "mailto:"))]

    for target in inside:
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{target} leads nowhere"
        assert not anchor or anchor in anchors(there), f"{target}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_files_that_are_named_exist(page: Path) -> None:
    """Paths with a folder count from the root, from the folder of the page, or from a room."""
    named = {name for name in quoted(text_of(page)) if PATH.fullmatch(name)}
    lost = {name for name in named if not any((base / name).exists() for base in (ROOT, page.parent, ROOT / "gateway"))}

    assert set() == lost


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_commands_exist_with_their_flags(page: Path) -> None:
    for words in commands(text_of(page)):
        assert set() == unknown_flags(words), shlex.join(words)


def test_the_check_of_commands_can_fail() -> None:
    flown, served = commands("`ppai fly`\n```\n$ ppai serve --wings # up\n```\n")

    with pytest.raises(AssertionError, match="there is no `ppai fly`"):
        unknown_flags(flown)
    assert {"--wings"} == unknown_flags(served)


def test_the_readme_lists_every_command() -> None:
    listed = {tuple(words[:3]) for row in rows(section(ROOT / "README.md", "Commands")) for words in commands(row[0])}
    listed |= {tuple(words[:3]) for row in rows(section(ROOT / "README.md", "Commands")) for words in commands(row[1])}

    for program, group in COMMANDS.items():
        for name, command in group.commands.items():
            for path in [(name, sub) for sub in command.commands] if hasattr(command, "commands") else [(name,)]:
                assert any(words[: len(path) + 1] == (program, *path) for words in listed), f"{program} {path}"


def every_command() -> Iterator[tuple[str, Any]]:
    """(its words, the command) of each command of both programs."""
    for program, group in COMMANDS.items():
        for name, command in group.commands.items():
            if not hasattr(command, "commands"):
                yield f"{program} {name}", command
            for sub, inner in getattr(command, "commands", {}).items():
                yield f"{program} {name} {sub}", inner


EVERY = dict(every_command())


@pytest.mark.parametrize(("words", "command"), EVERY.items(), ids=EVERY)
def test_every_command_s_help_has_an_example_that_it_takes(words: str, command: Any) -> None:
    examples = re.findall(r"^Example: (.+)$", command.help, flags=re.M)

    assert examples, f"{words} --help shows no example"
    for example in examples:
        meant, rest = resolve(shlex.split(example))
        assert command.callback.__name__ == meant.callback.__name__, f"{words}: {example}"
        meant.make_context(words, rest)  # fails of usage


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_make_targets_and_modules_exist(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), flags=re.M)

    for target in re.findall(r"(?:^|`)make ([a-z-]+)", text_of(page), flags=re.M):
        assert target in targets
    for module in re.findall(r"python -m ((?:benchmarks|tests)[.\w]+)", text_of(page)):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_configuration_keys_exist(page: Path) -> None:
    keys = set(leaf_paths(Config))
    groups = {key.partition(".")[0] for key in keys if "." in key}
    named = {name for name in quoted(text_of(page)) if re.fullmatch(r"[a-z]+(\.[a-z_]+)+", name)}
    meant = {name for name in named if name.partition(".")[0] in groups and not name.endswith((".py", ".log"))}

    assert meant <= keys, meant - keys


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_environment_names_are_read_by_something(page: Path) -> None:
    keys = {f"PPAI_{key.replace('.', '_').upper()}" for key in leaf_paths(Config)}
    readers = [*ROOT.glob("gateway/**/*.py"), *ROOT.glob("profiler/*.py"), *ROOT.glob("docker-compose*.yml")]
    read = {name for reader in readers for name in re.findall(r"PPAI_[A-Z_]+", text_of(reader))}

    assert set(re.findall(r"PPAI_[A-Z_]*[A-Z]", text_of(page))) <= keys | read


@pytest.mark.parametrize("room", ["discovery", "profiler", "gateway"])
def test_every_file_of_a_room_is_explained(room: str) -> None:
    """And no other: a folder stands for what is in it."""
    page = ROOT / "docs/architecture.md"
    titles = re.findall(r"^### (.+)$", text_of(page), flags=re.M)
    table = rows(section(page, next(title for title in titles if title.startswith(room))))
    explained = {
        name for row in table for cell in (row[0], row[2]) for name in quoted(cell) if name.endswith((".py", "/"))
    }
    folders = {f"{path.parent.name}/" for path in (ROOT / room).glob("*/__init__.py")}

    assert explained == folders | {path.name for path in (ROOT / room).glob("[!_]*.py")}


def test_every_file_of_a_package_is_named() -> None:
    """In the gateway's table; `...` and a description in words stand for the rest."""
    table = rows(section(ROOT / "docs/architecture.md", "gateway: one peer"))
    packages = {quoted(row[0])[0]: row[3] for row in table if quoted(row[0])[0].endswith("/")}

    assert len(packages) > 12
    for package, cell in packages.items():
        there = {path.name for path in (ROOT / "gateway" / package).glob("[!_]*.py")}
        named = set(quoted(cell))
        assert named <= there, package
        assert named == there or "..." in cell or not named, package


def test_where_to_change_what_leads_to_code_that_exists() -> None:
    """A row names a file, and a name that stands in it."""
    table = rows(section(ROOT / "docs/architecture.md", "Where to change what"))

    assert len(table) >= 25
    for change, file, name in table:
        path = ROOT / quoted(file)[0]
        assert path.is_file(), change
        assert re.search(rf"^\s*(?:class |(?:async )?def )?{quoted(name)[0]}\b", text_of(path), flags=re.M), change


def test_endpoints_are_those_of_the_code() -> None:
    pages = cast(Any, pages_app(cast(RunningPeer, None), cast(Watching, None)).routes)  # they read the peer when asked
    served = {f"{route.method} {route.path}" for route in pages if route.path not in page_files()}
    served |= {"GET /", "GET /page/{name}"}
    served |= {f"POST {path}" for path in [*ENDPOINT_PATHS, *OTHER_PATHS, *BODY_LIMITS_BYTES]}
    listed = {row[0].strip("`") for row in rows(section(ROOT / "docs/architecture.md", "Endpoints"))}

    assert {line.replace("{name:path}", "{name}") for line in served} == listed


def test_headers_are_those_of_the_code() -> None:
    """Every `x-...` name in the gateway's sources stands in one of the two tables, and the other way round."""
    literals = {
        node.value
        for source in (ROOT / "gateway").rglob("*.py")
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    in_code = {text for text in literals if re.fullmatch(r"x(-[a-z]+)+", text)} | {*EXPOSED_HEADERS.split(", ")}
    tables = rows(section(ROOT / "docs/architecture.md", "Headers"))
    in_tables = {name for row in tables for name in quoted(row[0])}

    assert in_code == {name for name in in_tables if not name.startswith(("retry-", "cache-"))}
    assert {name for name in in_tables if name.startswith(("retry-", "cache-"))} <= literals


def test_reasons_are_those_of_the_code() -> None:
    """Why somebody was not asked; `pinned_local` is shown as what pinned the request."""
    not_asked = rows(section(ROOT / "docs/why.md", "Why somebody was not asked"))
    reasons = rows(section(ROOT / "docs/why.md", "Reasons"))
    chosen = {name.partition(":")[0] for row in reasons for name in quoted(row[0])}

    assert {code.word for code in Excluded} - {"pinned_local"} == {quoted(row[0])[0] for row in not_asked}
    assert {"best", "topic", "unfamiliar", "local_idle", "only_candidate", "explored", "fallback", "none"} <= chosen


def test_the_table_of_what_travels_is_the_codes() -> None:
    """A row a class; tests/gateway/privacy/test_fields.py has a test for each field."""
    table = rows(section(ROOT / "docs/protocol.md", "Delegation"))
    fields = {row[0]: set(quoted(row[1])) for row in table if len(row) == 3}

    named = ("words", "form of the answer", "tools", "sampling", "length", "number of answers")
    assert travel.TRAVELS == set().union(*(fields[name] for name in named))
    assert travel.DROPPED == fields["identity"]
    of_engines = ("numbers", "switches", "words and lists", "schemas and patterns")
    trusted = set().union(*(fields[f"{name} of engines"] for name in of_engines))
    assert travel.TRUSTED_ONLY == trusted | fields["schema"] | fields["what a chat template is given"]
    assert travel.DEFAULTS.keys() == fields["defaults"]
    assert known.LENGTHS == fields["length"]
    said = section(ROOT / "docs/protocol.md", "Delegation")
    limits = (known.MAX_TOKENS_LIMIT, known.PROMPTS_LIMIT, known.INPUTS_LIMIT, sampling.NUMBER_LIMIT)
    limits += (sampling.BIASES_LIMIT, sampling.TEXTS_LIMIT, sampling.PATTERN_CHARS, sampling.KWARGS_LIMIT)
    assert all(f"{limit:,}" in said for limit in limits)


def test_the_tables_of_what_agents_send_are_the_codes() -> None:
    """As above; tests/gateway/privacy/test_agent_fields.py has a test for each field."""
    table = rows(section(ROOT / "docs/protocol.md", "Responses and Messages"))
    fields = {row[0]: set(quoted(row[1])) for row in table if len(row) == 3}

    responses = ("words", "form of the answer", "tools", "sampling", "length", "storing")
    messages = ("words", "form", "tools", "sampling", "length")
    assert agent_fields.RESPONSES == set().union(*(fields[name] for name in responses))
    assert agent_fields.MESSAGES == set().union(*(fields[f"{name} of messages"] for name in messages))
    assert agent_fields.AGENTS_DROPPED == fields["identity of agents"]


def test_the_glossary_names_code_that_exists() -> None:
    """`Name` (`room/file.py`): the file says that name."""
    pairs = re.findall(
        r"`([\w.]+)(?:\(\))?`(?:, `[\w.]+(?:\(\))?`)* \(`([\w/]+\.py)`\)", text_of(ROOT / "docs/glossary.md")
    )

    assert len(pairs) > 40
    for name, file in pairs:
        source = text_of(ROOT / file)
        for part in name.split("."):
            assert re.search(rf"^\s*(?:class |(?:async )?def )?{part}\b", source, flags=re.M), (
                f"{name} is not in {file}"
            )


def figures(text: str) -> set[str]:
    """Decimals as they are written, those of links and commands left out."""
    return set(re.findall(r"(?<![\w.])\d*\.\d+(?!\w|\.\d)", re.sub(r"\]\([^)]*\)|`[^`]*`", "", text)))


def blocks(text: str) -> list[str]:
    """Table rows, list items and paragraphs."""
    return [block for block in re.split(r"\n(?=[|\n]|- |#)", text) if block.strip()]


def is_backed(claim: str) -> bool:
    """Whether one section of the results has all of its figures, each beside a word of the claim or PPAI's name."""
    pages = [ROOT / "docs/results.md", *(ROOT / "docs/results").glob("*.md")]
    words = set(re.findall(r"[a-z]{5,}", claim.lower())) | {"ppai"}
    for part in (part for page in pages for part in re.split(r"^#+ ", text_of(page), flags=re.M)):
        beside = [block for block in blocks(part) if words & set(re.findall(r"[a-z]{5,}|ppai", block.lower()))]
        if figures(claim) <= set().union(*map(figures, beside)):
            return True
    return False


def test_figures_in_the_readme_stand_in_the_results() -> None:
    """Together, and said of the same thing; there each has its command. The demo's own are in its excerpt."""
    page = ROOT / "README.md"
    claims = [" ".join(row[:-1]) for row in rows(section(page, "How good is it"))]
    claims += blocks(section(page, "Limits").partition("- Tested")[0])
    with_figures = [claim for claim in claims if figures(claim)]

    assert len(with_figures) > 5
    assert [] == [claim for claim in with_figures if not is_backed(claim)]


@pytest.mark.parametrize(
    "claim",
    [
        "the best single model: 60.4 against 56.4 %",  # no such figure
        "the best single model: 60.4 against 72.2 %",  # one of another section
        "bananas: 58.9 %",  # one that is said of something else
    ],
)
def test_a_figure_that_is_only_somewhere_backs_nothing(claim: str) -> None:
    assert not is_backed(claim)


def test_the_changelog_has_the_present_version() -> None:
    version = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]["version"]

    assert f"## [{version}]" in text_of(ROOT / "CHANGELOG.md")
