"""What a scrape tells of the peer's state."""

import re
from importlib.metadata import version
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from discovery.records import PeerId
from gateway.engines.engine_state import EngineState
from gateway.trust.tab import Sums
from tests.gateway.client.site import Site
from tests.peers import party

DOCS = Path(__file__).parents[4] / "docs" / "operations.md"


async def scraped(site: Site) -> dict[tuple[str, ...], float]:
    """(name, label values, by the names of their labels) -> value."""
    text = (await site.http.get("/metrics")).text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_every_metric_is_in_the_documentation_and_no_other(site: Site) -> None:
    families = {
        re.sub("_total$", "", name)
        for name in re.findall(r"^# TYPE (ppai_\w+)", (await site.http.get("/metrics")).text, re.MULTILINE)
    }
    section = DOCS.read_text().split("`GET /metrics`", 1)[1].split("\n- ", 1)[0]
    cells = " ".join(re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE))
    told = {re.sub("_total$", "", name) for name in re.findall(r"`(ppai_\w+)`", cells)}

    assert families == told


async def test_an_engine_that_goes_is_not_ready(site: Site) -> None:
    before = await scraped(site)
    site.node.serve([])
    site.engine.state = EngineState("gone")
    after = await scraped(site)

    name = site.engine.name
    assert (1, 1, 2) == (before["ppai_ready",], before["ppai_engine_ready", name], before["ppai_engine_slots", name])
    assert (0, 0) == (after["ppai_ready",], after["ppai_engine_ready", name])
    assert (1, 0) == (before["ppai_door", "open"], before["ppai_door", "closed"])
    assert (0, 1) == (after["ppai_door", "open"], after["ppai_door", "closed"])


async def test_peers_are_counted_by_state_and_not_named(site: Site, tmp_path: Path) -> None:
    async with party(tmp_path / "ben") as ben:
        site.network.gossip.learn([ben.gossip.own_card()], 0.0)
        samples = await scraped(site)
        text = (await site.http.get("/metrics")).text

    assert (1, 0) == (samples["ppai_peers", "suspect"], samples["ppai_peers", "alive"])
    assert (1, 1) == (samples["ppai_peers_waiting",], samples["ppai_peers_audited", "untested"])
    assert not [line for line in text.splitlines() if "ben" in line or ben.id in line]


async def test_the_ledger_is_added_up_over_all_peers(site: Site) -> None:
    for peer in ("a" * 64, "b" * 64):
        site.settling.given(PeerId(peer), Sums(1, 10, 20))

    samples = await scraped(site)

    assert (2, 0) == (samples["ppai_ledger_answers_total", "given"], samples["ppai_ledger_answers_total", "got"])
    assert (40, 20) == tuple(samples["ppai_ledger_tokens_total", kind, "given"] for kind in ("completion", "prompt"))


async def test_gossip_is_counted(site: Site) -> None:
    site.network.transport.traffic.out(b"12345")

    samples = await scraped(site)

    assert (1, 5) == (samples["ppai_gossip_messages_total", "sent"], samples["ppai_gossip_bytes_total", "sent"])


async def test_it_is_told_which_ppai_this_is(site: Site) -> None:
    samples = await scraped(site)

    assert [version("ppai")] == [labels[-1] for name, *labels in samples if name == "ppai_build_info"]
