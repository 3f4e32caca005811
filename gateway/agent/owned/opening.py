"""Opens what an agent's file asks for: its documents, searched and followed, and its tools.

Indexes lie in a folder of the home, one an agent, and go when its file goes.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.agent.owned.agents import Parts
from gateway.agent.settings import AgentSettings
from profiler.encoder import Encoder

if TYPE_CHECKING:  # loaded with the first agent that has documents
    from gateway.agent.knowledge.knowledge import Knowledge

SUFFIX = ".sqlite"


class Opening:
    """Opens the parts of agents, and forgets the indexes of those that are gone."""

    def __init__(self, folder: Path, encoder: Callable[[], Encoder], say: Callable[[str], None]) -> None:
        """`folder`: of the indexes. `encoder` opens the full encoder, in a thread; it may raise EncoderError.

        `say` is given each problem with documents once.
        """
        self._folder, self._encoder, self._say = folder, encoder, say

    def parts(self, name: str, settings: AgentSettings) -> Parts:
        """What one agent has beside its prompt; nothing of it runs yet."""
        from gateway.agent.tools.toolbox import Toolbox

        knowledge = self._knowledge(name, settings) if settings.knowledge.folders else None
        toolbox = Toolbox(name, settings, knowledge) if settings.builtin or settings.tools else None
        return Parts(
            knows=knowledge,
            acts=toolbox,
            runs=tuple(part.run for part in (knowledge, toolbox) if part is not None),
            close=knowledge.close if knowledge else lambda: None,
            problems=lambda: toolbox.problems if toolbox else (),
            progress=partial(_progress, knowledge),
        )

    def forget(self, names: frozenset[str]) -> None:
        """Delete the indexes of agents that have no file any more."""
        for path in self._folder.glob(f"*{SUFFIX}*"):
            if path.name.partition(SUFFIX)[0] not in names:
                path.unlink(missing_ok=True)

    def _knowledge(self, name: str, settings: AgentSettings) -> "Knowledge":
        from gateway.agent.knowledge.knowledge import Knowledge

        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        say = partial(self._say_of, name)
        return Knowledge(self._folder / f"{name}{SUFFIX}", settings.knowledge, self._encoder, say=say)

    def _say_of(self, name: str, problem: str) -> None:
        self._say(f"agent `{name}`: {problem}")


def _progress(knowledge: "Knowledge | None") -> Mapping[str, Any]:
    return asdict(knowledge.progress) if knowledge else {}
