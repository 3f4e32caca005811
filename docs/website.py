"""What mkdocs.yml adds to the pages of this folder: those of the root, every command's --help, and links that fit.

mkdocs calls the functions that begin with `on_`. A link to a file that is no page of the site becomes its words alone.
"""

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import typer

ROOT = Path(__file__).parent.parent
OF_ROOT = {
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
_MACHINE = re.compile(r"^(```\w+) \w+$", re.M)
_FENCE = re.compile(r"(^```.*?^```$)", re.M | re.S)


def on_config(config: Any) -> Any:
    """Headings have the anchors that GitHub gives them: the pages link to each other there, too.

    A page that mkdocs.yml does not name stands at the end of the menu.
    """
    config.mdx_configs.setdefault("toc", {})["slugify"] = slug
    docs = Path(config.docs_dir)
    rest = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")} - set(_named(config.nav))
    if rest:
        config.nav.append({"Further": sorted(rest)})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that lie elsewhere, or nowhere."""
    from mkdocs.structure.files import File

    for page, name in OF_ROOT.items():
        files.append(File.generated(config, name, content=(ROOT / page).read_text(encoding="utf-8")))
    files.append(File.generated(config, "commands.md", content=commands()))
    return files


def on_page_markdown(markdown: str, page: Any, files: Any, **others: Any) -> str:
    """Links as the site has them, and blocks without the machine that stands behind their language (start.md)."""
    there = {file.src_uri for file in files}
    parts = _FENCE.split(_MACHINE.sub(r"\1", markdown))
    parts[::2] = [_LINK.sub(lambda link: fitted(link, page.file.src_uri, there), part) for part in parts[::2]]
    return "".join(parts)


def fitted(link: "re.Match[str]", page: str, there: set[str]) -> str:
    """One link of a page as the site has it; its words alone where the site has not what it leads to."""
    words, to, anchor = link[1], link[2], link[3] or ""
    in_repository = {name: path for path, name in OF_ROOT.items()}.get(page, f"docs/{page}")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(in_repository), to))
    name = OF_ROOT.get(path, path.removeprefix("docs/"))
    if name not in there:
        return words
    return f"[{words}]({posixpath.relpath(name, posixpath.dirname(page) or '.')}{anchor})"


def slug(title: str, separator: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", separator)


def commands() -> str:
    """Every command of `ppai` and `ppai-profile` with what its --help says."""
    os.environ["COLUMNS"] = "100"
    import gateway.cli
    import profiler.cli

    lines = ["# Commands", "", "What `--help` says of each, from the code of this version.", ""]
    for name, app in (("ppai", gateway.cli.app), ("ppai-profile", profiler.cli.app)):
        for path, command in _tree(typer.main.get_command(app), name):
            with click.Context(command, info_name=path, terminal_width=100, max_content_width=100) as context:
                lines += [f"## {path}", "", "```text", command.get_help(context).rstrip(), "```", ""]
    return "\n".join(lines)


def _named(nav: Any) -> Iterator[str]:
    """Every page in a menu."""
    if isinstance(nav, str):
        yield nav
    else:
        for below in nav.values() if isinstance(nav, dict) else nav:
            yield from _named(below)


def _tree(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from _tree(below, f"{path} {name}")
