"""The show of `ppai demo`: agents are measured, questions find them, 30 more are counted, and a peer is killed.

Everything it starts ends with it. Nothing here is simulated or stored: real processes, real engines, real TLS, real
discovery, and every figure is of this run.
"""

import asyncio
import json
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from gateway.cli import options
from gateway.cli.demo.agents import GENERALIST, LIBRARIAN, MATHEMATICIAN, OWNERS, Asked, examples, queries, write_agents
from gateway.cli.demo.counting import ANSWER_TOKENS, Answer, ask, count, summary
from gateway.cli.demo.peers import START_TIMEOUT_S, DemoFailed, DemoPeer, start_peers, wait
from gateway.cli.own_peer import OwnPeer
from gateway.home.folder import Home
from gateway.home.weights import locate

QUESTIONS = (
    "What is the capital of France?",
    "Name three fruits.",
    "Why is the sky blue?",
    "What does a compiler do?",
    "Write one sentence about the sea.",
    "How many legs has a spider?",
    "What is bread made of?",
    "Who wrote Hamlet?",
)
MEASURED = 12  # questions that each agent is measured on
SHOWN = 2  # questions of each kind that are shown with both answers


def run_demo(weights: Path) -> None:
    """The whole show. Raises DemoFailed, WeightsMissing."""
    try:
        import openai  # the demo asks through the real SDK
    except ImportError as error:
        raise DemoFailed("the demo asks through the OpenAI SDK: run pip install openai, or make demo") from error
    for name in ("smollm2", "encoder"):
        locate(name, weights)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ppai-demo-") as folder, ExitStack() as stack:
        write_agents(Path(folder))
        peers = start_peers(Path(folder), weights, stack)
        _say(f"\n{len(peers)} peers found each other and are ready after {time.monotonic() - began:.1f} s.")
        _say("Each has one agent, and all three ask the same model (SmolLM2-135M) on one CPU thread:")
        _say(f"  ada    {GENERALIST:14} the bare model, which ben and cleo serve as well")
        _say(
            f"  ben    {MATHEMATICIAN:14} the model writes the sum, a calculator works it out; word problems stay hard"
        )
        _say(f"  cleo   {LIBRARIAN:14} quotes what its documents say that is nearest; it understands nothing")
        try:
            asyncio.run(show(peers))
        except openai.OpenAIError as error:
            raise DemoFailed(f"a question was not answered: {error}") from error
    _say(f"\nDone in {time.monotonic() - began:.0f} s; every process that the demo started has ended.")
    for line in next_steps():
        _say(line)


def next_steps() -> list[str]:
    """What to type for a peer of one's own, first what puts `ppai` on the path where it is not."""
    program, found = Path(sys.executable).with_name("ppai"), shutil.which("ppai")
    activate = f". {shlex.quote(str(program.with_name('activate')))}"
    first = [] if found and Path(found).samefile(program) else [activate]
    return [
        "Your own peer, with the engine that runs on this machine, or the small model of this demo:",
        *(f"  {line}" for line in (*first, "ppai init", "ppai serve", "ppai ask 'Why is the sky blue?'")),
        "The last line in another terminal. The README goes on from there: a second machine, an agent of your own.",
    ]


async def show(peers: list[DemoPeer]) -> None:
    """Ask through the first peer's endpoint, as any OpenAI client would. Raises openai.OpenAIError, DemoFailed."""
    import openai

    first, *_, last = peers
    async with openai.AsyncOpenAI(base_url=f"{first.url}/v1", api_key="not-needed", max_retries=0) as client:
        _head(f"Each agent is asked {MEASURED} questions of its owner's, with what it has and by its model alone")
        await asyncio.to_thread(wait, _has_read, last, "to read its documents")
        for agent, found in zip(OWNERS.values(), await asyncio.gather(*map(measured, peers)), strict=True):
            _say(f"  {agent:14} {_share(found, 'right')} right, its model alone {_share(found, 'right_without')}")
        await asyncio.to_thread(wait, _has_heard, first, "to hear of the others' agents")

        _head(f"Questions of each kind through {first.name}'s endpoint (model: auto), and its model alone")
        for asked in (one for agent in OWNERS.values() for one in examples(agent, SHOWN)):
            await _shown(client, first, asked)

        _head("30 other questions, one after another")
        counted = [await count(client, first, asked) for asked in queries()]
        for line in summary(counted):
            _say(line)

        dead = await kill_one(client, peers)
        _head(f"Without {dead.name}: its agent is gone, the other one is still there")
        for agent in (LIBRARIAN, MATHEMATICIAN):
            (asked,) = examples(agent, 1)
            if (await _shown(client, first, asked)).peer == dead.name:
                raise DemoFailed(f"{dead.name} answered after its death")


