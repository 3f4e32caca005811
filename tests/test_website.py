"""The site of mkdocs.yml: it builds, its links lead somewhere, it loads nothing from elsewhere."""

import re
import runpy
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from gateway import cli

ROOT = Path(__file__).parent.parent
WEBSITE = runpy.run_path(str(ROOT / "docs/website.py"))
THERE = {"index.md", "security.md", "architecture.md", "results/gateway.md", "pictures/load.png"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder)))
    return folder


def test_the_site_builds_and_loads_nothing_from_elsewhere(site: Path) -> None:
    """Its own links are checked by the build, which is strict: pages and anchors."""
    loads = re.compile(
        r"<(?:script|img|iframe|source)[^>]*\ssrc=\"(https?:)?//|<link[^>]*href=\"(https?:)?//|@import|url\(.?https?:"
    )
    pages = [*site.rglob("*.html")]

    assert {"index.html", "start.html", "why.html", "faq.html", "commands.html"} <= {page.name for page in pages}
    assert not [file for file in (*pages, *site.rglob("*.css")) if loads.search(file.read_text(encoding="utf-8"))]
    assert not [*site.rglob("*.py")]
    assert not [page for page in pages if "```" in page.read_text(encoding="utf-8")], "a block is none in the site"


def test_every_command_is_in_the_site_with_its_help(site: Path) -> None:
    page = (site / "commands.html").read_text(encoding="utf-8")
    command: Any = typer.main.get_command(cli.app)
    names = [f"ppai {name}" for name, one in command.commands.items() if not one.hidden]

    assert 25 < len(names)
    assert not [name for name in names if f">{name}<" not in page]
    with click.Context(command.commands["serve"], info_name="ppai serve"):
        assert "--engine" in page


def test_a_page_that_nobody_put_into_the_menu_stands_at_its_end() -> None:
    config: Any = load_config(str(ROOT / "mkdocs.yml"))
    config.nav = [{"Start": "index.md"}, {"How good it is": [{"Gateway": "results/gateway.md"}]}]

    further = WEBSITE["on_config"](config).nav[-1]["Further"]

    assert "results/agents.md" in further
    assert {"index.md", "results/gateway.md"}.isdisjoint(further)


@pytest.mark.parametrize("link", ["[words](nowhere.md)", "[words](index.md#nowhere)"])
def test_a_link_to_nowhere_fails_the_build(link: str, tmp_path: Path) -> None:
    """By the settings of the real one."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Title\n\n{link}\n")
    settings = re.sub(r"^(hooks|nav):.*?(?=^\w|\Z)", "", (ROOT / "mkdocs.yml").read_text(), flags=re.M | re.S)
    (tmp_path / "mkdocs.yml").write_text(settings)

    with pytest.raises(Abort):
        build(load_config(str(tmp_path / "mkdocs.yml"), site_dir=str(tmp_path / "site")))


@pytest.mark.parametrize(
    ("page", "link", "fitted"),
    [
        ("index.md", "[a](docs/architecture.md#x)", "[a](architecture.md#x)"),
        ("index.md", "[a](docs/pictures/load.png)", "[a](pictures/load.png)"),
        ("architecture.md", "[a](../README.md#limits)", "[a](index.md#limits)"),
        ("results/gateway.md", "[a](../../SECURITY.md)", "[a](../security.md)"),
        ("results/gateway.md", "[a](../architecture.md)", "[a](../architecture.md)"),
        ("index.md", "[a `b`](benchmarks/sample/README.md)", "a `b`"),
        ("architecture.md", "[a](https://example.org/x.md)", "[a](https://example.org/x.md)"),
    ],
)
def test_links_fit_where_a_page_stands_in_the_site(page: str, link: str, fitted: str) -> None:
    found = WEBSITE["_LINK"].sub(lambda found: WEBSITE["fitted"](found, page, THERE), link)

    assert fitted == found
