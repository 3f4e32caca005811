"""What one coding agent sees of three peers: `python coding_agents.py AGENT`, one JSON object on stdout.

The agent is the real program, and runs with the peers in a network namespace of their own: what it would ask of the
internet it cannot ask. `ada` is asked; `mine` is the model of her engine, `coder` that of ben's and of cleo's, and
`chatter` that of dora's, which has chat alone. The engines are scripted (coding_engine.py): whether a small model calls
tools is chance.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import agents
from tests.e2e.clients import coding_engine
from tests.e2e.clients.environments import AIDER, CODERS, LITELLM, has
from tests.e2e.network import Cluster, cluster_in

ALONE = ("unshare", "--net", *(() if os.geteuid() == 0 else ("--map-root-user",)))
WITH_LOOPBACK = ("sh", "-c", 'ip link set lo up && exec "$@"', "sh")
BIN = CODERS / "node_modules" / ".bin"
SOLVE_S = 120.0  # s for one task
CANCEL_S = 1.0  # s in which an engine is hung up on, after its client was
WHO_ASKS = ("prompt_cache_key", "client_metadata", "metadata", "user", "safety_identifier")


def why_not_here() -> str | None:
    """Why no coding agent can be run here, and what brings it; None where it can."""
    if not (has(CODERS) and has(AIDER) and (LITELLM / "bin").is_dir() and shutil.which("node")):
        return "the coding agents are not installed: python -m tests.e2e.clients.environments"
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "the commands `unshare` and `ip` are not installed: util-linux and iproute2 bring them"
    tried = subprocess.run([*ALONE, *WITH_LOOPBACK, "true"], capture_output=True, text=True)
    return f"network namespaces are not permitted: {tried.stderr.strip()}" if tried.returncode else None


@dataclass(frozen=True)
class Agent:
    """One program: how it is told where PPAI is, and how it is asked."""

    version: Callable[[], str]
    command: Callable[[str, str], list[str]]  # (model, prompt)
    env: Callable[[str], dict[str, str]]  # by the peer's URL
    files: Callable[[str, str], dict[str, str]] = lambda url, model: {}  # by path in its home or project
    whole: tuple[str, ...] | None = None  # what has it ask for answers in one piece; None: it cannot
    unknown: str = "does not exist on this network"  # what it tells of an unknown model: our words, or its own
    uses_tools: bool = True
    speaks_chat: bool = False


def _node_version(package: str) -> Callable[[], str]:
    return lambda: str(json.loads((CODERS / "node_modules" / package / "package.json").read_text())["version"])


def _codex_files(url: str, model: str) -> dict[str, str]:
    return {
        "home/.codex/config.toml": f"""