async def kill_one(client: Any, peers: Sequence[DemoPeer]) -> DemoPeer:
    """Kill the first of the other peers that begins to answer, and show what becomes of the questions."""
    first, *others = peers
    begun: asyncio.Queue[str] = asyncio.Queue()
    streamed = [asyncio.create_task(ask(client, first, one, stream=True, begun=begun.put_nowait)) for one in QUESTIONS]
    dead = others[-1]
    with suppress(TimeoutError):
        async with asyncio.timeout(START_TIMEOUT_S):
            names = {other.name: other for other in others}
            while (name := await begun.get()) not in names:
                pass
            dead = names[name]
    dead.process.kill()
    _head(f"{dead.name} is killed (kill -9) in the middle of {len(QUESTIONS)} questions; the others take over")
    results = await asyncio.gather(*streamed, return_exceptions=True)
    for question, result in zip(QUESTIONS, results, strict=True):
        if isinstance(result, Answer):
            died = f"{result.peer}, which died; {' and then '.join(result.went_on)} went on,"
            _say(f"  {question}\n  > {result.line}")
            _say(f"    by {died if result.went_on else result.peer} in {result.took_s:.2f} s")
    broken = sum(isinstance(result, BaseException) for result in results)
    _say(f"killed; of {len(results)} questions {len(results) - broken} were answered, {broken} ended in an error")
    return dead


async def measured(peer: DemoPeer) -> dict[str, Any]:
    """Have a peer's agent asked its owner's questions, by the command that an owner has. Raises DemoFailed."""
    limits = ("--limit", str(MEASURED), "--max-tokens", str(ANSWER_TOKENS), "--concurrency", "1")
    command = ("-m", "profiler", "own", OWNERS[peer.name], *limits, "--json", "--home", str(peer.home))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=pipe, stderr=pipe)
    try:
        out, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise DemoFailed(f"{OWNERS[peer.name]} was not measured: {said.decode(errors='replace')[-1000:]}")
    return dict(json.loads(out))


async def _shown(client: Any, peer: DemoPeer, asked: Asked) -> Answer:
    """Ask, and show who answered and why, and what the local model says."""
    topic = await asyncio.to_thread(_topic, peer, asked.question)
    one = await count(client, peer, asked)
    through, marks = one.through, ["right" if right else "wrong" for right in one.right]
    because = topic if topic and through.reason == "topic" else through.reason
    _say(f"\n  {asked.question}\n  > {through.line}")
    _say(f"    {marks[0]}; by {through.agent} of {through.peer} in {through.took_s:.2f} s ({because})")
    _say(f"    the local model alone: {one.alone.line} ({marks[1]})")
    return through


def _topic(peer: DemoPeer, question: str) -> str:
    """Which topic the peer finds the question to be of, and how likely; empty where it is nobody's."""
    found = OwnPeer(Home(peer.home)).post("/ppai/v1/route", {"text": question})
    bases = (str(row["basis"]) for row in found["candidates"] if row["agent"] == (found["target"] or {}).get("agent"))
    return next((basis.partition(";")[0] for basis in bases if basis.startswith("topic: ")), "")


def _has_read(peer: DemoPeer) -> bool:
    """Whether the agent's documents can all be searched."""
    rows = OwnPeer(Home(peer.home)).get("/ppai/v1/agents")
    return all(row["documents"]["is_done"] for row in rows if row.get("documents"))


def _has_heard(peer: DemoPeer) -> bool:
    """Whether it knows what was measured of the others' agents, and whose topics a question is of."""
    agents = [agent for other in peer.get("/ppai/v1/peers") or () for agent in other["agents"]]
    known = {agent["name"] for agent in agents if agent["domain"]}
    return known >= {MATHEMATICIAN, LIBRARIAN} and all(
        _topic(peer, examples(agent, 1)[0].question) for agent in (MATHEMATICIAN, LIBRARIAN)
    )


def _share(found: Mapping[str, Any], key: str) -> str:
    """`11 of 12`, of the answers that were just asked for."""
    rows = found["asked"]
    return f"{sum(row[key] >= 0.5 for row in rows)} of {len(rows)}"


def _head(text: str) -> None:
    _say(f"\n== {text}")


def _say(text: str) -> None:
    options.show(text)
