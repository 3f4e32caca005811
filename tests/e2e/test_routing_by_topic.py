"""From measured capability to the answer: ppai-profile on real peers, then queries go to who is good at them."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from gateway.engines.embedded import EmbeddedConfig
from profiler.qagate import QAGate, shipped_gate
from profiler.queries import load_questions
from profiler.question import Question
from tests.e2e.network import SECRET, Cluster, cluster_in, start
from tests.embedded import running, smollm2

K = QAGate.load(shipped_gate()).K
SHARED = pytest.mark.asyncio(loop_scope="module")  # for tests of peers that outlive one of them

LAW = (
    "Which doctrine says that courts should follow the decisions of earlier cases?",
    "What must be proven for a claim of negligence against a neighbour?",
    "Can a contract signed by a minor be enforced in court?",
)
CHEMISTRY = (
    "How many grams of sodium chloride are in one mole of it?",
    "Which gas is released when zinc reacts with hydrochloric acid?",
    "What is the oxidation state of sulfur in sulfuric acid?",
)


GENERAL = (
    "Who wrote the play Hamlet?",
    "Which planet is the largest in the solar system?",
    "In which year did the First World War end?",
    "Which organ pumps blood through the body?",
    "What is the capital of Italy?",
    "Which force keeps the planets in orbit around the Sun?",
)


class Student:
    """Knows the built-in questions of some tasks by heart, and is wrong on all others."""

    def __init__(self, knows: frozenset[str]) -> None:
        self._questions: dict[str, Question] = {question.prompt: question for question in load_questions("builtin")}
        self._knows = knows

    def __call__(self, body: dict[str, Any]) -> str:
        question = self._questions.get(body["messages"][-1]["content"])
        return question.answer if question and question.task in self._knows else "I do not know"


def profile(peer_home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import sys; from profiler.cli import main; sys.exit(main())"]
    return subprocess.run([*command, "--home", str(peer_home), *args], capture_output=True, text=True, timeout=110)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def profiled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """ada is right on everything but chemistry, ben on chemistry only; both were measured, and told each other."""
    async with cluster_in(tmp_path_factory.mktemp("profiled")) as cluster:
        await _profile_both(cluster)
        yield cluster


async def _profile_both(cluster: Cluster) -> None:
    tasks = frozenset(question.task for question in load_questions("builtin"))
    assert "chemistry" in tasks
    env = {**SECRET, "PPAI_SCHEDULER_BETA_PER_S": "0.01"}  # tested is what is known of them: time counts for little
    await cluster.start("ada", env=env)
    await cluster.start("ben", "--seed", cluster.seed(), env=env)
    await cluster.until_ready()
    for name, knows in (("ada", tasks - {"chemistry"}), ("ben", frozenset({"chemistry"}))):
        cluster.engines[name].answer = Student(knows)
        flags = ("--json", "--concurrency", "8", "--no-code")  # running what answers hold takes longer than all else
        done = await asyncio.to_thread(profile, cluster.peers[name].home, *flags)
        assert 0 == done.returncode, done.stderr
        told = json.loads(done.stdout)
        assert len(told["capability"]) == len(told["evidence"]) == K
    async with cluster.http.post(cluster.peers["ada"].url + "/ppai/v1/route", json={"text": "hi"}) as response:
        assert (await response.json())["relevance"], "route waits for the encoder; requests would not"


@SHARED
async def test_queries_go_to_who_is_good_at_them(profiled: Cluster) -> None:
    async def answered_by(text: str) -> str:
        messages = [{"role": "user", "content": text}]
        return (await profiled.ask("ada", messages=messages))[1]["x-ppai-peer"]

    await profiled.until(lambda seen: all(p["agents"][0]["capability"] for peers in seen.values() for p in peers), 2)

    assert ["ben"] * 3 == [await answered_by(text) for text in CHEMISTRY]
    assert ["ada"] * 3 == [await answered_by(text) for text in LAW]


@SHARED
async def test_what_route_says_is_what_happens(profiled: Cluster) -> None:
    """On an idle network; every candidate's columns are there, and the relevance sums to 1."""
    for text in (*LAW, *CHEMISTRY):
        async with profiled.http.post(profiled.peers["ada"].url + "/ppai/v1/route", json={"text": text}) as response:
            told = await response.json()
        _, headers, _ = await profiled.ask("ada", messages=[{"role": "user", "content": text}])

        assert told["target"]["peer"] == headers["x-ppai-peer"]
        assert {"ada", "ben"} == {row["peer"] for row in told["candidates"]}
        assert {"score", "wait_s", "service_s", "cost_s", "utility", "excluded"} <= set(told["candidates"][0])
        assert 1 == pytest.approx(sum(told["relevance"]), abs=1e-3)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def unmeasured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """ada and ben, and nobody knows what they are good at."""
    async with cluster_in(tmp_path_factory.mktemp("unmeasured")) as cluster:
        await start(cluster, "ada", "ben")
        async with cluster.http.post(cluster.peers["ada"].url + "/ppai/v1/route", json={"text": "hi"}) as response:
            assert (await response.json())["relevance"], "route waits for the encoder; requests would not"
        yield cluster