model = "{model}"
model_provider = "ppai"
web_search = "disabled"
[model_providers.ppai]
name = "ppai"
base_url = "{url}/v1"
wire_api = "responses"
"""
    }


def _opencode_files(url: str, model: str) -> dict[str, str]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{url}/v1", "apiKey": "none"},
        "models": {model: {}},
    }
    settings = {"provider": {"ppai": provider}, "model": f"ppai/{model}", "share": "disabled", "autoupdate": False}
    return {"project/opencode.json": json.dumps(settings)}


AGENTS = {
    "Codex CLI": Agent(
        version=_node_version("@openai/codex"),
        command=lambda model, prompt: [
            *(f"{BIN}/codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", prompt)
        ],
        env=lambda url: {},
        files=_codex_files,
    ),
    "Claude Code": Agent(
        version=_node_version("@anthropic-ai/claude-code"),
        command=lambda model, prompt: [
            *(f"{BIN}/claude", "-p", prompt, "--model", model, "--dangerously-skip-permissions")
        ],
        env=lambda url: {
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_AUTH_TOKEN": "none",
            "IS_SANDBOX": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
        unknown="There's an issue with the selected model",
    ),
    "opencode": Agent(
        version=_node_version("opencode-ai"),
        command=lambda model, prompt: [f"{BIN}/opencode", "run", prompt],
        env=lambda url: {"OPENCODE_DISABLE_AUTOUPDATE": "1"},
        files=_opencode_files,
        speaks_chat=True,
    ),
    "aider": Agent(
        version=lambda: (AIDER / ".recipe").read_text().partition("==")[2],
        command=lambda model, prompt: [
            *(f"{AIDER}/bin/aider", "--model", f"openai/{model}", "--edit-format", "diff", "--message", prompt),
            *("--yes-always", "--no-git", "--no-check-update", "--no-show-model-warnings", "--no-analytics"),
            *("--no-show-release-notes", "--test-cmd", "python3 check.py", "--auto-test", "area.py"),
        ],
        env=lambda url: {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": "none"},
        whole=("--no-stream",),
        speaks_chat=True,
        uses_tools=False,
    ),
}


@dataclass
class Run:
    """One program at work in a folder of its own."""

    process: asyncio.subprocess.Process
    folder: Path
    said: bytes = b""
    reading: asyncio.Task[None] | None = None

    @property
    def words(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self.said.decode("utf-8", "replace"))

    async def end(self) -> str:
        """What it said, once it ended; of its own accord, or after SOLVE_S."""
        try:
            await asyncio.wait_for(self.process.wait(), SOLVE_S)
        except TimeoutError:
            self.kill()
            raise AssertionError(f"it did not end: {self.words[-300:]}") from None
        assert self.reading
        await self.reading
        return self.words

    def kill(self, number: int = signal.SIGKILL) -> None:
        """It and what it started."""
        os.killpg(self.process.pid, number)


@dataclass
class Trial:
    """An agent before three peers."""

    agent: Agent
    cluster: Cluster
    folder: Path
    runs: int = field(default=0)

    @asynccontextmanager
    async def at_work(self, model: str, prompt: str, *more: str) -> AsyncIterator[Run]:
        """The agent with this prompt, in a new project with a bug."""
        self.runs += 1
        folder = self.folder / f"{self.runs}"
        url = self.cluster.peers["ada"].url
        project = folder / "project"
        files = {"project/area.py": coding_engine.PROGRAM, "project/check.py": coding_engine.CHECK}
        for path, holds in {**files, **self.agent.files(url, model)}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(holds)
        (folder / "home").mkdir(exist_ok=True)
        env = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "TERM": "dumb", **self.agent.env(url)}
        process = await asyncio.create_subprocess_exec(
            *self.agent.command(model, prompt.format(folder=project)), *more, env=env, cwd=project,
            start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        run = Run(process, project)

        async def read() -> None:
            assert process.stdout
            while piece := await process.stdout.read(1 << 16):
                run.said += piece

        run.reading = asyncio.create_task(read())
        try:
            yield run
        finally:
            if process.returncode is None:
                run.kill()
                await process.wait()
            run.reading.cancel()

    def behave(self, **fields: Any) -> None:
        """Have the engines of ben and cleo behave so, and forget what they were asked."""
        for name in ("ben", "cleo"):
            engine = self.cluster.engines[name]
            engine.asked.clear()
            for named, value in {"delay_s": 0.0, "token_s": 0.0, "apis": coding_engine.APIS, **fields}.items():
                setattr(engine, named, value)

    def asked(self, at_least: int) -> str:
        """Which of ben and cleo was asked so often; empty: none yet."""
        engines = self.cluster.engines
        return next((each for each in ("ben", "cleo") if len(engines[each].asked) >= at_least), "")

    async def by_whom(self, at_least: int, run: Run) -> str:
        """The one whose engine was asked so often, as soon as it was."""
        until = time.monotonic() + SOLVE_S
        while not (name := self.asked(at_least)):
            assert time.monotonic() < until and run.process.returncode is None, run.words[-300:]
            await asyncio.sleep(0.01)
        return name

    def require_solved(self, words: str, run: Run) -> str:
        """Raises AssertionError unless the bug is fixed, and the agent told what the check said."""
        assert coding_engine.RIGHT in (run.folder / "area.py").read_text(), f"not fixed: {words[-300:]}"
        assert coding_engine.CHECKED in words, f"the check was not run: {words[-300:]}"
        return "ok"

    async def solves(self, model: str, **behaviour: Any) -> str:
        self.behave(**behaviour)
        async with self.at_work(model, coding_engine.TASK) as run:
            return self.require_solved(await run.end(), run)

    async def solves_with_a_kill(self, after_s: float, **slowly: float) -> str:
        """It solves the task although the peer that answers is killed so long after an answer was asked for."""
        self.behave(**slowly)
        async with self.at_work("coder", coding_engine.TASK) as run:
            name = await self.by_whom(2 if self.agent.uses_tools else 1, run)
            await asyncio.sleep(after_s)
            peer, other = self.cluster.peers[name], self.cluster.engines[{"ben": "cleo", "cleo": "ben"}[name]]
            before = len(other.asked)
            await asyncio.to_thread(peer.stop, signal.SIGKILL)
            try:
                told = self.require_solved(await run.end(), run)
            finally:
                await asyncio.to_thread(lambda: peer.__enter__().wait_ready())
                await self.cluster.until_ready()
        assert len(other.asked) > before, "the other peer's engine went on"
        return told

    async def speaks(self, model: str, *more: str) -> str:
        """All words come, in their order."""
        self.behave()
        async with self.at_work(model, coding_engine.SPEAK, *more) as run:
            words = await run.end()
        assert "".join(coding_engine.WORDS).split() == re.findall(r"word\d+", words)[-100:], words[-300:]
        return "ok"

    async def speaks_with_a_kill(self) -> str:
        """The same, although the peer that answers is killed in the middle: the other's engine goes on."""
        self.behave()
        await self.cluster.until(self.may_both_go_on, timeout_s=60)
        self.behave(token_s=0.05)
        async with self.at_work("coder", coding_engine.SPEAK) as run:
            name = await self.by_whom(1, run)
            await asyncio.sleep(2)
            other = self.cluster.engines[{"ben": "cleo", "cleo": "ben"}[name]]
            await asyncio.to_thread(self.cluster.peers[name].stop, signal.SIGKILL)
            try:
                words = await run.end()
            finally:
                await asyncio.to_thread(lambda: self.cluster.peers[name].__enter__().wait_ready())
                await self.cluster.until_ready()
        assert "".join(coding_engine.WORDS).split() == re.findall(r"word\d+", words)[-100:], words[-300:]
        asked = [agents.begun(body, "input" if "input" in body else "messages") for body in other.asked]
        assert any(asked), "the other peer's engine was asked for the rest"
        return "ok"

    def may_both_go_on(self, seen: dict[str, list[dict[str, Any]]]) -> bool:
        """Whether it is known of ben and cleo that they go on, in each API."""
        apis = {"chat/completions", "messages", "responses"}
        going = [peer for peer in seen["ada"] if any(apis <= {*agent["continues"]} for agent in peer["agents"])]
        return {"ben", "cleo"} <= {peer["name"] for peer in going}

    async def is_told_of_an_unknown_model(self) -> str:
        """It ends, and says why."""
        async with self.at_work("nobody", coding_engine.SPEAK) as run:
            words = " ".join((await run.end()).split())
        assert self.agent.unknown in words, words[-300:]
        return f"`{self.agent.unknown}`"

    async def hangs_up(self) -> str:
        """It is stopped as by Ctrl-C; the engine at the other peer hears of it."""
        engines = [self.cluster.engines[name] for name in ("ben", "cleo")]
        self.behave()
        await self.cluster.until(self.may_both_go_on, timeout_s=60)  # what peers try of their engines is over
        self.behave(token_s=0.2)
        async with self.at_work("coder", coding_engine.SPEAK) as run:
            await self.by_whom(1, run)
            await asyncio.sleep(1)
            assert any(engine.active for engine in engines), "one works on it"
            run.kill(signal.SIGINT)
            began = time.monotonic()
            while any(engine.active for engine in engines) and time.monotonic() - began < 10:
                await asyncio.sleep(0.005)
            took_s = time.monotonic() - began
        assert took_s < CANCEL_S, f"the engine worked on for {took_s:.1f} s"
        return "ok"

    async def says_not_who_asks(self) -> str:
        """What came to other peers' engines names nobody."""
        asked = [body for name in ("ben", "cleo") for body in self.cluster.engines[name].asked]
        assert asked, "nothing was asked"
        named = {name for body in asked for name in WHO_ASKS if name in body}
        assert not named, named
        return "ok"


