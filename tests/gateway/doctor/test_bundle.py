"""What may be posted tells nothing of who, where and what was asked."""

import io
import zipfile
from dataclasses import replace

import pytest

from gateway.config import Config, groups
from gateway.doctor.bundle import bare, files_of, names_in, scrubbed, zipped
from gateway.doctor.finding import Finding
from gateway.engines.engine_state import ModelFacts
from gateway.engines.local import EngineConfig
from gateway.peering.network import NetworkConfig
from gateway.strict import leaf_paths

ID = "abcdefgh234567" * 3 + "abcdefgh23"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("no answer at 203.0.113.9:8471, 10.0.0.3", "no answer at <the internet>:8471, <a private network>"),
        ("at [fd00::17]:8471 and fe80::1%eth0", "at [<a private network>]:8471 and <one link alone>"),
        ("the engine at http://gpu.corp.example:8000/v1", "the engine at http://<host>:8000/v1"),
        ("chmod 600 /home/al/.ppai/identity.key", "chmod 600 <path>"),
        (f"{ID} is kept out", "<id> is kept out"),
        ("ben's peer and ben run", "<name>'s peer and <name> run"),
        ("'living room' is away; `secretword` and `gpu.corp`", "<value> is away; <value> and <value>"),
        ("run `ppai pull smollm2`, see `network.advertise`", "run `ppai pull smollm2`, see `network.advertise`"),
        ("see `gpu.corp` and `printer.local`", "see <value> and <value>"),
        ("run `ppai approve ID` there", "run `ppai approve ID` there"),
        ("run `ppai serve --engine URL`: none", "run `ppai serve --engine URL`: none"),
        ("PPAI 0.1.0 at 14:05:09", "PPAI 0.1.0 at 14:05:09"),
    ],
)
def test_a_sentence_keeps_what_is_no_secret(said: str, left: str) -> None:
    assert left == scrubbed(said, {"ben", "ppai", "none", ""}, groups())


@pytest.mark.parametrize("path", [path for path in leaf_paths(Config) if "." in path])
def test_every_key_of_the_settings_stays_in_words(path: str) -> None:
    assert f"see `{path}`" == scrubbed(f"see `{path}`", (), groups())


def test_no_text_of_people_is_in_the_file() -> None:
    """Neither of settings, nor of pages, nor of a field that nobody thought of; numbers and switches are."""
    engine = EngineConfig(
        "http://u:hush@gpu.hush.example", api_key="hush", models={"hush": ModelFacts(context_tokens=9)}
    )
    settings = replace(Config(name="hush"), engine=engine, network=NetworkConfig(secret="hush", seeds=("hush:1",)))
    status = {"name": "hush", "uptime_s": 7, "engine": {"family": "vllm", "models": [{"id": "hush/m"}]}, "new": "hush"}
    found = [Finding("peer", False, "hush is away, at 198.51.100.7", "ask hush")]
    pages = {"settings": settings, "status": status, "peers": [{"name": "hush", "state": "alive", "rights": ["ask"]}]}

    packed = zipped(files_of(found, pages, names_in(pages.values()), groups()))

    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert ["findings.json", "settings.json", "status.json", "peers.json"] == list(texts)
    assert not [name for name, text in texts.items() if "hush" in text or "198.51" in text]
    assert '"context_tokens": 9' in texts["settings.json"]
    assert ('"uptime_s": 7' in texts["status.json"], '"vllm"' in texts["status.json"]) == (True, True)
    assert '"ask"' in texts["peers.json"]


def test_a_word_of_ours_is_kept_only_where_it_looks_like_one() -> None:
    assert {"state": "alive", "place": "<text>"} == bare({"state": "alive", "place": "at/hush"})
