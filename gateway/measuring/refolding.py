"""Folds the stored answers of our agents anew where the gate is a new one: nothing is asked again.

Runs once, at the start of a peer. It stops between two texts when the peer stops, and the next start goes on where this
one ended: an agent is done once it has a vector in the gate's space.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from gateway.measuring.profiles import Profiles
from gateway.topics.reader import RelevanceReader
from profiler.answers import Answer, StoreError, answers_of
from profiler.encoder import Encoder, Floats
from profiler.essence import essence
from profiler.folding import fold
from profiler.owned import not_owned
from profiler.queries import as_asked_now, load_questions
from profiler.question import QueryError, Question

log = logging.getLogger(__name__)

Say = Callable[[str], None]


async def refold(
    folder: Path,
    profiles: Profiles,
    reader: RelevanceReader,
    published: Callable[[], None],
    say: Say,
    questions: Callable[[], Sequence[Question]] = lambda: load_questions("builtin"),
) -> None:
    """Give each agent with a vector in another space one in our gate's, from the answers in `folder`.

    `published` is called after each vector. Texts are read one by one, so that a request's text waits for one of them.
    What cannot be done is said, with the remedy: such an agent counts as unmeasured, and keeps its older vector.
    """
    older = profiles.of_other_spaces(reader.gate.space)
    if not older:
        return
    say(f"the gate is new: what {_listed(list(older))} answered is folded anew, nothing is asked again")
    best = await reader.in_worker(lambda ladder: ladder.best)
    if best is None:
        say(f"nothing was folded anew: {reader.problem}. The next start tries again")
        return
    gate, encoder = best
    rows: dict[str, Floats] = {}
    for agent, make in older.items():
        try:
            every = await asyncio.to_thread(questions)
            answers = as_asked_now(not_owned(await asyncio.to_thread(answers_of, folder, agent, make)), every)
            if not answers:
                say(f"`{agent}` counts as unmeasured: its answers are not kept here. Measure it again: ppai-profile")
                continue
            for text in _texts(answers, every) - rows.keys():
                rows[text] = await _row(reader, encoder, text)
            found = await asyncio.to_thread(fold, gate, _Read(encoder, rows), answers, every)
            if gate.space not in profiles.of(agent):  # else it was measured meanwhile
                profiles.keep(agent, gate.space, found.values, found.evidence, make)
                published()
                say(f"`{agent}`: folded anew from {len(answers)} answers")
        except (StoreError, QueryError, OSError) as error:
            say(f"`{agent}` counts as unmeasured: {error}. The next start tries again")
        except Exception:  # whatever an encoder raises at a text: the peer serves on
            log.exception("not_folded_anew model=%s", agent[:64])


async def _row(reader: RelevanceReader, encoder: Encoder, text: str) -> Floats:
    row: Floats | None = await reader.in_worker(lambda ladder: encoder.encode([text])[0])
    assert row is not None, "the reader had an encoder before"
    return row


def _texts(answers: Sequence[Answer], every: Sequence[Question]) -> set[str]:
    """What folding these answers reads: their questions, and those that say how difficult a topic is."""
    rated = [question.query for question in every if question.reference is not None]
    return {essence(query) for query in (*(answer.query for answer in answers), *rated)}


class _Read:
    """An encoder whose texts were read beforehand."""

    def __init__(self, encoder: Encoder, rows: dict[str, Floats]) -> None:
        self.name, self.dim, self._rows = encoder.name, encoder.dim, rows

    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, dim) float32, unit rows."""
        return np.array([self._rows[text] for text in texts], np.float32).reshape(len(texts), self.dim)


def _listed(agents: Sequence[str]) -> str:
    more = len(agents) - 3
    return ", ".join(f"`{agent}`" for agent in agents[:3]) + (f" and {more} more" if more > 0 else "")
