"""A real Prometheus (Debian's package) reads live peers by the files that we ship: panels draw, alerts fire."""

import asyncio
import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import yaml

from tests.e2e.network import Cluster, start
from tests.fakes import free_port
from tests.test_observability import ALERTS, ROOT, expressions, rules

CONFIG = ROOT / "configs/prometheus.yml"
REMEDY = "Prometheus is not installed: apt-get install --no-install-recommends prometheus"
PROMETHEUS_S = 30.0  # until all that is asked for has been scraped


def why_not_here() -> str | None:
    """What this machine lacks."""
    return None if shutil.which("prometheus") and shutil.which("promtool") else REMEDY


needs_prometheus = pytest.mark.skipif(why_not_here() is not None, reason=REMEDY)


@needs_prometheus
def test_promtool_finds_no_fault_in_the_configuration_and_the_alerts() -> None:
    done = subprocess.run(["promtool", "check", "config", CONFIG], capture_output=True, text=True)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout


# What a peer tells while something is wrong, for each alert: series, and their values a minute.
WRONG: dict[str, dict[str, str]] = {
    "PpaiDown": {'up{job="ppai"}': "0x60"},
    "PpaiNotReady": {"ppai_ready": "0x60"},
    "PpaiEngineDown": {'ppai_engine_ready{engine="vLLM"}': "0x60"},
    "PpaiAnswersFail": {
        'ppai_answers_total{status="ok", reason="best"}': "0+9x60",
        'ppai_answers_total{status="failed", reason="best"}': "0+1x60",
    },
    "PpaiNobodyToAsk": {'ppai_refused_total{status="503", code="no_candidate"}': "0+1x60"},
    "PpaiFirstTokenSlow": {
        'ppai_time_to_first_token_seconds_bucket{target="local", le="20.0"}': "0+9x60",
        'ppai_time_to_first_token_seconds_bucket{target="local", le="40.0"}': "0+10x60",
        'ppai_time_to_first_token_seconds_bucket{target="local", le="+Inf"}': "0+10x60",
    },
    "PpaiLineLong": {
        'ppai_engine_slots{engine="vLLM"}': "4x60",
        'ppai_jobs{engine="vLLM", state="waiting", of="own"}': "9x60",
    },
    "PpaiSlowerThanExpected": {
        'ppai_request_duration_seconds_sum{target="local"}': "0+40x60",
        'ppai_expected_duration_seconds_sum{target="local"}': "0+10x60",
    },
    "PpaiDecidesSlowly": {
        'ppai_stage_seconds_bucket{stage="judge", le="0.1"}': "0+9x60",
        'ppai_stage_seconds_bucket{stage="judge", le="1.0"}': "0+10x60",
        'ppai_stage_seconds_bucket{stage="judge", le="+Inf"}': "0+10x60",
    },
    "PpaiPeersLost": {'ppai_peers{state="alive"}': "2x5 0x60"},
    "PpaiPeerWaits": {"ppai_peers_waiting": "1x60"},
    "PpaiPeerWorseThanItClaims": {'ppai_peers_audited{verdict="worse"}': "1x60"},
    "PpaiPeerPortFlooded": {'ppai_turned_away_total{code="unsigned"}': "0+600x60"},
    "PpaiFilesRunOut": {'process_open_fds{job="ppai"}': "7000x60", 'process_max_fds{job="ppai"}': "8192x60"},
}
WELL = {
    'up{job="ppai"}': "1x60", "ppai_ready": "1x60", 'ppai_engine_ready{engine="vLLM"}': "1x60",
    'ppai_answers_total{status="ok", reason="best"}': "0+99x60",
    'ppai_answers_total{status="failed", reason="best"}': "0+1x60",
    'ppai_refused_total{status="404", code="model_not_found"}': "0+1x60",
    'ppai_engine_slots{engine="vLLM"}': "4x60", 'ppai_jobs{engine="vLLM", state="waiting", of="own"}': "3x60",
    'ppai_peers{state="alive"}': "2x60", "ppai_peers_waiting": "0x60", 'ppai_peers_audited{verdict="worse"}': "0x60",
    'ppai_turned_away_total{code="unsigned"}': "0+60x60",
    'process_open_fds{job="ppai"}': "40x60", 'process_max_fds{job="ppai"}': "8192x60",
}  # fmt: skip


