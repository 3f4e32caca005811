"""Personal agents as files: agents/NAME.yaml in the home, read as strictly as the configuration.

A file that cannot be used is said with its remedy, and the others are read. Until it is repaired its agent is not
there: an older version of it might be open to peers that the owner has just shut out.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from discovery.private_files import OpenToOthers, write_private
from gateway.agent.owned.consent import WORDS
from gateway.agent.settings import AgentSettings
from gateway.strict import ConfigError, Reader, parse_tree, read_tree

AGENTS_LIMIT = 64  # files that are read
TOPICS_LIMIT, TOPIC_CHARS = 16, 96  # sentences that say what an agent is for (docs/protocol.md)
SUFFIX = ".yaml"
_WHAT = ("agent", "those that `ppai agent init` writes")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RESERVED = frozenset({"auto", "local"})
_USE = re.compile(r"(?m)^use\s*:.*\n(?:[ \t]+.*\n|-.*\n)*")
Stamp = tuple[tuple[str, int, int], ...]  # of all files: name, time of change in ns, bytes


class AgentFileError(Exception):
    """An agent's file cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Read:
    """What lies in agents/: settings by the agent's name, and what is wrong with the other files, by theirs."""

    settings: dict[str, AgentSettings] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def read_all(folder: Path) -> Read:
    """Every agent of the folder. A folder that is not there holds none."""
    found = Read()
    for number, path in enumerate(files_in(folder)):
        if number == AGENTS_LIMIT:
            found.problems[path.stem] = f"{folder} holds more than {AGENTS_LIMIT} agents: move some of them elsewhere"
            break
        try:
            found.settings[path.stem] = read_agent(path)
        except (AgentFileError, ConfigError, OpenToOthers) as error:
            found.problems[path.stem] = str(error)
    return found


def read_agent(path: Path) -> AgentSettings:
    """One agent. Raises AgentFileError, ConfigError, OpenToOthers."""
    check_name(path.stem, str(path))
    return _checked(read_tree(path, *_WHAT), path)


def _checked(tree: Mapping[str, Any], path: Path) -> AgentSettings:
    settings: AgentSettings = Reader(AgentSettings, str(path), "ppai agent init").build(tree)
    for key, problem in _problems(settings, path):
        raise AgentFileError(f"{path}: `{key}`: {problem}")
    return settings


def check_name(name: str, where: str) -> None:
    """Raises AgentFileError where no agent can be called so."""
    if not _NAME.fullmatch(name):
        raise AgentFileError(
            f"{where}: an agent's name has at most 64 letters, digits, `.`, `_` and `-`, and begins with a letter or"
            " digit: rename the file"
        )
    if name.lower() in _RESERVED:
        raise AgentFileError(f"{where}: `{name}` means something else where models are named: rename the file")


def files_in(folder: Path) -> list[Path]:
    """Paths of the agents' files, by name; an editor's own files, which begin with a dot, are none."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX and not path.name.startswith("."))
    except OSError:
        return []


def stamp_of(folder: Path) -> Stamp:
    """What is another whenever a file is added, changed or taken away."""

    def stamps() -> Iterator[tuple[str, int, int]]:
        for path in files_in(folder):
            try:
                found = path.stat()
            except OSError:
                continue
            yield path.name, found.st_mtime_ns, found.st_size

    return tuple(stamps())


def share(path: Path, use: tuple[str, ...]) -> None:
    """Write who may use an agent into its file, whose other lines and comments stay.

    Raises AgentFileError, ConfigError, OpenToOthers, OSError.
    """
    read_agent(path)
    before = path.read_text(encoding="utf-8")
    before += "" if before.endswith("\n") or not before else "\n"
    line = f"use: {yaml.safe_dump(list(use), default_flow_style=True, width=10_000).strip()}\n"
    after, count = _USE.subn(lambda _: line, before)
    if count > 1:
        raise AgentFileError(f"{path} says `use` {count} times: leave one of them")
    content = (after if count else before + line).encode()
    try:
        changed = _checked(parse_tree(content, path, *_WHAT), path)
    except ConfigError:
        changed = None
    if changed is None or changed.use != use:
        raise AgentFileError(f"{path}: `use` could not be changed in place: write `{line.strip()}` there by hand")
    write_private(path, content)


def _place(written: str) -> Path | None:
    """A path as its owner wrote it; None where nobody is called as it says behind ~."""
    try:
        return Path(written).expanduser()
    except RuntimeError:
        return None


def _problems(settings: AgentSettings, path: Path) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with its value), of what types do not say."""
    if len(settings.topics) > TOPICS_LIMIT:
        yield "topics", f"{len(settings.topics)} sentences: at most {TOPICS_LIMIT} are told to others"
    for topic in settings.topics:
        if len(topic) > TOPIC_CHARS or not topic.isprintable():
            yield "topics", f"a sentence has at most {TOPIC_CHARS} printable characters: shorten `{topic[:40]}...`"
    words = [word for word in settings.use if word in WORDS]
    if not settings.use:
        yield "use", f"nobody: write `me`, or who else may use it: {', '.join([*WORDS][1:])}, or peers by name or id"
    if words and len(settings.use) > 1:
        yield "use", f"`{words[0]}` stands alone: {WORDS[words[0]]}"
    for folder in settings.knowledge.folders:
        if (place := _place(folder)) is None or not place.is_absolute():
            yield "knowledge.folders", f"`{folder}` is no absolute path: begin it with / or ~"
    if settings.questions:
        asked = _place(settings.questions)
        if asked is None or not (path.parent / asked).is_file():
            yield "questions", f"there is no file {path.parent / (asked or settings.questions)}"
    names = [tool.name for tool in settings.tools]
    for tool in settings.tools:
        if bool(tool.command) == bool(tool.url):
            yield "tools", f"`{tool.name}` needs either `command`, a program, or `url`, an address"
        if not _NAME.fullmatch(tool.name) or names.count(tool.name) > 1:
            yield "tools", f"`{tool.name}`: each has a name of its own, of letters, digits, `.`, `_` and `-`"
    if "documents" in settings.builtin and not settings.knowledge.folders:
        yield "builtin", "`documents` searches the agent's own documents: name `knowledge.folders`, or leave it out"
