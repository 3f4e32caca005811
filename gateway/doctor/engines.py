"""Checks of our engines: found, answers a token, context as served, tools, load readable. Pure.

A row is an engine as the status page shows it (gateway/client/views.py); looking.py makes the same of engines that no
running peer watches.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.doctor.finding import Finding
from gateway.engines.engine_state import NOT_WANTED

SMALL_CONTEXT = 8192  # tokens; Ollama's own setting is 4,096, and instructions of coding agents alone are longer
WITHOUT_METRICS: Mapping[str, str] = {
    "llamacpp": "start llama-server with --metrics",
    "vllm": "name the page of vLLM itself in `engine.metrics_urls`, if something before it hides it",
    "sglang": "start SGLang with --enable-metrics",
}
Row = Mapping[str, Any]
Ask = Callable[[Row, str], str]  # asks the engine's model for a token: what went wrong, or "" where one came


def engine_findings(rows: Sequence[Row], ask: Ask) -> list[Finding]:
    """All that is found of the engines."""
    found = []
    for row in rows:
        found += [Finding("engine-found", None, line) for line in row["not_adopted"]]
        found += _of_one(row, ask)
    return found


def _of_one(row: Row, ask: Ask) -> list[Finding]:
    name = row["origin"] if row["origin"] != "none" else row["name"]
    if problem := row["problem"]:
        is_fault = row.get("is_fault", True) and not problem.startswith(NOT_WANTED)
        remedy = "start the engine, or name another: `engine.url` in config.yaml, or ppai serve --engine URL"
        return [Finding("engine-found", False if is_fault else None, f"{name}: {problem}", remedy if is_fault else "")]
    models = row["models"]
    if not models:
        said = f"{name} answers, and lists no model that this peer serves"
        return [
            Finding("engine-found", False, said, "load a model there; `engine.serve` leaves out what it does not name")
        ]
    found = Finding("engine-found", True, f"{name} serves {_some([model['id'] for model in models])}")
    return [found, _token(row, name, ask), *_contexts(models), _tools(name, models), _load(row, name)]


def _token(row: Row, name: str, ask: Ask) -> Finding:
    """One token of a model that is loaded; nothing is loaded or paid for it."""
    texts = [model for model in row["models"] if "text" in model.get("abilities", ["text"])]
    loaded = [model for model in texts if model["loaded"]]
    if row.get("place") == "cloud":
        return Finding("engine-token", None, f"{name} was not asked for a token: that may cost money")
    if not loaded:
        why = "no model is loaded, and asking loads one" if texts else "no model answers in words"
        return Finding("engine-token", None, f"{name} was not asked for a token: {why}")
    if problem := ask(row, loaded[0]["id"]):
        remedy = "look at what the engine logs; ask it the same without PPAI"
        return Finding("engine-token", False, f"{name} was asked for a token of {loaded[0]['id']}: {problem}", remedy)
    return Finding("engine-token", True, f"{name} answered with a token of {loaded[0]['id']}")


def _contexts(models: Sequence[Row]) -> list[Finding]:
    untold = [model["id"] for model in models if not model["context_tokens"]]
    small = [
        f"{model['id']}: {model['context_tokens']}" for model in models if 0 < model["context_tokens"] < SMALL_CONTEXT
    ]
    found = []
    if untold:
        said = f"the engine does not tell how long a context it serves of {_some(untold)}"
        found.append(Finding("engine-context", None, said, "say it: `engine.models` in config.yaml"))
    if small:
        said = f"contexts are short, so that long prompts are refused or go elsewhere (tokens): {_some(small)}"
        remedy = "serve more: vLLM --max-model-len, llama.cpp -c, Ollama OLLAMA_CONTEXT_LENGTH"
        found.append(Finding("engine-context", None, said, remedy))
    least = min(model["context_tokens"] for model in models)
    return found or [Finding("engine-context", True, f"the shortest context served is {least} tokens")]


def _tools(name: str, models: Sequence[Row]) -> Finding:
    without = [model["id"] for model in models if "tools" not in model.get("abilities", ())]
    if any("abilities" not in model for model in models):
        return Finding("engine-tools", None, "whether models take tools is not told by a peer of this version")
    if without:
        said = f"by what {name} tells, these take no tools, and requests with tools go elsewhere: {_some(without)}"
        return Finding("engine-tools", None, said, "if one does, say so: `engine.models` in config.yaml")
    return Finding("engine-tools", True, f"{name} takes tools, or does not say that it does not")


def _load(row: Row, name: str) -> Finding:
    if row["load_source"] == "metrics":
        return Finding("engine-load", True, f"how busy {name} is can be read")
    said = f"how busy {name} is cannot be read: work of other programs there is not seen"
    return Finding("engine-load", None, said, WITHOUT_METRICS.get(row["family"], ""))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
