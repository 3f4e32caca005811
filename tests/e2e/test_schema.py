"""schemathesis reads the published OpenAPI page and asks what it allows and what it forbids: no 500, no violation."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.e2e.clients.environments import SCHEMATHESIS, is_prepared
from tests.e2e.peer import PeerProcess
from tests.fakes import ScriptedEngine

EXAMPLES = 100  # an endpoint
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "negative_data_rejection", "unsupported_method"),
)
OWNERS = "^/ppai/v1/(approve|revoke|profile)$"
PAGES = "^/(ppai/v1/watch|page/enter)$"  # a stream has no end, and a ticket is good for one
RUNS = {
    "anybody": ("--checks", ",".join((*CHECKS, "positive_data_acceptance")), "--exclude-path-regex", PAGES),
    # Whether there is such a peer, or such an agent, is nothing that a schema says: a well-formed call may be refused.
    "the owner": ("--checks", ",".join(CHECKS), "--include-path-regex", OWNERS),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not is_prepared(), reason="not prepared: run `python -m tests.e2e.clients.environments`")
@pytest.mark.parametrize("who", RUNS)
async def test_the_peer_keeps_to_its_page(who: str, tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine:
        with PeerProcess(tmp_path / "home", "--engine", engine.url) as peer:
            await asyncio.to_thread(peer.wait_ready)
            command = [str(SCHEMATHESIS / "bin" / "st"), "run", f"{peer.url}/openapi.json", *RUNS[who]]
            command += ["--max-examples", str(EXAMPLES), "--seed", "1", "--no-color", "--continue-on-failure"]
            if who == "the owner":
                token = json.loads((peer.home / "running.json").read_text())["token"]
                command += ["--header", f"authorization: Bearer {token}"]
            running = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path
            )
            said = (await running.communicate())[0].decode()
            ready = peer.get("/ready")[0]

    print(said[-2000:])
    assert 0 == running.returncode, said[-60000:]
    assert 200 == ready
    assert "bug=request" not in peer.output
    assert "Traceback" not in peer.output
