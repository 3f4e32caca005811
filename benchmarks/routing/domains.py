"""`python -m benchmarks.routing.domains`: do questions find the agent whose documents no prototype knows?

`--agents DIR` holds a folder for each agent: topics.txt, a sentence a line; questions.tsv, a question a line, and what
follows a tab is not read. `--background DIR` holds *.jsonl files, {"query": ...} a line: other queries, not ours.
A query goes to the agent whose P is the greatest, if that is at least .5, as a gateway sends it away from home.

    agents        of each: `recall`, the share of its questions that come where no other agent has topics, and of the
                  other queries `background`; `elsewhere`, of its questions the share that goes to another agent where
                  all have topics
    together      where all have: of each agent the share of its questions that come, `mean` of these, and
                  `background`, the share of other queries that goes to any of them
    background    how many other queries there are
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.needs import encoder_folder, printed
from benchmarks.progress import say
from discovery.records import PeerId
from gateway.beliefs.domains import LIKELY, probability, shares
from gateway.home.weights import WeightsMissing
from gateway.topics.background import Reading, texts
from gateway.topics.domains import Attraction, words
from profiler.encoder import Encoder, load_encoder
from profiler.essence import essence
from profiler.ladder import FAST_FOLDER
from profiler.qagate import shipped_gate
from profiler.queries import lines_of
from profiler.question import QueryError, text_of
from profiler.static import StaticEncoder

Which = Literal["auto", "fast", "full"]
QUERIES = 10_000  # of the background, drawn by lot


@dataclass(frozen=True, slots=True)
class Claim:
    """What an agent says that it is for, and questions that are its own."""

    name: str
    topics: tuple[str, ...]
    questions: tuple[str, ...]


def load_claims(folder: Path) -> list[Claim]:
    """Raises QueryError."""
    found = []
    for one in sorted(path for path in folder.iterdir() if path.is_dir()):
        try:
            topics, questions = ((one / name).read_text("utf-8") for name in ("topics.txt", "questions.tsv"))
        except (OSError, UnicodeDecodeError) as error:
            raise QueryError(f"{one}: {error}; it needs topics.txt and questions.tsv") from error
        asked = [line.split("\t")[0].strip() for line in questions.splitlines() if not line.startswith("#")]
        sentences = [line.strip() for line in topics.splitlines() if line.strip()]
        found.append(Claim(one.name, tuple(sentences), tuple(filter(None, asked))))
        if not (found[-1].topics and found[-1].questions):
            raise QueryError(f"{one}: it needs a topic and a question at least")
    if not found:
        raise QueryError(f"{folder} holds no folder of an agent")
    return found


def load_background(folder: Path, count: int, seed: int) -> list[str]:
    """`count` queries of all *.jsonl files below the folder, drawn by lot. Raises QueryError."""
    files = sorted(folder.rglob("*.jsonl"))
    queries = list(dict.fromkeys(text_of(value, "query", at) for file in files for value, at in lines_of(file)))
    if not queries:
        raise QueryError(f"the *.jsonl files of {folder} hold no query")
    Random(seed).shuffle(queries)
    return queries[:count]


def measured(encoder: Encoder, claims: Sequence[Claim], background: Sequence[str]) -> dict[str, Any]:
    """What the module says, as shares from 0 to 1."""
    reading = Reading(encoder, None)
    say(f"{len(texts())} texts of our own, {len(background)} others")
    while reading.background is None:
        reading.read_on(64)
    attractions = [Attraction(one.topics, encoder.encode(one.topics), reading.background) for one in claims]

    def tails(queries: Sequence[str]) -> NDArray[np.float64]:
        cores = list(map(essence, queries))
        rows = zip(encoder.encode(cores), map(words, cores), strict=True)
        return np.array([[each.drawn(row, heard).tail for each in attractions] for row, heard in rows])

    alone = shares([PeerId("")], {PeerId(""): 1})[PeerId("")]
    everybody = [PeerId(one.name) for one in claims]
    together = shares(everybody, dict.fromkeys(everybody, 1))[everybody[0]]
    others = tails(background)
    own = [tails(one.questions) for one in claims]
    agents, found = {}, {}
    for number, (claim, drawn) in enumerate(zip(claims, own, strict=True)):
        goes = np.any(_likely(drawn, together), axis=1)
        to = drawn.argmin(axis=1)
        agents[claim.name] = {
            "recall": _share(_likely(drawn[:, number], alone)),
            "background": _share(_likely(others[:, number], alone)),
            "elsewhere": _share(goes & (to != number)),
        }
        found[claim.name] = _share(goes & (to == number))
    return {
        "agents": agents,
        "together": {
            **found,
            "mean": round(float(np.mean(list(found.values()))), 4),
            "background": _share(np.any(_likely(others, together), axis=1)),
            "of_background": {
                claim.name: _share(np.any(_likely(others, together), axis=1) & (others.argmin(axis=1) == number))
                for number, claim in enumerate(claims)
            },
        },
        "background": len(background),
    }


def _likely(tails: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    likely: NDArray[np.bool_] = np.vectorize(lambda tail: probability(tail, share) >= LIKELY)(tails)
    return likely


def _share(of: NDArray[np.bool_] | np.bool_) -> float:
    return round(float(np.mean(of)), 4)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.routing.domains",
        description=__doc__.partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--agents", type=Path, required=True, metavar="DIR", help="a folder with one for each agent")
    parser.add_argument("--background", type=Path, required=True, metavar="DIR", help="*.jsonl files of other queries")
    parser.add_argument("--encoder", choices=get_args(Which), default="auto", help="auto: full where it is pulled")
    parser.add_argument("--queries", type=int, default=QUERIES, help=f"of the background ({QUERIES:,})")
    parser.add_argument("--seed", type=int, default=0, help="of the lot that draws them")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(arguments)

    def work() -> str:
        claims = load_claims(args.agents)
        background = load_background(args.background, args.queries, args.seed)
        result = measured(_encoder(args.encoder), claims, background)
        return json.dumps(result) if args.json else _table(result)

    return printed("domains", work)


def _encoder(which: Which) -> Encoder:
    """Raises WeightsMissing where the full one is asked for and not there."""
    if which != "fast":
        try:
            return load_encoder(encoder_folder())
        except WeightsMissing as missing:
            if which == "full":
                raise
            say(f"the fast encoder reads: {missing}")
    return StaticEncoder(shipped_gate() / FAST_FOLDER)


def _table(result: dict[str, Any]) -> str:
    lines = ["percent              recall  background  together  elsewhere"]
    for name, alone in result["agents"].items():
        shown = alone["recall"], alone["background"], result["together"][name], alone["elsewhere"]
        lines.append(
            f"{name:20} {100 * shown[0]:6.0f} {100 * shown[1]:11.2f} {100 * shown[2]:9.0f} {100 * shown[3]:10.0f}"
        )
    whole = result["together"]
    lines.append(f"{'together':20} {'':6} {100 * whole['background']:11.2f} {100 * whole['mean']:9.0f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
