"""The rooms import downward only, and a pure file stays pure (docs/architecture.md)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "discovery": {"discovery"},
    "profiler": {"profiler"},
    "gateway": {"gateway", "discovery", "profiler"},
    "benchmarks": {"benchmarks", "gateway", "discovery", "profiler"},
}
PURE = [
    *("discovery.records", "discovery.messages", "discovery.gossip"),
    *("profiler.scoring", "profiler.grading"),
    *("discovery.members", "discovery.membership", "discovery.detector", "discovery.own", "discovery.reconcile"),
    *(
        "gateway.beliefs.belief",
        "gateway.beliefs.table",
        "gateway.beliefs.speed",
        "gateway.beliefs.queueing",
        "gateway.routing.cost",
        "gateway.capacity.rules",
    ),
    *(
        "gateway.routing.decision",
        "gateway.routing.query",
        "gateway.routing.view",
        "gateway.routing.candidates",
        "gateway.routing.utility",
        "gateway.routing.policy",
        "gateway.routing.order",
        "gateway.routing.paper_policy",
        "gateway.routing.policies",
        "gateway.routing.roster",
        "gateway.routing.node",
    ),
    *(
        "gateway.wire.bodies",
        "gateway.wire.codec",
        "gateway.wire.errors",
        "gateway.wire.request",
        "gateway.wire.events",
        "gateway.peering.frames",
        "gateway.privacy.fields",
        "gateway.models.names",
        "gateway.serving.refusals",
    ),
    *("gateway.wire.tokens", "gateway.models.needs", "gateway.routing.probing", "gateway.beliefs.sessions"),
]
HEAVY = {"fastapi", "torch", "aiohttp", "uvicorn", "pydantic", "litellm", "sentence_transformers", "onnxruntime"}


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("room", ALLOWED)
def test_rooms_import_downward_only(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        rooms = {name.split(".")[0] for name in imports_of(path)} & ALLOWED.keys()

        assert rooms <= ALLOWED[room], f"{path.relative_to(ROOT)} imports {rooms - ALLOWED[room]}"


@pytest.mark.parametrize("module", PURE)
def test_pure_files_have_no_io_clock_or_async(module: str) -> None:
    path = ROOT / (module.replace(".", "/") + ".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    forbidden = {"time", "random", "asyncio", "socket", "os", "pathlib", "datetime", "logging"} | HEAVY

    assert not {name.split(".")[0] for name in imports_of(path)} & forbidden
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef | ast.Await)]


def test_importing_pure_files_loads_nothing_heavy() -> None:
    code = f"import sys; import {', '.join(PURE)}; print(*({HEAVY!r} & set(sys.modules)))"

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert "" == out.stdout.strip()
