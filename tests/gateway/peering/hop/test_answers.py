"""What a peer is answered at once, by who it is."""

from pathlib import Path

import pytest

from discovery.details import decode_details, encode_details
from discovery.records import Agent, PeerId
from gateway.capacity.doors import Doors
from gateway.capacity.limits import Limits
from gateway.peering.given import Given
from tests.fakes import ScriptedEngine
from tests.peers import Party, party, two_peers


async def test_what_is_told_of_agents_depends_on_who_asks(tmp_path: Path) -> None:
    """One agent is for Ada alone: she hears of it, Cleo does not though she is approved, a stranger hears nothing."""
    plain = Agent("scripted-1", "scripted-1", 4096)
    hers = Agent("librarian", "librarian", 4096, kind="agent", base="scripted-1", topics=("holidays",))

    async def told_to(asking: Party, ben: PeerId) -> tuple[int, tuple[Agent, ...]]:
        with await asking.transport.open_stream(ben, "/peer/1/agents", b"") as response:
            answer = await response.read(1 << 24, 5)
            return response.status, decode_details(answer) if response.status == 200 else ()

    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair, party(tmp_path / "c") as cleo:
        ben, ada = pair.ben, pair.ada
        ben.app._answers._details = lambda peer: encode_details([plain, hers] if peer == ada.id else [plain])
        await cleo.transport.hello(ben.address)
        stranger = await told_to(cleo, ben.id)
        ben.admission.approve(cleo.id)

        assert (200, (plain, hers)) == await told_to(ada, ben.id)
        assert (200, (plain,)) == await told_to(cleo, ben.id)
    assert (403, ()) == stranger


async def test_a_probe_names_no_agent_that_the_asking_peer_may_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does she hear of it among those whose model is not loaded."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        monkeypatch.setattr(Doors, "cold", ("hidden", "plain"))
        pair.ben.app._answers._given = lambda peer: Given(peer, Limits(), lambda agent, peer: agent != "hidden")
        with await pair.ada.transport.open_stream(pair.ben.id, "/peer/1/probe", b"") as response:
            answer = await response.read(1 << 24, 5)

    assert (True, False) == (b"plain" in answer, b"hidden" in answer)
