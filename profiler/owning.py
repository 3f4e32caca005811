"""`ppai-profile own`: asks a personal agent its owner's questions, with what it has and by its model alone.

The peer folds the answers, which are stored as those of an idle peer, and tells others what they found.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from profiler.answers import GIVE_WAY_S, Answer, AnswerStore
from profiler.bar import asked_with_bar, say
from profiler.engine import Engine
from profiler.measure import MeasureConfig
from profiler.owned import load_owned
from profiler.peer import PeerError, agent_of, publish_owned, required_peer
from profiler.queries import in_order
from profiler.question import Question
from profiler.text import cell


def own(home: Path, agent: str, limit: int | None, config: MeasureConfig, as_json: bool) -> int:
    """Ask the running peer's personal agent, and its model alone, at most `limit` of its owner's questions.

    What all stored answers say is published; a question that was asked before is not asked again.
    """
    peer = required_peer(home)
    found = asyncio.run(agent_of(peer, agent))
    if found.questions is None:
        raise PeerError(
            f"`{agent}` has no questions: name a file of them in agents/{agent}.yaml, such as"
            f" questions: {agent}.tsv, with a question, a tab and its answer on each line"
        )
    questions = in_order(load_owned(found.questions), {})[:limit]
    answers: dict[bool, dict[str, Answer]] = {}
    for with_, engine in ((True, found.asked), (False, found.alone)):
        with AnswerStore(home / "profile", engine.model, engine.make, GIVE_WAY_S) as store:
            try:
                tally = asked_with_bar(questions, engine, store, config)
            except KeyboardInterrupt:
                say(f"stopped: what was answered is kept in {home / 'profile'}. The same command asks the others")
                return 1
            answers[with_] = {one.id: store.answers[one.id] for one in questions if one.id in store.answers}
        if tally.failed:
            say(f"{tally.failed} questions were not answered; the same command asks them again. Last: {tally.problem}")
            return 1
    domain = asyncio.run(publish_owned(peer, agent))
    if as_json:
        rows = [_row(question, answers) for question in questions]
        sys.stdout.write(json.dumps({"agent": agent, **domain, "asked": rows}) + "\n")
    else:
        Console().print(_table(found.asked, found.alone, questions, answers))
        Console().print(_summary(agent, domain), markup=False, soft_wrap=True)
    return 0


Answers = Mapping[bool, Mapping[str, Answer]]  # with what the agent has, and without -> by the question's id


def _row(question: Question, answers: Answers) -> dict[str, Any]:
    right, alone = answers[True][question.id].right, answers[False][question.id].right
    return {"question": question.query, "right": right, "right_without": alone}


def _table(asked: Engine, alone: Engine, questions: list[Question], answers: Answers) -> Table:
    table = Table("question", cell(asked.model), f"{cell(alone.model)} alone")
    for question in questions:
        marks = ["right" if answers[with_][question.id].right >= 0.5 else "wrong" for with_ in (True, False)]
        table.add_row(cell(question.query), *marks)
    return table


def _summary(agent: str, domain: Mapping[str, Any]) -> str:
    return (
        f"{agent}: of {domain['questions']} questions, {100 * domain['right']:.0f} % right are expected of it, and"
        f" {100 * domain['right_without']:.0f} % of its model alone; its topics attract {100 * domain['recall']:.0f} %"
    )
