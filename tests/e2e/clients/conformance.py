"""Which client sees what of a peer in front of which engine: each in its own process, and the page about it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.e2e.clients import coding_agents
from tests.e2e.clients.api_engine import before_two
from tests.e2e.clients.environments import AGENTS, CLIENTS, KERNELS, LITELLM, NODE_MODULES, NODE_OPENAI, ROOT
from tests.e2e.clients.tool_engine import ToolEngine
from tests.e2e.peer import PeerProcess
from tests.e2e.vllm_env import OPENAI3, VLLM_PACKAGE
from tests.e2e.vllm_server import VllmServer

PAGE = ROOT / "docs" / "clients.md"
HERE = Path(__file__).parent
HEAD = """\
# Clients

The tables show what unmodified clients get from a peer, whichever engine is behind it. `python -m tests.e2e.clients`
writes this page, after `python -m tests.e2e.vllm_env` and `python -m tests.e2e.clients.environments`; with a word
behind it only the tables in whose title the word stands. Where a check wants an error, the cell holds the error as the
client names it. A dash means that the client has no such call, or that it is not tried. What is checked is the form of
an answer, never its words.

SmolLM2, the model of both engines, has no place for tools in its chat template. llama.cpp tells so, and PPAI then
refuses tools, since the engine would ignore them. vLLM does not tell, and calls tools all the same. Frameworks are
tried before the embedded engine, and before a scripted one that calls tools: whether a model of 135M does is chance.

## How long a client waits

A stream with nothing to say yet (a long prefill, a cold load, a queue) says that it lives: an engine's comments pass,
and after `client.keepalive_s` (10) without an event comes `: ppai waiting`, with ` loaded=42%` behind it where the
engine tells how far it is with loading the model. So a read timeout above that holds through any prefill. A stream that
begins so has its headers already; before its first event then stands
`: ppai peer=NAME model=MODEL score=S cost-s=S reason=WHY attempts=N` (a blank in a name is `%20`), and a refusal is the
error event of the API, with `retry-after=S` in that comment. The SDKs read over comments.

An answer in one piece cannot say that it lives: the client's own timeout governs, and `client.answer_timeout_s` (600).
It is 600 s in the SDKs of OpenAI and Anthropic (`timeout=`), 300 s in aiohttp (`total`) and in fetch of Node (to the
head, and between two pieces), 60 s in nginx before a peer (`proxy_read_timeout`), 5 s in httpx alone; curl and requests
wait for ever. Whoever expects minutes asks for a stream.

## Coding agents

They are answered by whichever approved peer's engine has the API that they speak (vLLM, SGLang and llama.cpp tell of
`/v1/responses` and `/v1/messages`; others are tried).

- Codex CLI, in `~/.codex/config.toml`: `model_provider = "ppai"`, `web_search = "disabled"`, and a table
  `[model_providers.ppai]` with `name = "ppai"`, `base_url = "http://127.0.0.1:8470/v1"` and `wire_api = "responses"`.
- Claude Code: `ANTHROPIC_BASE_URL=http://127.0.0.1:8470 ANTHROPIC_AUTH_TOKEN=none claude --model NAME`.
- opencode, in `opencode.json`: a provider with `"npm": "@ai-sdk/openai-compatible"` and
  `"options": {"baseURL": "http://127.0.0.1:8470/v1"}`.
- aider: `OPENAI_API_BASE=http://127.0.0.1:8470/v1 OPENAI_API_KEY=none aider --model openai/NAME`.

