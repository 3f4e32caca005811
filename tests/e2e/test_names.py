"""Names that people mean, across real peers: spellings of a model, aliases with several, `models` in a request."""

import asyncio
import signal
from pathlib import Path

import pytest

from gateway.wire.text import header_text, read_header_text
from tests.e2e.network import Cluster

ALIASES = "routing: {aliases: {coder: [qwen3-coder-30b-a3b-instruct, qwen2.5-coder:7b-instruct, auto]}}\n"
BIG, SMALL, OTHER = "Qwen/Qwen3-Coder-30B-A3B-Instruct-AWQ", "qwen2.5-coder:7b-instruct-q4_K_M", "llama3.2:latest"


async def three(cluster: Cluster, tmp_path: Path) -> None:
    """Ada, who asks, serves the small coder; Ben the big one; Cleo none."""
    settings = tmp_path / "aliases.yaml"
    settings.write_text(ALIASES)
    await cluster.start("ada", "--config", str(settings), model=SMALL)
    await cluster.start("ben", "--seed", cluster.seed(), model=BIG)
    await cluster.start("cleo", "--seed", cluster.seed(), model=OTHER)
    await cluster.until_ready()


@pytest.mark.slow
async def test_a_model_is_found_by_any_of_its_names_and_listed_once(cluster: Cluster, tmp_path: Path) -> None:
    await three(cluster, tmp_path)

    answers = [
        await cluster.ask("ada", model=name) for name in ("llama3.2", "LLAMA-3.2", "qwen3-coder:30b-a3b-instruct")
    ]
    status, _, unknown = await cluster.ask("ada", model="llama3.3")
    listed = (await cluster.get("ada", "/v1/models"))["data"]
    found = await cluster.get("ada", "/v1/models/llama3.2")

    assert [("cleo", OTHER)] * 2 + [("ben", BIG)] == [(h["x-ppai-peer"], h["x-ppai-model"]) for _, h, _ in answers]
    assert ["llama3.2", "LLAMA-3.2"] == [answer["model"] for _, _, answer in answers[:2]]
    assert (404, True) == (status, f"`{OTHER}`" in unknown["error"]["message"])
    assert sorted([BIG, SMALL, OTHER]) == sorted(entry["id"] for entry in listed if entry["ppai"]["kind"] == "model")
    assert (OTHER, ["cleo"]) == (found["id"], found["ppai"]["peers"])


@pytest.mark.slow
async def test_an_alias_of_several_models_goes_down_its_list_as_their_peers_fall_out(
    cluster: Cluster, tmp_path: Path
) -> None:
    """A broken engine, then a peer that is killed; the last word of the list is anyone."""
    await three(cluster, tmp_path)
    ben, ada = cluster.engines["ben"], cluster.engines["ada"]

    first = await cluster.ask("ada", model="coder")
    ben.status = 500
    second = await cluster.ask("ada", model="coder")
    ada.status = 500
    third = await cluster.ask("ada", model="coder")
    ben.status = ada.status = 200
    await asyncio.to_thread(cluster.peers["ben"].stop, signal.SIGKILL)
    await cluster.until(
        lambda seen: any(p["name"] == "ben" and p["state"] != "alive" for p in seen["ada"]), timeout_s=15
    )
    by_request = await cluster.ask("ada", model=None, models=["qwen3-coder-30b-a3b-instruct", "llama3.2"])

    answers = (first, second, third, by_request)
    assert ["ben", "ada", "cleo", "cleo"] == [headers["x-ppai-peer"] for _, headers, _ in answers]
    assert ["coder", "coder", "coder", OTHER] == [answer["model"] for _, _, answer in answers]
    assert not any("models" in body for body in cluster.engines["cleo"].asked)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "kept"),
    [("工作站 👩 é", "工作站 👩 é"), ("a\x1b[2Jd\u202ea\n" + "x" * 99, "a[2Jda" + "x" * 58)],
)
async def test_a_name_of_any_letters_is_shown_everywhere_without_what_steers_a_terminal(
    cluster: Cluster, given: str, kept: str
) -> None:
    """To its owner, in the header of an answer, to another peer, and to who asks for it by that name."""
    ada = await cluster.start("ada", "--name", given)
    await cluster.start("ben", "--seed", cluster.seed())
    await cluster.until_ready()

    _, headers, _ = await cluster.ask("ada", model="auto", headers={"x-ppai-route": "local"})
    _, asked, _ = await cluster.ask("ben", model="auto", headers={"x-ppai-route": header_text(kept)})
    (seen,) = await cluster.get("ben", "/ppai/v1/peers")

    assert [True, True] == [kept in read_header_text(answer["x-ppai-peer"]) for answer in (headers, asked)]
    assert (kept, kept) == (seen["name"], (await cluster.get("ada", "/ppai/v1/status"))["name"])
    assert "\x1b" not in ada.output
    assert (given != kept) == (f"the name is `{kept}`" in ada.output)
