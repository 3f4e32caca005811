"""Speaks with the peer that serves from a home, over HTTP: which model it runs, and to hand it a vector."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profiler.answers import make_of
from profiler.engine import Engine, EngineError, open_session, request_json


class PeerError(RuntimeError):
    """The running peer cannot be used; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running peer, as its home's running.json names it."""

    url: str
    token: str  # proves to the peer that its owner is asking


def running_peer(home: Path) -> Peer | None:
    """The peer that serves from this home; None where none runs. Raises PeerError for a damaged running.json.

    A running peer holds the home's lock (gateway/home/lock.py). Without that, the file was left by a crash, and its
    port may be another user's by now.
    """
    file = home / "running.json"
    try:
        if not _is_held(home / "running.lock"):
            return None
        found = json.loads(file.read_text(encoding="utf-8"))
        return Peer(str(found["url"]), str(found["token"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise PeerError(f"cannot read {file}: {error!r}. Restart the peer: ppai serve") from error


def required_peer(home: Path) -> Peer:
    """The peer that serves from this home. Raises PeerError, also where none does."""
    peer = running_peer(home)
    if peer is None:
        raise PeerError(
            f"no peer runs from {home}. Start one: ppai serve. Or measure an engine: ppai-profile --engine URL"
        )
    return peer


async def engine_of(peer: Peer, model: str | None) -> Engine:
    """The peer's own engine, to be asked through the peer; its first model unless one is named. Raises PeerError."""
    owner = {"authorization": f"Bearer {peer.token}"}
    try:
        async with open_session(10.0, owner) as session:
            status = await request_json(session, "GET", f"{peer.url}/ppai/v1/status")
        models = {name: found for found in status["engine"]["models"] if (name := str(found["id"])).isprintable()}
    except (EngineError, KeyError, TypeError) as error:
        raise PeerError(f"the peer at {peer.url} does not say which engine it has ({error}). Restart it") from error
    if not models:
        raise PeerError(f"the peer at {peer.url} has no engine to measure. See: ppai status")
    if model is not None and model not in models:
        raise PeerError(f"the peer's engine serves {', '.join(models)}, not {model}")
    name = model or next(iter(models))
    make = make_of(models[name].get("parameters") or 0, models[name].get("quantisation") or "")
    return Engine(peer.url, name, {"x-ppai-route": "local", **owner}, make)


@dataclass(frozen=True, slots=True)
class PersonalAgent:
    """An agent of the peer's, as it is asked, and its model alone; and the file of its owner's questions."""

    asked: Engine
    alone: Engine
    questions: Path | None


async def agent_of(peer: Peer, name: str) -> PersonalAgent:
    """A personal agent of the peer, to be asked through it, as another peer would ask it. Raises PeerError."""
    owner = {"authorization": f"Bearer {peer.token}", "x-ppai-route": "local"}
    try:
        async with open_session(10.0, owner) as session:
            await request_json(session, "POST", f"{peer.url}/ppai/v1/agents/look", {})  # a file may have just changed
            status = await request_json(session, "GET", f"{peer.url}/ppai/v1/status")
        rows = {str(row["name"]): row for row in status["measuring"]["agents"] if row.get("base")}
    except (EngineError, KeyError, TypeError, AttributeError) as error:
        raise PeerError(f"the peer at {peer.url} does not say which agents it has ({error}). Restart it") from error
    if name not in rows:
        named = ", ".join(rows) or "none"
        raise PeerError(f"the peer serves no personal agent `{name}`; it serves: {named}. See: ppai status")
    row = rows[name]
    asked = Engine(peer.url, name, {**owner, "x-ppai-as-peer": "1"}, str(row.get("make", "")))
    alone = Engine(peer.url, str(row["base"]), owner, str(row.get("base_make", "")))
    return PersonalAgent(asked, alone, Path(row["questions_file"]) if row.get("questions_file") else None)


async def publish_owned(peer: Peer, agent: str) -> dict[str, Any]:
    """Have the peer publish what the owner's questions found, from the stored answers: what it tells others of them.

    Raises PeerError when the peer does not.
    """
    try:
        async with open_session(30.0, {"authorization": f"Bearer {peer.token}"}) as session:
            found = await request_json(session, "POST", f"{peer.url}/ppai/v1/domain", {"agent": agent})
        return {key: found[key] for key in ("questions", "right", "right_without", "recall", "seq")}
    except (EngineError, KeyError, TypeError) as error:
        raise PeerError(f"the peer did not take what was found: {error}. What was answered is kept") from error


async def gate_of(peer: Peer) -> tuple[Path | None, str]:
    """(folder, encoder's name) of the gate that the peer routes with; no folder: the shipped gate. Raises PeerError."""
    try:
        async with open_session(10.0, {"authorization": f"Bearer {peer.token}"}) as session:
            gate = (await request_json(session, "GET", f"{peer.url}/ppai/v1/status")).get("gate", {})
        folder = gate.get("folder")  # a peer of an older version, which names none, has the shipped gate
        return (Path(folder) if folder else None), str(gate.get("encoder_model", ""))
    except (EngineError, AttributeError, TypeError) as error:
        raise PeerError(f"the peer at {peer.url} does not say which gate it has ({error}). Restart it") from error


async def require_space(peer: Peer, space: str) -> None:
    """Raises PeerError where the peer's gate is of another space, in which our vector would mean nothing."""
    try:
        async with open_session(10.0, {"authorization": f"Bearer {peer.token}"}) as session:
            status = await request_json(session, "GET", f"{peer.url}/ppai/v1/status")
        theirs = str(status["gate"]["space"])
    except (EngineError, KeyError, TypeError):
        return  # a peer without a gate refuses the vector, and says why
    if theirs != space:
        raise PeerError(
            f"the peer's gate is of space {theirs}, ours of {space}: both must be of one PPAI. Restart the peer"
            " (ppai serve) with this one's version, or measure without it: --no-publish. Nothing was asked,"
            " what was measured before is kept"
        )


async def publish(
    peer: Peer, space: str, agent: str, values: Sequence[float], evidence: Sequence[int], make: str = ""
) -> int:
    """Hand the peer its agent's vector (K,) with evidence (K,), to sign and spread: the new card's seq.

    `make`: of a personal agent, which must not have changed meanwhile.

    Raises PeerError when the peer does not take it.
    """
    body: dict[str, Any] = {"space": space, "agent": agent, "capability": list(values), "evidence": list(evidence)}
    body |= {"make": make} if make else {}
    try:
        async with open_session(30.0, {"authorization": f"Bearer {peer.token}"}) as session:
            reply = await request_json(session, "POST", f"{peer.url}/ppai/v1/profile", body)
        return int(reply["seq"])
    except (EngineError, KeyError, TypeError, ValueError) as error:
        raise PeerError(f"the peer did not take the vector: {error}. What was measured is kept") from error


def _is_held(lock: Path) -> bool:
    with lock.open("rb") as file:
        import fcntl  # absent on Windows, where no peer makes this file

        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
