"""Keys are made, listed and withdrawn for a home, whether a peer serves from it or not."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import typer

from gateway.cli.keys import key_add, key_list, key_remove
from gateway.client.api_keys import ApiKeyError, ApiKeys
from gateway.home.folder import Home, HomeError


def test_a_key_is_printed_alone_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a home that the command makes."""
    home = Home(tmp_path / "new")

    key_add("phone", home=home.path)

    out, err = capsys.readouterr()
    assert ApiKeys(home.api_keys_file).name_of(out.strip())
    assert "`phone`" in err
    assert out.strip() not in err


def test_names_are_listed_and_a_withdrawn_one_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("phone", "laptop"):
        key_add(name, home=tmp_path)
    key_remove("phone", home=tmp_path)
    capsys.readouterr()

    key_list(home=tmp_path)
    key_list(home=tmp_path, as_json=True)

    plain, listed = capsys.readouterr().out.splitlines()
    assert ("laptop", ["laptop"]) == (plain, json.loads(listed))


def test_keys_made_at_once_all_count(tmp_path: Path) -> None:
    """Each command reads the file, and writes it with one key more."""
    names = {f"key-{n}" for n in range(8)}

    with ThreadPoolExecutor(8) as commands:
        list(commands.map(lambda name: key_add(name, home=tmp_path), names))

    assert names == set(ApiKeys(Home(tmp_path).api_keys_file).names)


def test_without_keys_it_is_said_who_may_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key_list(home=tmp_path)

    out, err = capsys.readouterr()
    assert ("", True) == (out, "ppai key add NAME" in err)


def test_an_unknown_name_and_a_home_that_cannot_be_made_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ApiKeyError, match="`tablet` has no key"):
        key_remove("tablet", home=tmp_path)
    with pytest.raises(HomeError, match="--home DIR or PPAI_HOME"):
        key_add("phone", home=tmp_path / "file" / "home")


def test_a_key_is_for_somebody(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="empty"):
        key_add(" ", home=tmp_path)

    assert [] == list(tmp_path.iterdir())
