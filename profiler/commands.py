"""The commands of ppai-profile, as functions with plain arguments that return an exit code.

They raise the errors in EXPECTED, each with a remedy in its message; cli.py prints it.
"""

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from profiler import distil, sandbox
from profiler.answers import GIVE_WAY_S, AnswerStore, StoreError, stored
from profiler.bar import asked_with_bar, progress_bar, say
from profiler.calibrate import calibrated
from profiler.chart import ChartError, draw, prepare
from profiler.encoder import Encoder, EncoderError, open_encoder
from profiler.engine import Engine, EngineError, first_model
from profiler.essence import essence
from profiler.folding import fold
from profiler.grading.grades import RUNS_CODE
from profiler.ladder import FAST_FOLDER, load_ladder
from profiler.measure import MeasureConfig
from profiler.noise import KINDS, noise
from profiler.owned import not_owned
from profiler.peer import (
    Peer,
    PeerError,
    agent_of,
    engine_of,
    gate_of,
    publish,
    require_space,
    required_peer,
    running_peer,
)
from profiler.qagate import GIBBERISH, GateError, QAGate, shipped_gate
from profiler.queries import (
    TrainingText,
    as_asked_now,
    balanced,
    categories_of,
    in_order,
    load_questions,
    load_training_texts,
)
from profiler.question import QueryError, Question
from profiler.report import explanation, relevance, relevance_tables, summary, tables
from profiler.subjects import by_subject
from profiler.text import visible
from profiler.train import TrainConfig, TrainError, fit, require, with_fast

NOISE_SHARE, NOISE_LIMIT = 20, 1000  # one generated text for so many of the others, and at most so many
EXPECTED = (ChartError, EncoderError, EngineError, GateError, PeerError, QueryError, StoreError, TrainError, OSError)


def measure(
    home: Path,
    queries: str,
    limit: int | None,
    seed: int,
    engine: str | None,
    model: str | None,
    wants_publish: bool | None,
    config: MeasureConfig,
    png: Path | None,
    as_json: bool,
    code: bool | None = None,
    agent: str | None = None,
) -> int:
    """Ask the engine at the URL `engine`, or that of the running peer, and publish the vector it earns.

    `agent`: a personal agent of the running peer is asked instead. `wants_publish` None: publish if a peer runs from
    this home. `code`: see `_with_code`.
    """
    if agent and (engine or model):
        say(
            "--agent names one of the running peer's agents, with the model that it has: leave out --engine and --model"
        )
        return 2
    if png:
        prepare(png)
    every = load_questions(queries)
    chosen = balanced(every, limit, seed) if limit else in_order(every, {})
    peer = required_peer(home) if wants_publish or engine is None else running_peer(home)
    encoder, gate = _relevance(home, peer)
    target = asyncio.run(_target(engine, model, peer, agent))
    publishes = peer is not None and wants_publish is not False
    if peer and publishes:
        asyncio.run(require_space(peer, gate.space))
    with AnswerStore(home / "profile", target.model, target.make, GIVE_WAY_S) as store:
        chosen, config = _with_code(code, chosen, store, config)
        try:
            tally = asked_with_bar(chosen, target, store, config)
        except KeyboardInterrupt:
            kept_now = sum(question.id in store.answers for question in chosen)
            say(f"stopped: {kept_now} of {len(chosen)} answers are kept in {home / 'profile'}; nothing was published.")
            say("The same command asks the others, and publishes what all of them say.")
            return 1
    kept = [store.answers[question.id] for question in every if question.id in store.answers]
    answers = as_asked_now(kept, every)
    if tally.failed:
        say(f"{tally.failed} questions were not answered; the same command asks them again. Last: {tally.problem}")
    if tally.gave_up or not answers:
        say(f"{len(answers)} answers are kept in {home / 'profile'}; nothing was published")
        return 1
    report = summary(target.model, gate, answers, fold(gate, encoder, answers, every))
    report |= {"asked": tally.asked, "failed": tally.failed, "published": False}
    if png:
        draw([report], png)
    if peer and publishes:
        make = target.make if agent else ""
        sent = report["space"], report["model"], report["capability"], report["evidence"], make
        report |= {"seq": asyncio.run(publish(peer, *sent)), "published": True}
    if as_json:
        _print(report)
    else:
        _show(report)
    if not report["published"] and wants_publish is None:
        say(f"not published: no peer runs from {home}. Start it (ppai serve) and run again: nothing is asked twice")
    return 0


