"""The demo's agents, written into the homes of its peers as an owner would write them, and what they are asked.

All three ask the same small model. What they know lies in configs/demo, with the queries that the demo counts.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config import data_dir
from profiler.owned import load_owned

GENERALIST, MATHEMATICIAN, LIBRARIAN = "generalist", "mathematician", "librarian"
OWNERS = {"ada": GENERALIST, "ben": MATHEMATICIAN, "cleo": LIBRARIAN}
_DOCUMENTS = ("handbook.md", "operations.md", "protocol.md", "clients.md", "glossary.md")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the agent that it is for, and its answer: a bar stands between several that are right."""

    agent: str
    question: str
    answer: str


def queries() -> tuple[Asked, ...]:
    """The 30 that the demo counts; topics, documents and prompts were written without them."""
    lines = (_ground() / "queries.tsv").read_text("utf-8").splitlines()
    return tuple(Asked(*line.split("\t")) for line in lines if line and not line.startswith("#"))


def examples(agent: str, count: int) -> tuple[Asked, ...]:
    """The first of the owner's questions to this agent."""
    owned = load_owned(_folder(agent) / "questions.tsv")[:count]
    return tuple(Asked(agent, one.query, one.answer) for one in owned)


def write_agents(folder: Path) -> None:
    """Write agents/NAME.yaml into the home of each peer below `folder`."""
    for peer, agent in OWNERS.items():
        place = folder / peer / "agents"
        place.mkdir(mode=0o700, parents=True)
        file = place / f"{agent}.yaml"
        file.touch(mode=0o600)
        file.write_text(json.dumps(_settings(agent), indent=1), "utf-8")  # JSON is YAML


def _settings(agent: str) -> Mapping[str, Any]:
    topics = _folder(agent) / "topics.txt"
    more: dict[str, dict[str, Any]] = {
        GENERALIST: {"description": "The bare model"},
        MATHEMATICIAN: {"description": "Works out sums", "builtin": ["calculator"]},
        LIBRARIAN: {
            "description": "Quotes the handbook of a tool library, and PPAI's documentation",
            "knowledge": {
                "folders": [str(folder) for folder in (_folder(agent) / "docs", _project_docs()) if folder.is_dir()],
                "patterns": list(_DOCUMENTS),
                "answers": "quotation",
            },
        },
    }
    return {
        **more[agent],
        "use": "approved",
        "questions": str(_folder(agent) / "questions.tsv"),
        "topics": topics.read_text("utf-8").splitlines() if topics.exists() else [],
    }


def _ground() -> Path:
    return data_dir() / "demo"


def _folder(agent: str) -> Path:
    return _ground() / "agents" / agent


def _project_docs() -> Path:
    """PPAI's own: in the wheel beside the rest, in a checkout the project's folder."""
    packaged = _ground() / "docs"
    return packaged if packaged.is_dir() else data_dir().parent / "docs"
