"""The files of the page: what they are served with, and what they may not hold."""

import re

import pytest

from gateway.cli.pages import REASONS, WHY_NOT
from gateway.client.page.files import FOLDER, PLACE, POLICY, is_page, page_files
from gateway.routing.candidates import Excluded

FILES = page_files()
SCRIPTS = sorted(path for path in FILES if path.endswith(".js"))


def test_the_policy_lets_nothing_run_that_is_not_a_file_of_ours() -> None:
    rules = dict(rule.strip().split(" ", 1) for rule in POLICY.split(";"))

    assert "'none'" == rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"]
    assert "'self'" == rules["script-src"] == rules["style-src"] == rules["connect-src"]
    assert "'script'" == rules["require-trusted-types-for"]
    assert not re.search(r"unsafe|\*|https?:", POLICY)


def test_a_file_that_a_browser_has_is_not_sent_again() -> None:
    page = FILES["/"]

    asked = (page.tag, f"W/{page.tag}", f'"other", {page.tag}', '"other"', "", "*")
    assert [True, True, True, False, False, False] == [page.is_known(it) for it in asked]


def test_the_tag_is_the_content_s() -> None:
    assert FILES["/"].tag == FILES[f"{PLACE}index.html"].tag
    assert len({file.tag for file in FILES.values()}) == len({file.content for file in FILES.values()})


def test_every_file_of_the_folder_is_served() -> None:
    assert {PLACE + file.name for file in FOLDER.iterdir()} == FILES.keys() - {"/"}
    assert all(map(is_page, FILES))
    assert not any(map(is_page, ("/pages", "/v1/models", "/ppai/v1/page/ticket", "")))


def test_the_page_has_no_code_or_style_of_its_own_and_nothing_from_elsewhere() -> None:
    page = FILES["/"].content.decode()

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=", page)
    assert all(place.startswith((PLACE, "#", "data:,")) for place in re.findall(r'(?:src|href)="([^"]*)"', page))


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_script_makes_markup_or_code_of_text(script: str) -> None:
    """So that a peer may be called `<img onerror=...>`; and none loads from elsewhere, or keeps what a person types."""
    text = FILES[script].content.decode()

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert set(re.findall(r"localStorage\.\w+\(\"([^\"]*)", text)) <= {"ppai-theme"}
    assert all(it.startswith("./") for it in re.findall(r'(?:from|import) "([^"]+)"', text))
    assert set(re.findall(r"https?://[^\s\"'`]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_the_page_and_the_commands_say_each_reason_in_words() -> None:
    """Else a person reads a code on the one that the other explains."""
    source = (FOLDER / "words.js").read_text(encoding="utf-8")

    def keys(table: str) -> set[str]:
        body = source.split(f"const {table} = {{")[1].split("\n};")[0]
        return {key.partition(":")[0] for key in re.findall(r'^  "?([\w:]+)"?:', body, re.MULTILINE)}

    by_rule = {"pinned_local", "field"}  # shown with the field or the rule that keeps it
    codes = {code.word for code in Excluded} - by_rule
    assert codes <= keys("EXCLUDED") and codes <= WHY_NOT.keys()
    assert set(REASONS) - {"field", "privacy"} <= keys("REASONS") and keys("REASONS") - {"none"} <= set(REASONS)