def firing(series: dict[str, str], tmp_path: Path) -> set[str]:
    """The alerts that fire an hour after a peer began to tell this."""
    named = [
        {"series": name.replace("{", '{instance="box", ') if "{" in name else f'{name}{{instance="box"}}', "values": v}
        for name, v in series.items()
    ]
    expected = [{"eval_time": "60m", "alertname": rule["alert"], "exp_alerts": []} for rule in rules()]
    tests = [{"interval": "1m", "input_series": named, "alert_rule_test": expected}]
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True)
    found = set(re.findall(r"alertname: (\w+), time: 1h", done.stdout + done.stderr))
    assert bool(found) == bool(done.returncode), done.stdout + done.stderr
    return found


@needs_prometheus
def test_each_alert_has_its_case() -> None:
    assert [rule["alert"] for rule in rules()] == [*WRONG]


@needs_prometheus
@pytest.mark.slow
@pytest.mark.parametrize("alert", WRONG)
def test_an_alert_fires_where_its_cause_holds_and_no_other(alert: str, tmp_path: Path) -> None:
    assert {alert} == firing(WRONG[alert], tmp_path)


@needs_prometheus
@pytest.mark.slow
def test_no_alert_fires_while_all_is_well(tmp_path: Path) -> None:
    assert set() == firing(WELL, tmp_path)


class Prometheus:
    """The server, with our configuration but for the targets and a scrape each second."""

    def __init__(self, folder: Path, targets: list[str]) -> None:
        config = yaml.safe_load(CONFIG.read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(ALERTS)]
        config["scrape_configs"][0]["static_configs"][0]["targets"] = targets
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.address = f"127.0.0.1:{free_port()}"
        self._folder = folder

    def __enter__(self) -> "Prometheus":
        command = [
            "prometheus", f"--config.file={self._folder / 'prometheus.yml'}", f"--web.listen-address={self.address}",
            f"--storage.tsdb.path={self._folder / 'data'}",
        ]  # fmt: skip
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def __exit__(self, *exc: object) -> None:
        psutil.Process(self._process.pid).terminate()
        self._process.wait(15)

    async def ask(self, http: aiohttp.ClientSession, expression: str) -> list[Any]:
        """What it answers now; nothing while it does not answer."""
        try:
            async with http.get(f"http://{self.address}/api/v1/query", params={"query": expression}) as response:
                answer = json.loads(await response.text())
        except (aiohttp.ClientError, ValueError):
            return []
        assert "error" not in answer, answer
        return list(answer["data"]["result"])


async def _traffic(cluster: Cluster) -> None:
    """What a peer may meet: streams, whole answers, failures, refusals, and a stranger at the peer port."""
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    peer_port = cluster.seed()
    while True:
        for headers in ({}, {"x-ppai-route": "ben"}, {"x-ppai-route": "local"}):
            async with cluster.http.post(
                cluster.peers["ada"].url + "/v1/chat/completions",
                json={"stream": True, "messages": [{"role": "user", "content": "What is a prime number?"}]},
                headers=headers,
            ) as response:
                await response.read()
        await cluster.ask("ada", model="no-such-model")
        async with cluster.http.post(f"https://{peer_port}/peer/1/sync", ssl=unverified) as response:
            assert 401 == response.status
        await asyncio.sleep(0.2)


def _asked(expression: str) -> str:
    """A panel's expression as Grafana would ask it."""
    return expression.replace("$__rate_interval", "10s").replace("$instance", ".*")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "prometheus").mkdir()
    yield tmp_path / "prometheus"


@needs_prometheus
@pytest.mark.slow
async def test_every_panel_has_something_to_draw_from_two_live_peers(cluster: Cluster, folder: Path) -> None:
    """Alerts do not fire: of them it is asked that what they compare exists."""
    await start(cluster, "ada", "ben")
    panels = [(where, _asked(expr)) for where, expr in expressions() if "$instance" in expr]
    targets = [peer.url.removeprefix("http://") for peer in cluster.peers.values()]
    with Prometheus(folder, targets) as prometheus:
        traffic = asyncio.create_task(_traffic(cluster))
        try:
            empty = panels
            async with asyncio.timeout(PROMETHEUS_S):
                while empty := [one for one in empty if not await prometheus.ask(cluster.http, one[1])]:
                    assert not traffic.done(), traffic
                    await asyncio.sleep(0.5)
        except TimeoutError:
            raise AssertionError(f"nothing to draw: {empty}") from None
        finally:
            traffic.cancel()
        up = await prometheus.ask(cluster.http, "up")
        firing = await prometheus.ask(cluster.http, 'ALERTS{alertstate="firing"}')

    assert ["1", "1"] == [one["value"][1] for one in up]
    assert [] == firing
