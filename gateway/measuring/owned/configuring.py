"""What measuring is told of a personal agent: how it is configured now, and what its owner wrote to measure it by."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.agent.digest import digest_of
from gateway.measuring.targets import Configured

if TYPE_CHECKING:
    from gateway.agent.agent import PersonalAgent


def configured(
    agent: "PersonalAgent", model: str, base: str, folder: Path, progress: Mapping[str, Any] = {}
) -> Configured:
    """The agent on this model, whose bare agent is `base`; `folder`: from which its file names others.

    `progress`: how far its documents are read (PersonalAgents.progress_of). It is asked to say no sources: a last line
    is no part of what it answers.
    """
    settings = agent.settings
    return Configured(
        personal=replace(agent, settings=replace(settings, sources="none")),
        digest=digest_of(settings, model, progress.get("documents", 0)),
        base=base,
        questions=folder / Path(settings.questions).expanduser() if settings.questions else None,
        topics=settings.topics,
        is_read=progress.get("is_done", not settings.knowledge.folders),
    )
