"""A peer tells how it is: alive, ready, its metrics, its peers."""

import json
from pathlib import Path

from gateway.client.status import KEY_TELLS
from gateway.engines.engine_state import EngineState
from tests.gateway.client.site import GATE, Site, opened
from tests.peers import party


async def test_alive_is_not_ready(site: Site) -> None:
    assert (200, {"status": "ok"}) == await site.get("/health")
    assert (200, {"ready": True, "missing": []}) == await site.get("/ready")

    site.node.serve([])
    site.engine.state = EngineState("no engine yet")

    assert (503, {"ready": False, "missing": ["no engine yet"]}) == await site.get("/ready")
    assert (200, {"status": "ok"}) == await site.get("/health")


async def test_a_stranger_hears_whether_we_are_ready_and_not_what_is_missing(tmp_path: Path) -> None:
    """Where keys are asked for, a monitor needs none; addresses of engines are not for everybody."""
    async with opened(tmp_path, as_stranger=True) as site:
        assert (200, {"ready": True, "missing": []}) == await site.get("/ready")
        site.node.serve([])
        site.engine.state = EngineState("the engine at http://10.0.0.7:8000 does not answer")

        assert (503, {"ready": False, "missing": [KEY_TELLS]}) == await site.get("/ready")


async def test_status_tells_who_this_is_and_what_is_missing(site: Site, tmp_path: Path) -> None:
    async with party(tmp_path / "ben") as ben:
        site.network.gossip.learn([ben.gossip.own_card()], 0.0)
        _, status = await site.get("/ppai/v1/status")

    assert (site.network.identity.id, "ada", "http://127.0.0.1:8470") == (status["id"], status["name"], status["url"])
    assert ("tofu", ["127.0.0.1:8471"], ["ben"]) == tuple(
        status["network"][k] for k in ("admission", "addresses", "waiting")
    )
    assert (GATE.space, GATE.K) == (status["gate"]["space"], status["gate"]["prototypes"])
    assert ("ppai", [False]) == (status["network"]["name"], [model["profiled"] for model in status["engine"]["models"]])
    assert ([], 1) == (status["missing"], len(status["say"]))
    assert "ppai approve" in status["say"][0]
    assert "tok" not in json.dumps(status).split()


async def test_peers_are_shown_with_rights_and_reasons(site: Site, tmp_path: Path) -> None:
    async with party(tmp_path / "ben") as ben:
        site.network.gossip.learn([ben.gossip.own_card()], 0.0)
        site.network.transport.endpoint.note_refusal(ben.id, "cleo", "another secret")
        _, (row,) = await site.get("/ppai/v1/peers")
        _, status = await site.get("/ppai/v1/status")

    expected = {"id": ben.id, "name": "ben", "rights": [], "agents": [], "running": None, "age_s": None, "slots": 0}
    assert expected.items() <= row.items()
    assert ("suspect", "no pulse yet", None) == (row["state"], row["reason"], row["path"])
    assert [{"id": ben.id, "name": "cleo", "why": "another secret"}] == status["network"]["refused"]
