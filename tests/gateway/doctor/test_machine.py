"""Homes, disks, keys, weights and ports that are broken: each is named by its check, with what mends it."""

import datetime
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from discovery.identity import Identity
from gateway.doctor.finding import Finding
from gateway.doctor.machine import home_findings, identity_findings, port_finding, weights_findings
from gateway.home.folder import Home

NOW = datetime.datetime.now(datetime.UTC)
YEARS = datetime.timedelta(days=800)


def examined(home: Home, now: datetime.datetime = NOW) -> list[Finding]:
    return [*home_findings(home), *identity_findings(home, now), *weights_findings(home)]


def failed(found: list[Finding]) -> list[Finding]:
    return [one for one in found if one.ok is False]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home from which a peer has served."""
    monkeypatch.setenv("PPAI_WEIGHTS", str(tmp_path / "weights"))
    place = Home(tmp_path / "home")
    place.prepare()
    Identity.load_or_create(place.path)
    return place


def test_a_home_that_has_served_is_fine_and_stays_as_it_is(home: Home) -> None:
    before = {path: path.read_bytes() for path in home.path.iterdir()}

    assert [] == failed(examined(home))
    assert before == {path: path.read_bytes() for path in home.path.iterdir()}


def test_no_home_is_no_fault_and_none_is_made(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")

    assert [] == failed(examined(home))
    assert not home.path.exists()


def half_weights(home: Home) -> None:
    (home.weights / "smollm2").mkdir(parents=True)


@pytest.mark.parametrize(
    ("check", "break_it", "remedy"),
    [
        ("home", lambda home: home.path.chmod(0o777), "chmod go-w"),
        ("home", lambda home: (shutil.rmtree(home.path), home.path.touch()), "--home DIR"),
        ("identity", lambda home: (home.path / "identity.key").chmod(0o644), "chmod 600"),
        ("identity", lambda home: (home.path / "identity.key").write_bytes(b"\0"), "backup"),
        ("identity", lambda home: (home.path / "tls.key").chmod(0o640), "chmod 600"),
        ("identity", lambda home: (home.path / "tls.crt").write_bytes(b"\0"), "Move it away"),
        ("weights-smollm2", half_weights, "ppai pull smollm2"),
    ],
)
def test_what_is_broken_is_named_and_nothing_else(
    home: Home, check: str, break_it: Callable[[Home], object], remedy: str
) -> None:
    break_it(home)

    (found,) = failed(examined(home))

    assert check == found.id
    assert remedy in found.remedy


@pytest.mark.parametrize(("now", "remedy"), [(NOW + YEARS, "start the peer anew"), (NOW - YEARS, "set the clock")])
def test_a_certificate_that_does_not_hold_now_is_named(home: Home, now: datetime.datetime, remedy: str) -> None:
    (found,) = failed(examined(home, now))

    assert ("certificate", True) == (found.id, remedy in found.remedy)


def test_a_full_disk_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))

    assert ["disk"] == [one.id for one in failed(examined(home))]


def test_a_port_that_is_taken_is_told_with_who_holds_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = port_finding("port-peer", "127.0.0.1", port, "--peer-port")
    free = port_finding("port-peer", "127.0.0.1", port, "--peer-port")

    assert (False, True) == (found.ok, free.ok)
    assert f"process {os.getpid()}" in found.said
    assert "--peer-port N" in found.remedy


def test_an_address_that_is_not_ours_is_told() -> None:
    assert port_finding("port-client", "192.0.2.1", 8470, "--port").ok is False
    assert port_finding("port-client", "127.0.0.1", 0, "--port").ok is True