@SHARED
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"space": "0000000000000000"}, "run ppai-profile with the gate that the peer uses"),
        ({"capability": [0.5] * (K - 1)}, "both need one for each prototype"),
        ({"capability": [1.5] * K}, "numbers from 0 to 1"),
        ({"evidence": [-1] * K}, "counts of questions"),
        ({"agent": "nobody"}, "serves no agent `nobody`; it serves: `model-ada`"),
        ({"token": "wrong"}, "this call is the owner's"),
    ],
)
async def test_a_bad_vector_changes_nothing(unmeasured: Cluster, change: dict[str, Any], says: str) -> None:
    cluster, peer = unmeasured, unmeasured.peers["ada"]
    status = await cluster.get("ada", "/ppai/v1/status")
    body = {"space": status["gate"]["space"], "agent": "model-ada", "capability": [0.5] * K, "evidence": [1] * K}
    token = json.loads((peer.home / "running.json").read_text())["token"]
    body, token = {**body, **change}, change.get("token", token)
    body.pop("token", None)

    url, headers = peer.url + "/ppai/v1/profile", {"authorization": f"Bearer {token}"}
    async with cluster.http.post(url, json=body, headers=headers) as response:
        told = await response.json()

    assert response.status in (400, 401)
    assert says in told["error"]["message"]
    assert not (peer.home / "profiles.json").exists()


@pytest.mark.alone
@SHARED
async def test_a_vector_reaches_the_other_peer_within_2_s(unmeasured: Cluster) -> None:
    home = unmeasured.peers["ben"].home
    before = (await unmeasured.get("ada", "/ppai/v1/peers"))[0]["seq"]

    done = await asyncio.to_thread(profile, home, "--queries", str(_questions(home.parent / "q.jsonl")), "--json")
    took_s = await unmeasured.until(lambda seen: seen["ada"][0]["seq"] > before, timeout_s=2)

    assert 0 == done.returncode, done.stderr
    assert took_s < 2


