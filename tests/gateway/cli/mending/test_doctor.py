"""`ppai doctor`: lines for people, a list for programs, a zip for whoever helps; and exit 1 where a check fails."""

import json
import zipfile
from pathlib import Path

import pytest
import typer

from gateway.cli.mending.doctor import doctor
from gateway.home.folder import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Of a peer that was never started, without engine and network."""
    for name, value in {"ENGINE_URL": "none", "NETWORK_MDNS": "false", "CLIENT_PORT": "0", "PEER_PORT": "0"}.items():
        monkeypatch.setenv(f"PPAI_{name}", value)
    monkeypatch.setenv("PPAI_WEIGHTS", str(tmp_path / "none"))
    return Home(tmp_path / "home")


def test_each_check_is_one_line(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    doctor(home=home.path)

    out, err = capsys.readouterr()
    assert "ok    disk  " in out
    assert "-     peer  no peer runs from this home; remedy: ppai serve\n" in out
    assert f"none of {len(out.splitlines())} checks failed\n" == err


def test_programs_get_a_list_and_exit_1_where_one_fails(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.prepare()
    home.config_file.write_text("engin:\n  url: none\n", encoding="utf-8")

    with pytest.raises(typer.Exit) as ended:
        doctor(home=home.path, as_json=True)

    found = json.loads(capsys.readouterr().out)
    assert 1 == ended.value.exit_code
    assert {("id", "ok", "said", "remedy")} == {tuple(one) for one in found}
    assert ["config"] == [one["id"] for one in found if one["ok"] is False]


def test_the_zip_is_listed_before_it_is_written_and_replaces_nothing(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found.zip"
    doctor(home=home.path, bundle=file)

    err = capsys.readouterr().err
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        texts = [archive.read(name).decode() for name in names]
    assert ["findings.json", "versions.json", "settings.json"] == names
    assert all(name in err.partition("wrote")[0] for name in names)
    assert str(home.path) not in "".join(texts)
    assert 0o600 == file.stat().st_mode & 0o777
    with pytest.raises(typer.BadParameter, match="there already"):
        doctor(home=home.path, bundle=file)
