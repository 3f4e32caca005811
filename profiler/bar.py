"""What a person sees of work that takes long: a bar, and how long it will take. Everything here is said on stderr."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from profiler.answers import Answer, AnswerStore
from profiler.engine import Engine
from profiler.forecast import forecast
from profiler.measure import MeasureConfig, Tally, measure
from profiler.question import Question
from profiler.text import cell, visible


def asked_with_bar(chosen: Sequence[Question], target: Engine, store: AnswerStore, config: MeasureConfig) -> Tally:
    """Ask what is not stored, with a bar; how long it takes is said before, or once that can be known."""
    known = [store.answers[question.id].seconds for question in chosen if question.id in store.answers]
    left = len(chosen) - len(known)
    say(forecast(left, known, config.concurrency))
    with progress_bar() as progress:
        bar = progress.add_task(f"asking {cell(target.model)}", total=len(chosen), completed=len(known))

        def answered(answer: Answer) -> None:
            progress.advance(bar)
            if not known and left > 1:
                progress.console.print(forecast(left - 1, [answer.seconds], config.concurrency), markup=False)
            known.append(answer.seconds)

        return asyncio.run(measure(chosen, target, store, config, answered))


def progress_bar() -> Any:
    left = TimeRemainingColumn(), TextColumn("left")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *left
    return Progress(*columns, console=Console(stderr=True))


def say(text: str) -> None:
    sys.stderr.write(visible(text) + "\n")
