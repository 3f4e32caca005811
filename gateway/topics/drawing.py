"""Which agents' topics draw a text, as the encoders of this peer read both.

Everything but `attend` runs in the thread of the encoders. Sentences are read, and compared with background texts, once
when an agent tells them; until then they draw nothing, and no text waits. The fast encoder reads first; the full one is
not asked about what that finds unlikely.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.topics.background import Reading as Background
from gateway.topics.domains import Attraction, Drawn, Floats, Topics, words
from profiler.essence import essence
from profiler.ladder import Ladder, Reading

log = logging.getLogger(__name__)

UNLIKELY = 0.2  # tail beyond which a text is drawn to nobody; by the fast encoder: the full one is not asked
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
        self._attractions = {key: one for key, one in self._attractions.items() if key[1] in self.topics}
        return self._compare(ladder, sorted(self.topics)[:AGENTS_LIMIT])

    def compare(self, ladder: Ladder, topics: Topics) -> bool:
        """The same for the topics that `tail` is to be asked for."""
        return self._compare(ladder, [topics])

    def _compare(self, ladder: Ladder, heard: Sequence[Topics]) -> bool:
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

    def drawn(self, ladder: Ladder, reading: Reading) -> Mapping[Topics, Drawn]:
        """How a text that was read so is drawn to agents whose topics were compared with the background.

        What is UNLIKELY is left out: of many agents hardly one is worth being remembered with a text.
        """
        if not self._attractions:
            return {}
        core, rows = reading.essence, {reading.encoder: reading.row}
        heard = frozenset(words(core))
        found = {topics: self._drawn(ladder, topics, core, heard, rows) for topics in self.topics}
        return {topics: one for topics, one in found.items() if one is not None and one.tail <= UNLIKELY}

    def tail(self, ladder: Ladder, topics: Topics, text: str) -> float:
        """How these topics draw the text, whether or not they are told. Long where `compare` still says True."""
        while self.compare(ladder, topics):  # meanwhile what nobody tells may have been dropped
            pass
        core = essence(text)
        drawn = self._drawn(ladder, topics, core, frozenset(words(core)), {})
        return drawn.tail if drawn else 1.0

    def _drawn(
        self, ladder: Ladder, topics: Topics, core: str, heard: frozenset[str], rows: dict[str, Floats]
    ) -> Drawn | None:
        """`rows`: what encoders have made of the text already, by their names."""
        found = None
        for encoder in ladder.rungs:
            attraction = self._attractions.get((encoder.name, topics))
            if attraction is None:
                continue
            if encoder.name not in rows:
                rows[encoder.name] = encoder.encode([core])[0]
            found = attraction.drawn(rows[encoder.name], heard)
            if found.tail > UNLIKELY:
                break
        return found
