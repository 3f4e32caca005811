"""Which agents' topics draw a text, as the encoders of this peer read both.

Everything but `attend` runs in the thread of the encoders. Sentences are read, and compared with background texts, once
when an agent tells them; until then they draw nothing, and no text waits. The fast encoder reads first; the full one is
not asked about what that finds unlikely.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from gateway.topics.background import Reading as Background
from gateway.topics.domains import Attraction, Drawn, Topics, words
from profiler.essence import essence
from profiler.ladder import Ladder, Reading

log = logging.getLogger(__name__)

UNLIKELY = 0.2  # tail by the fast encoder beyond which the full one is not asked
AGENTS_LIMIT = 128  # whose topics are compared: each text is, with each


class Drawing:
    """The topics that are told now, and what they draw."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: where the background's vectors are kept; None: nowhere."""
        self.topics: frozenset[Topics] = frozenset()
        self._changes = self._made = 0  # each is counted by one thread
        self._folder = folder
        self._backgrounds: dict[str, Background] = {}
        self._attractions: dict[tuple[str, Topics], Attraction] = {}

    @property
    def version(self) -> int:
        """Grows whenever texts may be drawn otherwise than before."""
        return self._changes + self._made

    def attend(self, topics: frozenset[Topics]) -> bool:
        """These are told now. Whether they are others than before."""
        if topics is self.topics or topics == self.topics:
            return False
        self.topics, self._changes = topics, self._changes + 1
        return True

    def prepare(self, ladder: Ladder) -> bool:
        """Do a little of what is to be done before texts can be drawn; whether more is left."""
        heard = sorted(self.topics)[:AGENTS_LIMIT]
        self._attractions = {key: one for key, one in self._attractions.items() if key[1] in self.topics}
        for encoder in ladder.rungs if heard else ():
            background = self._backgrounds.get(encoder.name)
            if background is None:
                background = self._backgrounds[encoder.name] = Background(encoder, self._folder)
            if background.background is None:
                background.read_on()
                return True
            for topics in heard:
                if (encoder.name, topics) not in self._attractions:
                    rows = encoder.encode([essence(sentence) for sentence in topics])
                    self._attractions[encoder.name, topics] = Attraction(topics, rows, background.background)
                    self._made += 1
                    return True
        return False

    def drawn(self, ladder: Ladder, reading: Reading, text: str) -> Mapping[Topics, Drawn]:
        """How a text that was read so is drawn to each agent whose topics were compared with the background."""
        if not self._attractions:
            return {}
        core = essence(text)
        heard, rows = frozenset(words(core)), {reading.encoder: reading.row}
        found: dict[Topics, Drawn] = {}
        for topics in self.topics:
            for encoder in ladder.rungs:
                attraction = self._attractions.get((encoder.name, topics))
                if attraction is None:
                    continue
                if encoder.name not in rows:
                    rows[encoder.name] = encoder.encode([core])[0]
                found[topics] = attraction.drawn(rows[encoder.name], heard)
                if found[topics].tail > UNLIKELY:
                    break
        return found
