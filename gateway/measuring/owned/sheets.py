"""What an agent of ours is asked: the built-in questions, and its owner's, of it and of its model alone.

What the owner's questions found is folded here into what others are told of the agent (domains.py).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.measuring.owned.domains import Domains, asked_as, domain_of, expected, is_due
from gateway.measuring.targets import Target
from profiler.answers import answers_of
from profiler.owned import load_owned
from profiler.question import QueryError, Question

# (topics, texts) -> for each text the probability that the topics attract it; None where nothing can read them
Attracts = Callable[[Sequence[str], Sequence[str]], Awaitable[Sequence[float] | None]]
ATTRACTED = 0.5  # from which a text counts as attracted


@dataclass(frozen=True, slots=True)
class Sheet:
    """Questions for one agent, whose answers are stored under its name."""

    asked: Target
    questions: tuple[Question, ...]
    owned_by: Target | None = None  # the agent whose owner wrote them; None: they are the built-in ones


async def attracts_nothing(topics: Sequence[str], texts: Sequence[str]) -> Sequence[float] | None:
    """Where topics are not read."""
    return None


async def owned_sheets(target: Target) -> tuple[Sheet, ...]:
    """The owner's questions, for the agent and for its model alone; none of who has no file. Raises QueryError."""
    path = target.configured.questions if target.configured else None
    if path is None:
        return ()
    questions = await asyncio.to_thread(load_owned, path)
    return Sheet(target, questions, target), Sheet(target.alone, questions, target)


async def fold_owned(folder: Path, sheet: Sheet, domains: Domains, attracts: Attracts, at_once: bool = False) -> bool:
    """Keep what the owner's questions found, where that is new and due, or asked for; whether it was.

    Raises StoreError, and OSError where there is no room.
    """
    target = sheet.owned_by
    assert target is not None and target.configured is not None, "a sheet of an owner's"
    ids = {question.id for question in sheet.questions}
    of = [
        {answer.question: answer for answer in await asyncio.to_thread(answers_of, folder, asked.agent, asked.make)}
        for asked in (target, target.alone)
    ]
    with_, without = ({one: answers[one] for one in ids & answers.keys()} for answers in of)
    both, topics = with_.keys() & without.keys(), target.configured.topics
    asked = asked_as(both, topics)
    if not both or not (at_once or is_due(len(both), len(ids))) or domains.is_known(target.agent, target.make, asked):
        return False
    texts = [question.query for question in sheet.questions]
    likely = await attracts(topics, texts) if topics else ()
    if likely is None:
        return False  # a share that nobody knows is not told as none: others would find the agent for nothing
    recall = expected([float(share >= ATTRACTED) for share in likely])
    domains.keep(target.agent, domain_of(with_, without, recall), target.make, asked)
    return True


async def fold_now(folder: Path, agent: str, target: Target | None, domains: Domains, attracts: Attracts) -> bool:
    """The same where a person waits, from whatever was answered; whether it is new.

    Raises StoreError, OSError, and QueryError: there is nothing to fold, or the questions cannot be read.
    """
    sheets = await owned_sheets(target) if target else ()
    if not sheets:
        raise QueryError(f"`{agent}` is no personal agent of this peer that has questions. See: ppai status")
    is_new = await fold_owned(folder, sheets[0], domains, attracts, at_once=True)
    if not domains.of(agent).questions or domains.is_stale(agent):
        raise QueryError(
            f"`{agent}`, as it is now, was asked none of its owner's questions: ppai-profile own {agent}."
            " Or no encoder reads its topics: ppai status"
        )
    return is_new
