"""A scripted engine of Responses and Messages that says all that Open Responses wants said; two peers before two such.

It calls the first tool that is offered, says words when it is told what the tool found, and many where many are asked.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import agents
from tests.e2e.network import SECRET
from tests.e2e.peer import PeerProcess
from tests.fakes import ScriptedEngine

MANY = "Say many words."
WORD_S = 0.05  # s between two events
# What Open Responses wants in each response besides what agents.py says, with what it is where nothing else is asked.
RESOURCE: dict[str, Any] = {
    "completed_at": None, "incomplete_details": None, "previous_response_id": None, "instructions": None, "error": None,
    "truncation": "disabled", "text": {"format": {"type": "text"}}, "temperature": 1.0, "top_p": 1.0,
    "presence_penalty": 0.0, "frequency_penalty": 0.0, "top_logprobs": 0, "reasoning": None, "usage": None,
    "max_output_tokens": None, "max_tool_calls": None, "background": False, "service_tier": "default", "metadata": {},
    "safety_identifier": None, "prompt_cache_key": None,
}  # fmt: skip


def _said(turns: Any) -> agents.Said | None:
    return tuple(f"word{number} " for number in range(200)) if MANY in json.dumps(turns) else None


def _responses(body: agents.Asked) -> Any:
    told = agents.responses(body, _said(body["input"]))
    echo = {name: body[name] for name in RESOURCE if body.get(name) is not None}
    if isinstance(told, dict):
        return {**RESOURCE, **echo, **told, "completed_at": 2}
    return [_completed(event, {**RESOURCE, **echo}) for event in told]


def _completed(event: bytes, resource: dict[str, Any]) -> bytes:
    name, _, data = event.partition(b"\ndata: ")
    fields = json.loads(data)
    if "response" in fields:
        fields["response"] = {**resource, **fields["response"]}
    return name + b"\ndata: " + json.dumps(fields).encode() + b"\n\n"


APIS = {
    "responses": _responses,
    "messages": lambda body: agents.messages(body, _said(body["messages"])),
    "messages/count_tokens": agents.count_tokens,
}


@contextmanager
def before_two(folder: Path) -> Iterator[str]:
    """URLs: of a peer, of its engine, which has the model `mine`, and of another peer's engine, which has `theirs`."""
    pages: dict[str, object] = {**agents.OPENAPI}
    with (
        ScriptedEngine(model="mine", apis=APIS, pages=pages, token_s=WORD_S).serving_beside() as mine,
        ScriptedEngine(model="theirs", apis=APIS, pages=pages, token_s=WORD_S).serving_beside() as theirs,
        PeerProcess(folder / "ada", "--name", "ada", "--engine", mine.url, env=SECRET) as ada,
    ):
        for engine in (mine, theirs):
            engine.pages = {**pages, "/active": lambda body, engine=engine: {"active": engine.active}}
        seed = ada.wait_ready().get("/ppai/v1/status")[1]["network"]["addresses"][0]
        with PeerProcess(folder / "ben", "--name", "ben", "--engine", theirs.url, "--seed", seed, env=SECRET) as ben:
            ben.wait_ready()
            ada.wait(lambda: _knows(ada), "to know the other peer")
            yield f"{ada.url} {mine.url} {theirs.url}"


def _knows(peer: PeerProcess) -> bool:
    """Whether it may ask the other."""
    return any(other["rights"] and other["admission"] == "open" for other in peer.get("/ppai/v1/peers")[1])
