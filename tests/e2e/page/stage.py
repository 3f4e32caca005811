"""The page on a stage: its real files and stream, before a made-up network of any size.

    python -m tests.e2e.page.stage --peers 200 --port 8600

prints the link. What it shows comes from a seed: the same every time.
"""

import argparse
import asyncio
import contextlib
import random
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from discovery.names import spoken
from gateway.client.calls import Calls
from gateway.client.page.files import page_files
from gateway.client.page.loads import EVERY_S, Loads
from gateway.client.page.page import _after, _shown
from gateway.client.page.watching import Watching
from gateway.telemetry.recent import KEPT

CATEGORIES = (
    *("advice", "coding", "data analysis", "facts", "food", "French", "gibberish", "history", "law", "maths"),
    *("medicine", "poems and songs", "science", "shell and linux", "sql", "stories", "summarising", "translation"),
)
NAMES = (
    *("ben", "workstation", "nas", "mila", "lab-gpu-1", "lab-gpu-2", "kitchen", "office-mac", "otto", "studio"),
    *("garage", "atelier", "phone-box", "loft", "cleo"),
)
MODELS = (
    "qwen3-32b",
    "gemma3-12b",
    "llama-3.3-70b",
    "mistral-small-24b",
    "deepseek-r1-8b",
    "phi4-14b",
    "qwen2.5-coder-7b",
)
FIRST = ("alive", "alive", "alive", "alive", "alive", "suspect", "alive", "alive", "dead")  # the states of the first
REASONS = ("best", "best", "best", "topic", "local_idle", "explored", "pinned", "unfamiliar")
WHY = {"alive": "", "suspect": "no pulse for 6 s", "dead": "no pulse for 20 s", "left": "said goodbye"}
TOKEN = "owner-of-the-stage"


