"""Engines by their rows: what is wrong is named, and what is no fault is none."""

from typing import Any

import pytest

from gateway.doctor.engines import engine_findings
from gateway.engines.engine_state import NOT_WANTED

MODEL = {"id": "m", "context_tokens": 32768, "loaded": True, "abilities": ["text", "tools"]}
ENGINE: dict[str, Any] = {
    "name": "vllm", "origin": "vLLM found on port 8000", "not_adopted": [], "problem": None, "family": "vllm",
    "place": "here", "models": [MODEL], "load_source": "metrics",
}  # fmt: skip


def of_model(**changed: object) -> dict[str, Any]:
    return {"models": [{**MODEL, **changed}]}


def test_a_good_engine_has_no_fault() -> None:
    assert {True} == {one.ok for one in engine_findings([ENGINE], lambda row, model: "")}


@pytest.mark.parametrize(
    ("changed", "token", "check", "ok", "remedy"),
    [
        ({"problem": "nobody answers at http://127.0.0.1:9"}, "", "engine-found", False, "--engine URL"),
        ({"problem": "none wanted", "is_fault": False}, "", "engine-found", None, ""),
        ({"problem": f"{NOT_WANTED}: name one with --engine URL"}, "", "engine-found", None, ""),
        ({"models": []}, "", "engine-found", False, "load a model"),
        ({"not_adopted": ["port 1234 is ben's: --engine URL"]}, "", "engine-found", None, ""),
        ({}, "it answered 500", "engine-token", False, "logs"),
        ({"place": "cloud"}, "asked!", "engine-token", None, ""),
        (of_model(loaded=False), "asked!", "engine-token", None, ""),
        (of_model(abilities=["embeddings", "tools"]), "asked!", "engine-token", None, ""),
        (of_model(context_tokens=0), "", "engine-context", None, "engine.models"),
        (of_model(context_tokens=4096), "", "engine-context", None, "OLLAMA_CONTEXT_LENGTH"),
        (of_model(abilities=["text"]), "", "engine-tools", None, "engine.models"),
        ({"load_source": "own count"}, "", "engine-load", None, "engine.metrics_urls"),
        ({"load_source": "own count", "family": "llamacpp"}, "", "engine-load", None, "--metrics"),
    ],
)
def test_each_fault_is_told_once_with_its_remedy(
    changed: dict[str, Any], token: str, check: str, ok: bool | None, remedy: str
) -> None:
    found = [one for one in engine_findings([{**ENGINE, **changed}], lambda row, model: token) if one.ok is not True]

    assert [(check, ok)] == [(one.id, one.ok) for one in found]
    assert remedy in found[0].remedy
