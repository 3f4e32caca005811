"""What a peer says about itself when asked: models, readiness, status. Read-only views for people and their tools."""

from typing import Any

from gateway.engines.local import LocalEngine
from gateway.node import Node
from gateway.openai_wire import VIRTUAL_MODEL


def model_entries(node: Node) -> list[dict[str, Any]]:
    """The entries of /v1/models: `auto`, and every model that somebody serves, with who serves it."""
    roster = node.roster
    entries: dict[str, dict[str, Any]] = {}
    for index, model in enumerate(roster.models):
        entry = entries.setdefault(model, _entry(model))
        _widen(entry, int(roster.context_tokens[index]), roster.modalities[index])
        if roster.peer_names[index] not in entry["ppai"]["peers"]:
            entry["ppai"]["peers"].append(roster.peer_names[index])
    auto = _entry(VIRTUAL_MODEL)
    for entry in entries.values():
        _widen(auto, entry["max_model_len"] or 0, frozenset(entry["architecture"]["input_modalities"]))
        auto["ppai"]["peers"] += [name for name in entry["ppai"]["peers"] if name not in auto["ppai"]["peers"]]
    return [auto, *entries.values()]


def missing(node: Node, engine: LocalEngine) -> list[str]:
    """What keeps this peer from answering anything; empty while somebody can."""
    if len(node.roster):
        return []
    return [engine.state.problem or "the engine serves no model"]


def engine_status(engine: LocalEngine) -> dict[str, Any]:
    """The local engine as `ppai status` and the page show it."""
    state = engine.state
    return {
        "origin": engine.origin,
        "problem": state.problem,
        "family": state.family,
        "models": [{"id": model.id, "context_tokens": model.context_tokens} for model in state.models],
        "slots": state.slots,
        "running": state.running,
        "waiting": state.waiting,
        "load_source": state.load_source,
        "in_flight": engine.in_flight,
    }


def _entry(model: str) -> dict[str, Any]:
    return {
        "id": model,
        "object": "model",
        "created": 0,
        "owned_by": "ppai",
        "max_model_len": None,
        "architecture": {"input_modalities": ["text"]},
        "metadata": {"context_length": None},
        "ppai": {"peers": []},
    }


def _widen(entry: dict[str, Any], context_tokens: int, modalities: frozenset[str]) -> None:
    entry["max_model_len"] = max(entry["max_model_len"] or 0, context_tokens) or None
    entry["metadata"]["context_length"] = entry["max_model_len"]
    entry["architecture"]["input_modalities"] = sorted({*entry["architecture"]["input_modalities"], *modalities})