def train(
    home: Path,
    queries: Sequence[Path],
    out: Path,
    encoder: str,
    fast: bool,
    config: TrainConfig,
    seed: int,
    subjects: bool = False,
) -> int:
    """Fit a gate to the texts in these files and folders and write it to `out`; `fast` adds a static encoder.

    `subjects`: exam questions are learnt by their subject (subjects.py).
    """
    texts = _trainable(queries, out, fast, config, subjects)
    readers: list[Encoder] = [open_encoder(encoder, _weights(home))]
    if fast:
        say("distilling the fast encoder: half a minute")
        teacher = readers[0].name.split(":")[0]
        readers.append(distil.distil(encoder or str(_weights(home) / "encoder"), teacher, out / FAST_FOLDER))
    with progress_bar() as progress:
        if subjects:
            texts = by_subject(texts, lambda texts: _encoded(readers[0], texts, progress))
        texts = [*texts, *_noise(texts, seed)]
        tasks, categories = [text.task for text in texts], categories_of(texts)
        require(tasks, config)
        ability = np.array([np.nan if text.ability is None else text.ability for text in texts], np.float32)
        embeddings = [_encoded(reader, [text.query for text in texts], progress) for reader in readers]
        bar = progress.add_task("training", total=config.epochs)
        gate = fit(
            embeddings[0],
            tasks,
            readers[0].name,
            config,
            seed,
            ability,
            lambda epochs: progress.update(bar, completed=epochs),
            categories,
        )
        if fast:
            gate = with_fast(gate, embeddings[0], embeddings[1], readers[1].name, config, seed)
        progress.add_task("calibrating", total=None)
        gate = calibrated(gate, tasks, embeddings, config, seed)
    command = _train_command(queries, encoder, fast, config, seed, subjects)
    replace(gate, training={**gate.training, "command": command}).save(out)
    say(
        f"gate of {gate.K} prototypes over {len(set(gate.tasks))} tasks in "
        f"{len(set(gate.categories))} categories, space {gate.space}: {out}"
    )
    return 0


def _trainable(
    queries: Sequence[Path], out: Path, fast: bool, config: TrainConfig, subjects: bool
) -> list[TrainingText]:
    """The texts to train on; whatever may fail does so here, before the minutes that encoding takes."""
    texts = load_training_texts(queries)
    require([text.task for text in texts], config)
    if not subjects:
        categories_of(texts)
    if fast:
        distil.require()
    out.mkdir(parents=True, exist_ok=True)
    if not os.access(out, os.W_OK):
        raise TrainError(f"cannot write to {out}: name another folder with --out")
    return texts


def _encoded(reader: Encoder, texts: Sequence[str], progress: Progress) -> Any:
    """Each text by itself, as it is read when it is asked."""
    bar = progress.add_task(f"encoding with {reader.name}", total=len(texts))
    rows = []
    for text in texts:
        rows.append(reader.encode([essence(text)]))
        progress.advance(bar)
    return np.concatenate(rows)