def checks_of(trial: Trial) -> dict[str, Callable[[], Awaitable[str]]]:
    in_one_piece = trial.agent.whole
    strict = {path: coding_engine.strict(api) for path, api in coding_engine.APIS.items()}
    return {
        "words, your own engine": lambda: trial.speaks("mine"),
        "words, another peer's": lambda: trial.speaks("coder"),
        **({} if in_one_piece is None else {"in one piece": lambda: trial.speaks("coder", *in_one_piece)}),
        "the task, your own engine": lambda: trial.solves("mine"),
        "the task, another peer's": lambda: trial.solves("coder"),
        "the task, an engine that refuses new fields": lambda: trial.solves("coder", apis=strict),
        "who asks is left out": trial.says_not_who_asks,
        **({} if trial.agent.speaks_chat else {"the task, an engine with chat alone": lambda: trial.solves("chatter")}),
        "words, the peer killed in an answer": trial.speaks_with_a_kill,
        "the task, the peer killed before an answer": lambda: trial.solves_with_a_kill(0.5, delay_s=1.0),
        "the task, the peer killed in an answer": lambda: trial.solves_with_a_kill(1.0, token_s=0.7),
        "an unknown model": trial.is_told_of_an_unknown_model,
        "Ctrl-C: the other engine ends within 1 s": trial.hangs_up,
    }


async def seen_by(name: str, only: str = "") -> dict[str, str]:
    """What the agent sees, by check."""
    every, chat = coding_engine.APIS, {"chat/completions": coding_engine.APIS["chat/completions"]}
    serving = (("ada", "mine", every), ("ben", "coder", every), ("cleo", "coder", every), ("dora", "chatter", chat))
    with tempfile.TemporaryDirectory() as folder:
        async with cluster_in(Path(folder)) as cluster:
            for peer, model, apis in serving:
                seeds = ("--seed", cluster.seed()) if cluster.peers else ()
                pages = {"/openapi.json": {"paths": {f"/v1/{path}": {} for path in apis}}}
                await cluster.start(
                    peer, *seeds, model=model, apis=apis, pages=pages, context_tokens=200_000, owned_by="scripted",
                    python=LITELLM / "bin" / "python",
                )  # fmt: skip
            await cluster.until_ready()
            trial = Trial(AGENTS[name], cluster, Path(folder) / "runs")
            return {
                what: await _told(check) for what, check in checks_of(trial).items() if only.lower() in what.lower()
            }


async def _told(check: Callable[[], Awaitable[str]]) -> str:
    try:
        return await check()
    except (AssertionError, TimeoutError) as error:
        return f"failed: {error}"[:600]


def main(name: str, only: str = "") -> None:
    told = asyncio.run(seen_by(name, only))
    print(json.dumps({"version": AGENTS[name].version(), "seen": told}))


if __name__ == "__main__":
    main(*sys.argv[1:])