@pytest.mark.alone
@SHARED
async def test_the_encoder_fits_the_memory_and_time_budget(unmeasured: Cluster) -> None:
    """At most 300 MB with encoder and gate; a routed request with new words adds at most 20 ms, a known one 2 ms."""
    words = " ".join(f"word{n}" for n in range(40))
    took_ms: dict[str, list[float]] = {"new": [], "known": []}
    for n in range(30):
        for kind in took_ms:
            text = f"{words} {n}"
            _, headers, _ = await unmeasured.ask("ada", messages=[{"role": "user", "content": text}])
            took_ms[kind].append(float(headers["server-timing"].partition("dur=")[2]))

    new_ms, known_ms = (sorted(times)[len(times) // 2] for times in took_ms.values())
    rss_mib = psutil.Process(unmeasured.peers["ada"].pid).memory_info().rss / 2**20
    print(f"new {new_ms:.1f} ms, known {known_ms:.1f} ms (both with a probe), {rss_mib:.0f} MiB")
    assert rss_mib < 300
    assert new_ms < 20
    assert known_ms < 2


@pytest.mark.slow
async def test_without_weights_the_fast_encoder_reads_and_the_command_is_named(
    cluster: Cluster, tmp_path: Path
) -> None:
    """By topic all the same: what a text is about is told by the encoder that comes with the gate."""
    env = {"PPAI_SECRET": "9f1c6b0e4d7a23588e5bd0c1f76a2943", "PPAI_WEIGHTS": str(tmp_path / "none")}
    await cluster.start("ada", env=env)
    await cluster.start("ben", "--seed", cluster.seed(), env=env)
    await cluster.until_ready()

    status, _, _ = await cluster.ask("ada")
    where = cluster.peers["ada"].url + "/ppai/v1/route"
    async with cluster.http.post(where, json={"text": CHEMISTRY[0]}) as response:
        told = await response.json()
    async with cluster.http.post(where, json={"text": f"Summarise this in two lines: {CHEMISTRY[0]}"}) as response:
        wanted = await response.json()

    assert 200 == status
    assert ("science", True, []) == (told["category"], told["familiar"], told["forms"])
    assert ("summarising", ["summarising"]) == (wanted["category"], wanted["forms"])
    gate = (await cluster.get("ada", "/ppai/v1/status"))["gate"]
    assert [True] == ["static" in name for name in gate["encoders"]]
    ada = cluster.peers["ada"]
    await asyncio.to_thread(ada.wait, lambda: "ppai pull encoder" in ada.output, "to name the command")


@pytest.mark.slow
async def test_a_peer_with_a_new_gate_is_understood_in_both_spaces(cluster: Cluster, tmp_path: Path) -> None:
    """Its answers are folded again without asking; the card carries both vectors, and who has the old gate reads it."""
    await cluster.start("ada")
    await cluster.start("ben", "--seed", cluster.seed())
    await cluster.until_ready()
    ada, engine = cluster.peers["ada"], cluster.engines["ada"]
    engine.answer = Student(frozenset({"chemistry"}))
    first = await asyncio.to_thread(profile, ada.home, "--json", "--limit", "40")
    old = QAGate.load(shipped_gate())
    half = slice(0, old.K // 2)  # a gate of half as many prototypes: vectors of two lengths meet
    new = replace(
        old,
        prototypes=old.prototypes[half],
        prior=old.prior[half],
        categories=old.categories[half],
        tasks=old.tasks[half],
    )
    new.save(tmp_path / "gate")
    (tmp_path / "gate" / "fast").symlink_to(shipped_gate() / "fast")

    await asyncio.to_thread(ada.stop)
    gate = {"PPAI_SECRET": "9f1c6b0e4d7a23588e5bd0c1f76a2943", "PPAI_ROUTING_GATE": str(tmp_path / "gate")}
    await cluster.start(
        "ada",
        "--seed",
        cluster.peers["ben"].get("/ppai/v1/status")[1]["network"]["addresses"][0],
        engine=engine.url,
        env=gate,
    )
    both = [old.space, new.space]
    await cluster.until(lambda seen: [agent["spaces"] for agent in seen["ben"][0]["agents"]] == [both])  # nobody asked
    assert "folded anew from 40 answers" in cluster.peers["ada"].output
    again = await asyncio.to_thread(profile, ada.home, "--json", "--limit", "40")

    assert (0, 0) == (first.returncode, again.returncode), first.stderr + again.stderr
    told = [json.loads(done.stdout) for done in (first, again)]
    assert [old.space, new.space] == [report["space"] for report in told]
    assert [40, 0] == [report["asked"] for report in told]
    await cluster.until(lambda seen: seen["ben"][0]["agents"][0]["spaces"] == both)
    async with cluster.http.post(cluster.peers["ben"].url + "/ppai/v1/route", json={"text": CHEMISTRY[0]}) as response:
        rows = {row["peer"]: row["profiled"] for row in (await response.json())["candidates"]}
    assert rows["ada"]
    assert new.space == (await cluster.get("ada", "/ppai/v1/status"))["gate"]["space"]


@pytest.mark.slow
async def test_in_the_first_hour_the_large_model_answers_although_nobody_measured_it(cluster: Cluster) -> None:
    """A laptop asks for what anybody may answer; `ppai route` and `ppai peers` say what that rests on."""
    await cluster.start("ada", model="SmolLM2-135M-Instruct")
    await cluster.start("ben", "--seed", cluster.seed(), model="qwen3:32b")
    await cluster.until_ready()
    url = cluster.peers["ada"].url
    async with cluster.http.post(url + "/ppai/v1/route", json={"text": GENERAL[0]}) as response:
        rows = {row["peer"]: row for row in (await response.json())["candidates"]}

    answered = [(await cluster.ask("ada", messages=[{"role": "user", "content": text}]))[1] for text in GENERAL]

    assert ["ben"] * len(GENERAL) == [headers["x-ppai-peer"] for headers in answered]
    assert "prior from the name: 32B qwen3" == rows["ben"]["basis"]
    assert "prior from the name: 135M smollm2" == rows["ada"]["basis"]
    assert 0.3 < rows["ben"]["score"] - rows["ada"]["score"]
    assert "prior from the name: 32B qwen3" == (await cluster.get("ada", "/ppai/v1/peers"))[0]["agents"][0]["prior"]


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_smollm2_and_a_specialist(cluster: Cluster, tmp_path: Path) -> None:
    """The real small model against a specialist of one category, profiled by the real command.

    Ada names her llama.cpp as an engine of her own: as the embedded one it would stand back.
    """
    async with running(smollm2(), tmp_path / "engine.log", EmbeddedConfig()) as engine:
        key = {**SECRET, "PPAI_ENGINE_API_KEY": engine.api_key}
        await cluster.start("ada", engine=engine.url, env=key)
        await cluster.start("ben", "--seed", cluster.seed())
        await cluster.until_ready()
        cluster.engines["ben"].answer = Student(frozenset({"chemistry"}))
        for name, limit in (("ada", "62"), ("ben", "862")):
            began = time.monotonic()
            done = await asyncio.to_thread(profile_slowly, cluster.peers[name].home, limit)
            assert 0 == done.returncode, done.stderr
            print(name, f"{time.monotonic() - began:.0f} s", json.loads(done.stdout)["accuracy"])

        told: dict[str, tuple[str, float]] = {}  # question: who answered, and how much better ada is measured to be
        for text in (*CHEMISTRY, *GENERAL):
            async with cluster.http.post(cluster.peers["ada"].url + "/ppai/v1/route", json={"text": text}) as response:
                score = {row["peer"]: row["score"] for row in (await response.json())["candidates"]}
            messages = [{"role": "user", "content": text}]
            _, headers, _ = await cluster.ask("ada", messages=messages, max_tokens=48)
            told[text] = (headers["x-ppai-peer"], score["ada"] - score["ben"])
            print(f"{text:60} {headers['x-ppai-peer']} {told[text][1]:+.2f}")

        assert ["ben"] * 3 == [told[text][0] for text in CHEMISTRY]
        better = [text for text in GENERAL if told[text][1] > 0.1]  # where both know nothing the faster one answers
        assert {"ada"} >= {told[text][0] for text in better}  # how many they are, the small model knows


def profile_slowly(home: Path, limit: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import sys; from profiler.cli import main; sys.exit(main())"]
    command += ["--home", str(home), "--limit", limit, "--json", "--max-tokens", "64"]
    return subprocess.run(command, capture_output=True, text=True, timeout=800, env=dict(os.environ))


def _questions(file: Path) -> Path:
    lines = [
        {"query": f"What is {n} plus 1?", "task": "sums", "answer": str(n + 1), "grade": "number"} for n in range(8)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file