def _noise(texts: Sequence[TrainingText], seed: int) -> list[TrainingText]:
    """Generated noise for these texts: what the gate learns as gibberish."""
    count = min(max(len(texts) // NOISE_SHARE, len(KINDS)), NOISE_LIMIT)
    words = [word for text in texts for word in text.query.split()]
    return [TrainingText(query, GIBBERISH, GIBBERISH, None) for query in noise(count, seed, words)]


def show(home: Path, text: str | None, png: Path | None, as_json: bool) -> int:
    """Print what was measured from this home, or what a text is relevant to. Asks no engine.

    1 where nothing was measured yet. `png` draws what was measured, so it goes with no text.
    """
    if png and text is not None:
        say("--png draws what was measured here, not what a text is about: leave out the one or the other")
        return 2
    if text is not None and not text.strip():
        say("the text is empty: leave it out to see what was measured here")
        return 2
    if png:
        prepare(png)
    encoder, gate = _relevance(home, running_peer(home))
    every = load_questions("builtin")
    kept = {model: as_asked_now(not_owned(answers), every) for model, answers in stored(home / "profile").items()}
    vectors = {model: fold(gate, encoder, answers, every) for model, answers in kept.items()}
    if text is not None:
        about = relevance(gate, encoder, text, vectors)
        if as_json:
            _print(about)
        else:
            Console().print(relevance_tables(about))
        return 0
    reports = [summary(model, gate, answers, vectors[model]) for model, answers in kept.items()]
    if png and reports:
        draw(reports, png)
    if as_json:
        _print(reports)
    else:
        for report in reports:
            _show(report)
    if not reports:
        say(f"nothing was measured from {home} yet: run ppai-profile")
    return 0 if reports else 1


def _with_code(
    code: bool | None, chosen: list[Question], store: AnswerStore, config: MeasureConfig
) -> tuple[list[Question], MeasureConfig]:
    """What is asked, and whether the code in answers runs behind a wall.

    Where none stands, code questions are asked if a person started this at a terminal, or said `--code` (`code` True):
    who runs foreign code as himself should know it. `code` False leaves them out. Commands of a shell are never run
    without a wall that holds programs: a mistake in one deletes files.
    """
    coded = [q for q in chosen if q.grade in RUNS_CODE and q.id not in store.answers]
    shells = [question for question in coded if question.grade == "shell"]
    if not coded or code is False:
        return [question for question in chosen if question not in coded], config
    if why := sandbox.problem():
        if code or (code is None and sys.stdin.isatty()):
            say(f"no wall keeps code in answers from this machine: {why}. It runs as you; --no-code asks for none")
            config = replace(config, walled=False)
        else:
            say(
                f"{len(coded)} questions for code are left out: no wall stands here ({why}). With --code it runs as you"
            )
            return [question for question in chosen if question not in coded], config
    if shells and (why := sandbox.problem(programs=True)):
        say(f"{len(shells)} questions for a shell are left out: no wall holds programs here ({why})")
        return [question for question in chosen if question not in shells], config
    return chosen, config


def _relevance(home: Path, peer: Peer | None) -> tuple[Encoder, QAGate]:
    """(encoder, gate): the running peer's gate, else the shipped one, and the most exact encoder for it."""
    folder, model = asyncio.run(gate_of(peer)) if peer else (None, "")
    ladder = load_ladder(folder or shipped_gate(), "auto", lambda: open_encoder(model, _weights(home)))
    if ladder.full_problem:
        say(f"the fast encoder alone tells topics apart, less exactly: {ladder.full_problem}")
    gate, best = ladder.best
    return best, gate


async def _target(engine: str | None, model: str | None, peer: Peer | None, agent: str | None) -> Engine:
    if engine is None:
        assert peer is not None, "_peer raises where neither is given"
        return (await agent_of(peer, agent)).asked if agent else await engine_of(peer, model)
    key = os.environ.get("PPAI_ENGINE_KEY")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return Engine(engine, model or await first_model(engine, headers), headers)


def _weights(home: Path) -> Path:
    """The folder of model files: PPAI_WEIGHTS, else HOME/weights, else ~/.ppai/weights where only that one exists."""
    if named := os.environ.get("PPAI_WEIGHTS"):
        return Path(named).expanduser()
    own = home / "weights"
    with suppress(RuntimeError):  # a user without a HOME
        if not own.is_dir() and (users := Path("~/.ppai/weights").expanduser()).is_dir():
            return users
    return own


def _train_command(
    queries: Sequence[Path], encoder: str, fast: bool, config: TrainConfig, seed: int, subjects: bool
) -> str:
    """The command that trains this gate again, without the folders of absolute paths."""
    words = ["ppai-profile", "train"]
    for path in queries:
        words += ["--queries", path.name if path.is_absolute() else str(path)]
    words += ["--encoder", Path(encoder).name if Path(encoder).is_absolute() else encoder] if encoder else []
    words += ["--fast"] if fast else []
    words += ["--by-subject"] if subjects else []
    for name in ("prototypes", "labels", "alpha", "top_p"):
        words += [f"--{name.replace('_', '-')}", str(getattr(config, name))]
    return shlex.join([*words, "--seed", str(seed)])


def _print(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")


def _show(report: dict[str, Any]) -> None:
    """One agent's summary, for people: on stdout, as everything that a command was asked for."""
    Console().print(tables(report))
    sys.stdout.write(visible(explanation(report)) + "\n")
