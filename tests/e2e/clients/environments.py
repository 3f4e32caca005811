"""Prepare the clients that are not in our own environment: `python -m tests.e2e.clients.environments`.

.venv-clients   anthropic and langchain-openai, with the openai SDK 3.x that they want
.venv-litellm   litellm, which wants another httpx than they do; and PPAI itself, to stand in front of it
.venv-schemathesis
                schemathesis, which asks a peer whatever its OpenAPI page allows
.venv-agents    frameworks that want the openai SDK 2.x: llama-index, pydantic-ai, instructor, openai-agents,
                smolagents; and Ollama's client, which fits in
.venv-kernels   frameworks that want 3.x: haystack, semantic-kernel, dspy, and the command llm
.venv-aider     aider, a coding agent
.venv-mcp       public servers of tools: time, fetch
.work/node      the packages of OpenAI and Anthropic for Node and two frameworks, where there is npm
.work/coders    the coding agents of npm: Codex, Claude Code and opencode, 1.2 GB
.work/axe       axe-core, which judges whether everybody can use the page
.work/mcp       public servers of tools for Node: everything, filesystem, memory
"""

import shutil
import subprocess
import sys
import venv
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[3]
CLIENTS, LITELLM, NODE = ROOT / ".venv-clients", ROOT / ".venv-litellm", ROOT / ".work" / "node"
SCHEMATHESIS, AGENTS, KERNELS = ROOT / ".venv-schemathesis", ROOT / ".venv-agents", ROOT / ".venv-kernels"
AXE = ROOT / ".work" / "axe"
AIDER, CODERS = ROOT / ".venv-aider", ROOT / ".work" / "coders"
TOOLS, NODE_TOOLS = ROOT / ".venv-mcp", ROOT / ".work" / "mcp"
NODE_MODULES = NODE / "node_modules"
NODE_OPENAI = NODE_MODULES / "openai"
RECIPES = {
    CLIENTS: ("anthropic==2.12.0", "langchain-openai==1.7.3", "openai==3.54.0"),
    LITELLM: ("litellm==1.106.2", "--editable", str(ROOT)),
    SCHEMATHESIS: ("schemathesis==4.32.5",),
    AGENTS: (
        *("llama-index-llms-openai-like==0.8.1", "pydantic-ai-slim[openai]==2.31.1", "instructor==1.17.0"),
        *("openai-agents==0.20.0", "smolagents[openai]==1.26.0", "ollama==0.6.3", "openai==2.54.0"),
    ),
    KERNELS: ("haystack-ai==3.4.1", "semantic-kernel==1.45.0", "dspy==3.4.1", "llm==0.36", "openai==3.57.0"),
    AIDER: ("aider-chat==0.86.2",),
    TOOLS: ("mcp-server-time==2026.10.19", "mcp-server-fetch==2026.10.24"),
}
NODE_RECIPES = {
    NODE: (
        *("openai@6.49.0", "@anthropic-ai/sdk@1.14.0", "ai@6.0.326", "@ai-sdk/openai-compatible@2.0.92"),
        *("@ai-sdk/openai@3.0.141", "@ai-sdk/anthropic@3.0.140"),
        *("@langchain/openai@1.5.8", "@langchain/core@1.4.0", "zod@4.6.7"),
    ),
    AXE: ("axe-core@4.14.1",),
    CODERS: ("@openai/codex@0.171.0", "@anthropic-ai/claude-code@2.1.332", "opencode-ai@1.18.33"),
    NODE_TOOLS: tuple(
        f"@modelcontextprotocol/server-{name}@2026.8.31" for name in ("everything", "filesystem", "memory")
    ),
}

_STAMP = ".recipe"  # in an environment that is complete: what it was made of


def is_prepared() -> bool:
    """Whether main() has been through; without npm the clients for Node are left out."""
    return all((folder / _STAMP).is_file() for folder in RECIPES)


def has(folder: Path) -> bool:
    """Whether what belongs into this folder is there, of the versions that are named here."""
    stamp = folder / _STAMP
    return stamp.is_file() and stamp.read_text() == _recipe({**RECIPES, **NODE_RECIPES}[folder])


def _recipe(packages: tuple[str, ...]) -> str:
    """What an environment is made of; where PPAI itself is in it, its dependencies, too, which change."""
    wanted = (ROOT / "pyproject.toml").read_bytes() if str(ROOT) in packages else b""
    return " ".join((*packages, sha256(wanted).hexdigest()[:16])) if wanted else " ".join(packages)


def main() -> int:
    try:
        for folder, packages in RECIPES.items():
            _prepare(folder, packages)
        for folder, packages in NODE_RECIPES.items():
            _prepare_node(folder, packages)
    except subprocess.CalledProcessError as error:
        print(f"failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1
    return 0


def _prepare(folder: Path, packages: tuple[str, ...]) -> None:
    if has(folder):
        return
    print(f"installing {' '.join(packages)} into {folder.name}", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, *packages], check=True)
    (folder / _STAMP).write_text(_recipe(packages))


def _prepare_node(folder: Path, packages: tuple[str, ...]) -> None:
    if has(folder) or shutil.which("npm") is None:
        return
    print(f"installing {' '.join(packages)} for Node", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder]
    subprocess.run([*npm, *packages], check=True)
    (folder / _STAMP).write_text(_recipe(packages))


if __name__ == "__main__":
    sys.exit(main())
