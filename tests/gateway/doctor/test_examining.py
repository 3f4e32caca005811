"""All checks together: of a home, with settings that are valid or not, with a peer that runs, hangs or is not there."""

import datetime
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config
from gateway.doctor.examining import Running, examine
from gateway.doctor.finding import Finding
from gateway.engines.local import EngineConfig
from gateway.home.folder import Home
from gateway.peering.listener import PeerConfig
from gateway.peering.network import NetworkConfig
from tests.gateway.doctor.test_engines import ENGINE
from tests.gateway.doctor.test_network import BEN, NETWORK

NOW = datetime.datetime.now(datetime.UTC)
ALONE = replace(
    Config(), engine=EngineConfig("none"), network=NetworkConfig(mdns=False), peer=PeerConfig("127.0.0.1", 0)
)
STATUS: dict[str, Any] = {
    "version": "0.1.0", "missing": [], "network": NETWORK, "engines": [ENGINE],
    "gate": {"problem": None, "lacking": None, "space": "s1"},
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PPAI_WEIGHTS", str(tmp_path / "none"))
    return Home(tmp_path / "home")


def found(home: Home, settings: Config | str, peer: Running | str | None = None) -> dict[str, Finding]:
    return {one.id: one for one in examine(home, settings, peer, NOW)}


def running(asked: list[Mapping[str, object]], problem: str = "", **changed: object) -> Running:
    def ask(body: Mapping[str, object]) -> str:
        asked.append(body)
        return problem

    status = {**STATUS, "network": {**NETWORK, "addresses": ["127.0.0.1:9"]}, **changed}
    return Running("http://127.0.0.1:1", status, [BEN], ask)


def failed(told: Mapping[str, Finding]) -> list[str]:
    return [name for name, one in told.items() if one.ok is False]


def test_a_home_that_is_not_there_yet_has_no_fault(home: Home) -> None:
    assert [] == failed(found(home, ALONE))


def test_settings_that_are_not_valid_are_told_and_the_rest_is_looked_at(home: Home) -> None:
    told = found(home, "`network.seeds`: `x` is not HOST:PORT")

    assert ["config"] == failed(told)
    assert "network.seeds" in told["config"].remedy
    assert {"home", "disk", "identity", "engine-found"} <= set(told)


def test_a_weak_secret_is_told(home: Home) -> None:
    weak = replace(ALONE, network=NetworkConfig(mdns=False, secret="aaaaaaaaaaaaaaaaaaaa"))

    assert ["secret"] == failed(found(home, weak))


def test_a_peer_that_does_not_answer_is_told_and_its_ports_are_not_called_taken(home: Home) -> None:
    told = found(home, ALONE, "the peer at http://127.0.0.1:1 does not answer; restart it: ppai serve")

    assert ["peer"] == failed(told)
    assert "port-client" not in told


def test_a_running_peer_is_asked_for_a_token_and_believed(home: Home) -> None:
    asked: list[Mapping[str, object]] = []
    told = found(home, ALONE, running(asked))
    broken = found(home, ALONE, running([], "it answered 500", missing=["no engine answers"]))

    assert [] == failed(told)
    assert [("m", 1)] == [(body["model"], body["max_tokens"]) for body in asked]
    assert told["port-peer"].ok is None  # nobody listens at what others are told, as through some routers
    assert {"peer", "engine-token"} == set(failed(broken))


def test_a_running_peer_whose_settings_are_broken_by_now_is_looked_at(home: Home) -> None:
    assert ["config"] == failed(found(home, "config.yaml is no YAML", running([])))


@pytest.mark.parametrize(("there", "ok"), [(2, True), (1, False)])
def test_workers_that_are_not_there_are_told(home: Home, there: int, ok: bool) -> None:
    told = found(home, ALONE, running([], workers={"wanted": 2, "running": there, "ended": 3}))

    assert (ok, f"{there} of 2") == (told["workers"].ok, told["workers"].said[:6])
    assert "workers" not in found(home, ALONE, running([]))