class Stage:
    """A made-up peer with others around it; `tick` lets time pass."""

    def __init__(self, peers: int, seed: int = 1, hostile: bool = False) -> None:
        """`hostile`: one peer is called as if it were markup."""
        self.rng = random.Random(seed)
        self.values_now: dict[str, Any] = {}
        self.requests = 0
        self.peers = [self._peer(n, hostile) for n in range(peers)]
        self.values_now |= self._own()
        for peer in self.peers:
            self._show(peer)
        self.tick()

    def loads(self) -> dict[str, tuple[int, int] | None]:
        found = {key[5:]: value for key, value in self.values_now.items() if key.startswith("load/")}
        return {peer: (load[0], load[1]) if load[0] is not None else None for peer, load in found.items()}

    def values(self) -> Iterator[tuple[str, bytes]]:
        return ((key, msgspec.json.encode(value)) for key, value in dict(self.values_now).items())

    def tick(self) -> None:
        """Loads move."""
        for peer in self.peers:
            load = self.values_now[f"load/{peer['id']}"]
            if peer["state"] == "alive":
                load[0] = max(0, min(peer["slots"], load[0] + self.rng.choice((-1, 0, 0, 1))))
                load[1] = max(0, load[1] + self.rng.choice((-1, 0, 1))) if load[0] == peer["slots"] else 0
        own = self.values_now["load/me"]
        own[0] = max(0, min(2, own[0] + self.rng.choice((-1, 0, 1))))

    def ask(self, *, is_running: bool = False, peer: str | None = None) -> int:
        """One request came, and ended unless it still runs. Its number."""
        self.requests += 1
        number, alive = self.requests, [one for one in self.peers if one["state"] == "alive" and one["rights"]]
        by = peer or (self.rng.choice(alive)["shown"] if alive and self.rng.random() < 0.7 else "ada")
        status = (
            "running" if is_running else self.rng.choices(("ok", "failed", "cancelled", "refused"), (92, 3, 3, 2))[0]
        )
        tokens = self.rng.randint(20, 900)
        latency = round(tokens / self.rng.uniform(15, 90), 3)
        self.values_now[f"request/{number}"] = {
            "at": round(time.time(), 3),
            "request": f"{number:032x}",
            "endpoint": "chat/completions",
            "asked": "auto",
            "peer": None if status == "refused" else by,
            "model": self.rng.choice(MODELS),
            "reason": "model_not_found" if status == "refused" else self.rng.choice(REASONS),
            "score": 0.8,
            "attempts": 1 if self.rng.random() < 0.95 else 2,
            "status": status,
            "ttft_s": round(latency * 0.1, 4),
            "latency_s": latency,
            "prompt_tokens": 40,
            "tokens": tokens,
            "is_running": is_running,
            "is_explained": True,
        }
        self.values_now.pop(f"request/{number - KEPT}", None)
        return number

    def decision(self, number: int) -> dict[str, Any]:
        """Who was judged, with numbers that fit the formula."""
        rng, beta = random.Random(number), 0.012
        rows = []
        for peer in [{"shown": "ada", "local": True}, *self.peers]:
            excluded = peer.get("local") is None and (
                {"dead": "dead", "suspect": "suspect"}.get(peer["state"])
                or (None if peer["rights"] else "not_approved")
            )
            wait, service = rng.choice((0, 0, 1.2, 4.0)), rng.uniform(0.8, 8.0)
            transit, risk, crowding = rng.uniform(0.001, 0.05), rng.uniform(0.1, 0.9), rng.uniform(0, 0.6)
            score, cost = rng.uniform(0.35, 0.95), wait + service + transit + risk + crowding
            rows.append(
                {
                    "peer": peer["shown"],
                    "agent": rng.choice(MODELS),
                    "model": rng.choice(MODELS),
                    "local": bool(peer.get("local")),
                    "score": score,
                    "profiled": True,
                    "kind": "model",
                    "base": None,
                    "tools": [],
                    "basis": "measured on 14 questions of coding",
                    "wait_s": wait,
                    "service_s": service,
                    "transit_s": transit,
                    "risk_s": risk,
                    "crowding_s": crowding,
                    "cost_s": cost,
                    "utility": score - beta * cost,
                    "excluded": excluded or None,
                }
            )
        rows.sort(key=lambda row: (row["excluded"] is not None, -row["utility"]))
        about = {
            "category": "coding",
            "familiar": True,
            "forms": [],
            "prompt_tokens": 40,
            "needs": [],
            "top": [["coding", 0.61], ["shell and linux", 0.2], ["sql", 0.1], ["data analysis", 0.05]],
        }
        privacy = {"to": "anyone", "rule": None, "told": True}
        return {
            "number": number,
            "reason": "best",
            "beta_per_s": beta,
            "about": about,
            "privacy": privacy,
            "candidates": rows,
        }

    def _peer(self, n: int, hostile: bool) -> dict[str, Any]:
        rng, peer = self.rng, "".join(self.rng.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(52))
        name = NAMES[n] if n < len(NAMES) else f"{rng.choice(NAMES)}-{n}"
        if hostile and n == 0:
            name = "<img src=x onerror=alert(1)>"
        chosen = rng.choices(("alive", "suspect", "dead", "left"), (84, 6, 6, 4))[0]
        state = FIRST[n] if n < len(FIRST) else chosen
        rights = [] if n % 7 == 4 else ["answer", "ask"]
        verdict = {"verdict": "like", "words": "behaves like it claims", "asked": 24, "right": 22.0, "weight": 8.0}
        return {
            "id": peer,
            "words": spoken(peer),
            "name": name,
            "shown": name,
            "state": state,
            "reason": WHY[state],
            "rights": rights,
            "waiting": not rights and state in ("alive", "suspect"),
            "mine": n % 3 == 0 and bool(rights),
            "refuses_us": None,
            "relayed": n == 6,
            "addresses": [f"192.168.1.{n % 250 + 2}:8471"],
            "path": None if n % 11 == 5 else f"192.168.1.{n % 250 + 2}:8471",
            "slots": rng.choice((1, 2, 4, 8, 16)),
            "gen": 1,
            "equivocated": False,
            "trust": verdict if n % 2 else None,
        }

    def _agent(self, model: str, is_measured: bool) -> dict[str, Any]:
        rng = self.rng
        good = [round(rng.betavariate(5, 2), 3) if rng.random() < 0.8 else None for _ in CATEGORIES]
        return {
            "name": model,
            "model": model,
            "kind": "model",
            "base": None,
            "tools": [],
            "topics": [],
            "domain": None,
            "description": "",
            "context_tokens": 32768,
            "modalities": ["text"],
            "untold": [],
            "continues": [],
            "place": "here",
            "embedded": False,
            "parameters": 7_000_000_000,
            "quantisation": "Q4_K_M",
            "prior": f"prior from the name: {model}",
            "good": good if is_measured else None,
            "evidence": [0 if value is None else rng.randint(2, 20) for value in good] if is_measured else None,
        }

    def _show(self, peer: dict[str, Any]) -> None:
        self.values_now[f"peer/{peer['id']}"] = peer
        running = self.rng.randint(0, peer["slots"]) if peer["state"] == "alive" else None
        rtt_ms = self.rng.choice((0.4, 1.2, 3.5, 18.0))
        self.values_now[f"load/{peer['id']}"] = [running, 0 if running is not None else None, "open", rtt_ms]
        agents = [
            self._agent(model, self.rng.random() < 0.8) for model in self.rng.sample(MODELS, self.rng.randint(1, 2))
        ]
        self.values_now[f"good/{peer['id']}"] = agents
        self.values_now[f"tab/{peer['id']}"] = {
            "id": peer["id"],
            "name": peer["name"],
            "mine": peer["mine"],
            "weight": 0.2,
            "newcomer": False,
            "exposure": 0,
            "got": {"answers": 41, "prompt_tokens": 9000, "tokens": 21000, "signed": None},
            "given": {"answers": 17, "prompt_tokens": 4100, "tokens": 8800, "signed": None},
        }

    def _own(self) -> dict[str, Any]:
        me = "".join(self.rng.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(52))
        engine = {
            "name": "ollama",
            "origin": "Ollama found on port 11434",
            "not_adopted": [],
            "problem": None,
            "family": "ollama",
            "place": "here",
            "slots": 2,
            "running": 1,
            "waiting": 0,
            "load_source": "counted",
            "in_flight": 1,
            "remote_running": 0,
            "admission": "open",
            "models": [
                {
                    "id": "qwen3-8b",
                    "context_tokens": 32768,
                    "loaded": True,
                    "abilities": ["tools"],
                    "profiled": True,
                    "parameters": 8e9,
                    "quantisation": "Q4_K_M",
                },
                {
                    "id": "gemma3-4b",
                    "context_tokens": 8192,
                    "loaded": False,
                    "abilities": ["image"],
                    "profiled": False,
                    "parameters": 4e9,
                    "quantisation": "Q8_0",
                },
            ],
        }
        return {
            "me": {
                "id": me,
                "words": spoken(me),
                "name": "ada",
                "version": "0.1.0",
                "url": "http://127.0.0.1:8470",
                "network": "home",
                "admission": "tofu",
                "addresses": ["192.168.1.10:8471"],
                "categories": CATEGORIES,
                "reading": None,
                "missing": [],
                "say": [],
                "identity_in_use": False,
                "slots": 2,
            },
            "sharing": {"kept_shut": None, "is_draining": False, "others": 1},
            "engine/ollama": engine,
            "load/me": [1, 0, "open", None],
            "good/me": [self._agent("qwen3-8b", True), self._agent("gemma3-4b", False)],
            "rule/secrets": {
                "name": "secrets",
                "to": "my machines",
                "held": 3,
                "when": "with what looks like private_key or api_key or token or card or iban",
            },
            "rule/health": {"name": "health", "to": "this machine", "when": "about medicine", "held": 12},
        }


