"""Which questions would come to an agent by its topics: its owner's should, and what everybody asks should not."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.measuring.owned.sheets import ATTRACTED, Attracts
from gateway.topics.background import texts
from profiler.question import Question

OTHERS = 20  # of what everybody asks, spread over all kinds of it


@dataclass(frozen=True, slots=True)
class Coming:
    """Texts, each with the probability P that it is for the agent: from ATTRACTED on it would come."""

    own: tuple[tuple[str, float], ...]
    others: tuple[tuple[str, float], ...]

    @property
    def missed(self) -> tuple[str, ...]:
        """Of the owner's questions, those that would not come."""
        return tuple(text for text, likely in self.own if likely < ATTRACTED)

    @property
    def strays(self) -> tuple[str, ...]:
        """Of the others, those that would come."""
        return tuple(text for text, likely in self.others if likely >= ATTRACTED)


async def coming(topics: Sequence[str], questions: Sequence[Question], attracts: Attracts) -> Coming | None:
    """What would come by these topics, as this peer reads them; None where it has no encoder. Raises OSError."""
    own, every = [question.query for question in questions], texts()
    others = [every[at * len(every) // OTHERS] for at in range(OTHERS)]
    likely = await attracts(topics, [*own, *others])
    if likely is None:
        return None
    pairs = tuple(zip([*own, *others], likely, strict=True))
    return Coming(pairs[: len(own)], pairs[len(own) :])