A tool that an engine would run keeps a request at your own engine, as `field:tools.web_search`; therefore Codex is told
that it has none. What names you or your machine is left out on the way
([protocol](protocol.md#responses-and-messages)). Ids of responses are known to your own engine alone.

Where nobody has `/v1/responses` or `/v1/messages`, and `pip install 'ppai[litellm]'` was said where the program asks,
the request is said as a chat, and the chat's answer as if it were not one. Whoever is asked knows of a chat alone, so
peers of any version do, and an answer that breaks off goes on elsewhere, as a chat does. What needs a stored answer or
a tool of the engine's stays a 404.

The table is of the real programs, in a network namespace where there is nothing but their peers. One is asked; two
others serve a model that it has not, and a fourth has an engine with chat alone. The task is a file with a bug, which
is to be read and changed, and a check, which is to be run: by the program's own tools, which a scripted engine calls
(tests/e2e/clients/coding_engine.py).

The table of SDKs has the cases of the compliance tests of [Open Responses](https://www.openresponses.org), written
anew, before an engine that says all that these want. A peer passes on what an engine says: llama.cpp leaves out fields
that they want, before a peer as without one.
"""


@dataclass(frozen=True)
class Seen:
    """What one client saw: by check, "ok", the error that was wanted, or "failed: ..."."""

    version: str
    checks: Mapping[str, str]


def python_client(python: Path, client: str) -> Callable[[str], Seen]:
    return lambda url: _run(str(python), str(HERE / "python_clients.py"), client, url)


def node_client(url: str) -> Seen:
    return _run("node", str(HERE / "node_client.mjs"), url, str(NODE_OPENAI))


def python_framework(environment: Path, framework: str) -> Callable[[str], Seen]:
    return lambda url: _run(str(environment / "bin" / "python"), str(HERE / "framework_clients.py"), framework, url)


def node_framework(framework: str) -> Callable[[str], Seen]:
    return lambda url: _run("node", str(HERE / "node_frameworks.mjs"), framework, url, str(NODE_MODULES))


def python_api(python: Path, client: str) -> Callable[[str], Seen]:
    return lambda urls: _run(str(python), str(HERE / "api_clients.py"), client, urls)


def node_api(client: str) -> Callable[[str], Seen]:
    return lambda urls: _run("node", str(HERE / "node_apis.mjs"), client, urls, str(NODE_MODULES))


def coding_agent(name: str) -> Callable[[str], Seen]:
    """It makes its own peers, and none is before it."""
    alone = (*coding_agents.ALONE, *coding_agents.WITH_LOOPBACK)
    program = (sys.executable, "-m", "tests.e2e.clients.coding_agents", name)
    return lambda url: _run(*alone, *program, timeout_s=900)


def curl(url: str) -> Seen:
    """The shell's client: what it prints, byte for byte."""
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    chat = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 8, "ignore_eos": True}
    streamed = _curl(url, "/v1/chat/completions", {**chat, "stream": True})
    whole = json.loads(_curl(url, "/v1/chat/completions", chat))
    unknown = json.loads(_curl(url, "/v1/chat/completions", {**chat, "model": "nobody"}))
    return Seen(
        version,
        {
            "models": "ok" if "auto" in _curl(url, "/v1/models") else "failed",
            "chat": "ok" if whole["choices"][0]["message"]["content"] else "failed",
            "chat, streamed": "ok" if streamed.endswith("data: [DONE]\n\n") else "failed",
            "an unknown model": f"`{unknown['error']['code']}`",
        },
    )


SUITE: dict[str, Callable[[str], Seen]] = {
    "openai 2.x": python_client(Path(sys.executable), "openai"),
    "openai 3.x": python_client(OPENAI3 / "bin" / "python", "openai"),
    "openai for Node": node_client,
    "langchain-openai": python_client(CLIENTS / "bin" / "python", "langchain-openai"),
    "litellm": python_client(LITELLM / "bin" / "python", "litellm"),
    "anthropic": python_client(CLIENTS / "bin" / "python", "anthropic"),
    "curl": curl,
}
OF_AGENTS = ("llama-index", "pydantic-ai", "instructor", "openai-agents", "smolagents", "ollama, its own API")
OF_KERNELS = ("haystack", "semantic-kernel", "dspy", "llm, the command")
OF_NODE = ("ai-sdk", "langchain-js")
FRAMEWORKS: dict[str, Callable[[str], Seen]] = {
    **{name: python_framework(AGENTS, name) for name in OF_AGENTS},
    **{name: python_framework(KERNELS, name) for name in OF_KERNELS},
    **{name: node_framework(name) for name in OF_NODE},
}


SDKS: dict[str, Callable[[str], Seen]] = {
    "openai": python_api(CLIENTS / "bin" / "python", "openai"),
    "openai for Node": node_api("openai"),
    "ai-sdk, Responses": node_api("ai-sdk, Responses"),
    "Open Responses": python_api(Path(sys.executable), "open-responses"),
    "anthropic": python_api(CLIENTS / "bin" / "python", "anthropic"),
    "anthropic for Node": node_api("anthropic"),
    "ai-sdk, Messages": node_api("ai-sdk, Messages"),
}
CODING: dict[str, Callable[[str], Seen]] = {name: coding_agent(name) for name in coding_agents.AGENTS}


@contextmanager
def before_nothing(folder: Path) -> Iterator[str]:
    yield ""


@contextmanager
def before_llamacpp(folder: Path) -> Iterator[str]:
    """The URL of a peer with its embedded engine."""
    with PeerProcess(folder / "home", "--engine", "embedded") as peer:
        yield peer.wait_ready().url


@contextmanager
def before_vllm(folder: Path) -> Iterator[str]:
    """The URL of a peer in front of the real vLLM on the CPU."""
    with VllmServer(folder / "vllm.log") as vllm, PeerProcess(folder / "home", "--engine", vllm.url) as peer:
        yield peer.wait_ready().url


@contextmanager
def before_tools(folder: Path) -> Iterator[str]:
    """The URL of a peer in front of a scripted engine, which calls tools."""
    with ToolEngine().serving_beside() as engine, PeerProcess(folder / "home", "--engine", engine.url) as peer:
        yield peer.wait_ready().url


LLAMACPP = f"llama.cpp, the embedded engine (xllamacpp {version('xllamacpp')})"
VLLM = f"vLLM on the CPU ({VLLM_PACKAGE.replace('==', ' ')})"
TOOLS = "A scripted engine that calls tools (tests/e2e/clients/tool_engine.py)"
APIS = "SDKs of Responses and Messages before two peers, whose engines are scripted (tests/e2e/clients/api_engine.py)"
CODERS = "Coding agents before several peers, whose engines are scripted"
TABLES: dict[str, tuple[Callable[[Path], AbstractContextManager[str]], Mapping[str, Callable[[str], Seen]]]] = {
    CODERS: (before_nothing, CODING),
    APIS: (before_two, SDKS),
    LLAMACPP: (before_llamacpp, SUITE),
    VLLM: (before_vllm, SUITE),
    f"Frameworks before {LLAMACPP}": (before_llamacpp, FRAMEWORKS),
    f"Frameworks before {TOOLS[0].lower() + TOOLS[1:]}": (before_tools, FRAMEWORKS),
}


def page(tables: Mapping[str, str]) -> str:
    """docs/clients.md, with these tables under their titles."""
    return HEAD + "".join(f"\n## {title}\n\n{table}\n" for title, table in tables.items())


def table(clients: Mapping[str, Seen]) -> str:
    """A column a client, a row a call."""
    rows = list(dict.fromkeys(check for client in clients.values() for check in client.checks))
    lines = ["| | " + " | ".join(f"{name} ({client.version})" for name, client in clients.items()) + " |"]
    lines += ["|---" * (len(clients) + 1) + "|"]
    lines += [
        f"| {row} | " + " | ".join(client.checks.get(row, "-") for client in clients.values()) + " |" for row in rows
    ]
    return "\n".join(lines)


def said(title: str) -> str:
    """The table of this title as the page has it, whichever version the engine was of then."""
    start = f"\n## {title.partition('(')[0]}"
    return PAGE.read_text(encoding="utf-8").partition(start)[2].partition("\n\n")[2].partition("\n## ")[0].strip()


def _run(*command: str, timeout_s: float = 180) -> Seen:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, cwd=ROOT)
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return Seen(told["version"], told["seen"])


def _curl(url: str, path: str, body: object = None) -> str:
    posted = [] if body is None else ["-H", "content-type: application/json", "-d", json.dumps(body)]
    return subprocess.run(
        ["curl", "-sS", "-N", *posted, url + path], capture_output=True, text=True, check=True, timeout=60
    ).stdout
