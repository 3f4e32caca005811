"""The quick starts: what they tell programs is what a peer has. Their commands are run by e2e/test_start.py."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

START = Path(__file__).parent.parent / "docs" / "start.md"
V1 = "http://127.0.0.1:8470/v1"


def sections() -> dict[str, str]:
    """By title."""
    parts = re.split(r"^## (.+)$", START.read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(section: str) -> list[tuple[str, str, str]]:
    """(language, machine, text) of each fenced block."""
    return re.findall(r"^```(\w*) ?(\w*)\n(.*?)^```$", sections()[section], flags=re.M | re.S)


def commands(section: str) -> list[tuple[str, str]]:
    """(machine, command) of each line that is run on one."""
    return [(machine, line) for _, machine, text in blocks(section) if machine for line in text.splitlines()]


def test_each_section_asks_a_question_or_says_how_programs_do() -> None:
    assert ["Two laptops", "A box with a GPU, and laptops without", "You have Ollama", "A team on a VPN"] == [
        title for title in sections() if commands(title)
    ]


def test_from_an_installed_ppai_to_an_answer_of_another_peer_it_is_five_commands() -> None:
    assert 5 == len(commands("Two laptops"))


def test_every_address_that_a_program_is_given_is_the_peers() -> None:
    text = sections()["Your programs"]
    addresses = set(re.findall(r"http://127\.0\.0\.1[^\s`\"]*", text))

    assert {V1, V1.removesuffix("/v1")} == addresses


@pytest.mark.parametrize(("language", "reads"), [("yaml", yaml.safe_load), ("toml", tomllib.loads)])
def test_files_for_programs_can_be_read(language: str, reads: object) -> None:
    files = [reads(text) for found, _, text in blocks("Your programs") if found == language]  # type: ignore[operator]

    assert files
    assert all(V1 in str(file) for file in files)