def stage_app(stage: Stage, watching: Watching, token: str, wants_key: bool) -> Starlette:
    """The page before the stage: files and stream as they are, calls that answer something."""
    calls = Calls()
    for path, file in page_files().items():
        calls.get(path)(_shown(file))

    @calls.post("/page/enter")
    async def enter(_: Request) -> dict[str, str]:
        return {"token": token}

    @calls.get("/ppai/v1/watch")
    async def watch(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        is_owner = given == f"Bearer {token}"
        if wants_key and not is_owner:
            return Response(status_code=401)
        events = watching.stream(request.headers.get("last-event-id", ""), lambda: is_owner, says_owner=bool(given))
        return StreamingResponse(_after(await anext(events), events), media_type="text/event-stream")

    @calls.get("/ppai/v1/decisions/{which}")
    async def decision(request: Request) -> dict[str, Any]:
        which: str = request.path_params["which"]
        return stage.decision(int(which) if which.isdigit() else stage.requests)

    @calls.get("/v1/models")
    async def models(_: Request) -> dict[str, Any]:
        return {"data": [{"id": name} for name in ("auto", *MODELS)]}

    @calls.post("/ppai/v1/{rest:path}")
    async def done(_: Request) -> dict[str, Any]:
        return {"peer": "x", "name": "x", "rights": [], "kept_shut": None}

    return Starlette(routes=calls.all)


@asynccontextmanager
async def staged(stage: Stage, port: int = 0, *, token: str = TOKEN, wants_key: bool = False) -> AsyncIterator[str]:
    """The stage on loopback: its URL. `token` is the owner's in this run; `wants_key`: others need an API key."""
    watching = Watching(stage, str(time.monotonic_ns()), time.monotonic)
    watching._loads = _past(stage)
    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(
        uvicorn.Config(stage_app(stage, watching, token, wants_key), log_level="warning", lifespan="off")
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    running = asyncio.create_task(watching.run())
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        watching.end()
        running.cancel()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await serving


def _past(stage: Stage) -> Loads:
    """Five minutes that are made up."""
    loads = Loads()
    for n in range(60):
        stage.tick()
        loads.look(time.monotonic() + (n - 60) * EVERY_S, stage.loads)
    return loads


async def _main(peers: int, port: int) -> None:
    stage = Stage(peers)
    async with staged(stage, port) as url:
        print(f"{url}/#{'ticket' * 4}", flush=True)
        running: list[int] = []
        for _ in range(40):
            stage.ask()
        while True:
            await asyncio.sleep(0.5)
            stage.tick()
            running.append(stage.ask(is_running=True))
            if len(running) > 2:
                ended = stage.values_now.get(f"request/{running.pop(0)}")
                if ended:
                    ended |= {"status": "ok", "is_running": False}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", type=int, default=7)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(arguments.peers, arguments.port))
