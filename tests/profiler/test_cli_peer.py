"""ppai-profile before a peer that runs: its agents are asked, and it is given what was measured."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

from gateway.measuring.profiles import Profiles
from profiler.answers import make_of
from profiler.qagate import QAGate, shipped_gate
from tests.profiler.commands import PORTER, peer_serving, run, stored_lines


async def test_the_running_peer_is_asked_locally_and_gets_the_vector(
    tmp_path: Path, encoder_folder: Path, gate: QAGate
) -> None:
    async with peer_serving(tmp_path) as requests:
        code, out, _ = await run(encoder_folder, "--home", str(tmp_path), "--limit", "4", "--json")

        report, body = json.loads(out), await requests[-1].json()
        assert (0, True, 4, "tiny") == (code, report["published"], report["seq"], report["model"])
        assert ["local"] * 4 == [request.headers["x-ppai-route"] for request in requests[:-1]]
        assert "Bearer secret-token" == requests[-1].headers["authorization"]
        assert {"space": gate.space, "agent": "tiny"} == {key: body[key] for key in ("space", "agent")}
        assert (report["capability"], report["evidence"]) == (body["capability"], body["evidence"])


async def test_a_personal_agent_is_asked_as_another_peer_would_ask_it(tmp_path: Path, encoder_folder: Path) -> None:
    """And its vector is published with its make, so that the peer takes none of an agent that changed meanwhile."""
    async with peer_serving(tmp_path) as requests:
        where = ("--home", str(tmp_path), "--limit", "3", "--json")
        code, *_ = await run(encoder_folder, "--agent", "porter", *where)
        other, _, err = await run(encoder_folder, "--agent", "portre", *where)

        body = await requests[-1].json()
    assert (0, "porter", PORTER["make"]) == (code, body["agent"], body["make"])
    assert ["1"] * 3 == [request.headers["x-ppai-as-peer"] for request in requests[:-1]]
    assert {"porter"} == {json.loads(line)["model"] for line in stored_lines(tmp_path)}
    assert 1 == other and "serves no personal agent `portre`; it serves: porter" in err


async def test_an_agent_and_an_engine_are_two_things_to_ask(tmp_path: Path, encoder_folder: Path) -> None:
    code, _, err = await run(encoder_folder, "--agent", "porter", "--engine", "http://h", "--home", str(tmp_path))

    assert 2 == code and "leave out --engine" in err


async def test_an_owners_questions_are_asked_with_and_without(tmp_path: Path, encoder_folder: Path) -> None:
    (tmp_path / "questions.tsv").write_text("\n".join(f"What is the code of room {n}?\tC{n}" for n in range(20)))
    async with peer_serving(tmp_path) as requests:
        code, out, err = await run(encoder_folder, "own", "porter", "--limit", "4", "--home", str(tmp_path), "--json")
        again, table, _ = await run(encoder_folder, "own", "porter", "--limit", "4", "--home", str(tmp_path))
        bounded = ("own", "porter", "--limit", "5", "--max-tokens", "7", "--home", str(tmp_path))
        await run(encoder_folder, *bounded)

        bodies = [await request.json() for request in requests]
    assert [7, 7] == [body["max_tokens"] for body in bodies if body.get("max_tokens") == 7]
    asked = [body.get("model") for body in bodies]
    found = json.loads(out)
    assert (0, 4, 12) == (code, len(found["asked"]), found["questions"]), err
    assert [(1.0, 0.0)] * 4 == [(row["right"], row["right_without"]) for row in found["asked"]]
    assert ["porter"] * 4 + ["tiny"] * 4 == asked[:8], "and nothing is asked twice"
    assert 13 == len(asked)
    assert 0 == again and "90 % right are expected of it" in " ".join(table.split())


async def test_an_agent_without_questions_is_told_where_they_go(tmp_path: Path, encoder_folder: Path) -> None:
    async with peer_serving(tmp_path, questions_file=""):
        code, _, err = await run(encoder_folder, "own", "porter", "--home", str(tmp_path))

    assert 1 == code and "questions: porter.tsv" in err


async def test_a_new_gate_refolds_without_asking_and_the_card_carries_both_spaces(
    tmp_path: Path, encoder_folder: Path, gate: QAGate
) -> None:
    """Those who still have the old gate go on understanding us."""
    newer = replace(gate, alpha=2.0)
    shutil.copytree(shipped_gate(), tmp_path / "newer")
    newer.save(tmp_path / "newer")
    profiles = Profiles(tmp_path / "profiles.json")
    for known, folder, asks in ((gate, "", 6), (QAGate.load(tmp_path / "newer"), str(tmp_path / "newer"), 0)):
        async with peer_serving(tmp_path, space=known.space, folder=folder) as requests:
            code, out, err = await run(encoder_folder, "--home", str(tmp_path), "--limit", "6", "--json")

            assert 0 == code, err
            assert asks == json.loads(out)["asked"]
            assert asks == len(requests) - 1
            profiles.publish(await requests[-1].read(), known.space, known.K, {"tiny": make_of(0, "")})

    spaces = profiles.of("tiny")
    assert gate.space != newer.space
    assert [gate.space, newer.space] == list(spaces)
    assert [6, 6] == [sum(profile.evidence) for profile in spaces.values()]


async def test_a_peer_that_refuses_the_vector_is_an_error_and_answers_are_kept(
    tmp_path: Path, encoder_folder: Path
) -> None:
    async with peer_serving(tmp_path, status=409):
        code, _, err = await run(encoder_folder, "--home", str(tmp_path), "--limit", "4")

    assert 1 == code
    assert "409" in err
    assert 4 == len(stored_lines(tmp_path))


async def test_a_gate_of_another_space_is_told_before_anything_is_asked(
    tmp_path: Path, encoder_folder: Path, gate: QAGate
) -> None:
    async with peer_serving(tmp_path, space="0123456789abcdef") as requests:
        code, _, err = await run(encoder_folder, "--home", str(tmp_path), "--limit", "4")
        assert (1, []) == (code, requests)
        assert f"space 0123456789abcdef, ours of {gate.space}" in err
        assert "Restart the peer" in err

        code, _, _ = await run(encoder_folder, "--home", str(tmp_path), "--limit", "4", "--no-publish")
        assert (0, 4) == (code, len(stored_lines(tmp_path)))
