"""`python -m benchmarks.routing.conversations`: which turns of a conversation tell what its newest one is about?

Conversations are composed of bare question stems and short turns of our own. A gate is trained on one half of the stems
and of two tasks of the outcomes, the conversations come from the other half. The figure is the share in which the right
topic gets the most relevance, of 17 topics, code (HumanEval) and word problems (GSM8K). The same for one turn with a
long paste before or after the question: which part of them is read?
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.needs import encoder_folder, printed
from benchmarks.outcomes import OutcomeError, load_outcomes
from benchmarks.routing.metric import folds
from benchmarks.routing.routers import PPAI
from gateway.topics.conversation import follow, turn_share
from profiler.encoder import load_encoder
from profiler.qagate import QAGate
from profiler.queries import load_training_texts
from profiler.train import fit, require

Floats = npt.NDArray[Any]
GATE = replace(PPAI, prototypes=64, top_p=0.1)  # as the shipped gate had it when docs/results.md was measured
FOLLOW_UPS = """why?|are you sure?|explain that again, shorter|can you give an example?|what about the second one?|go on
and in French please|one more like that|ok, do it|is there another way?|summarise that in one sentence|yes
what would change if it were twice as much?|that is not what I meant|check it again step by step|put it in a table
hmm, and the other option?|translate your answer into German|how sure are you?|make it shorter|thanks, continue
which of these is most common?""".replace("\n", "|").split("|")
ABOUT_CODE = """commit it|add type hints|now write a test for it|rename the function|make it faster|push it
handle the empty case too|run it again|add a docstring""".replace("\n", "|").split("|")
SHORT = {  # a topic's whole question in a few words
    "topic:biology": "What is mitosis?|What does a ribosome do?|How do plants breathe?",
    "topic:chemistry": "What is a mole?|Why is water polar?|What is an ester?",
    "topic:physics": "What is torque?|Why is the sky blue?|State Ohm's law.",
    "topic:math": "What is a prime?|Define a group.|What is 7 choose 3?",
    "topic:law": "What is a tort?|Define mens rea.|What is estoppel?",
    "topic:history": "Who was Bismarck?|When did Rome fall?|What was the Marshall Plan?",
    "topic:economics": "What is inflation?|Define elasticity.|What is GDP?",
    "topic:psychology": "What is conditioning?|Who was Piaget?|What is the ego?",
    "topic:philosophy": "Who was Kant?|What is utilitarianism?|Define free will.",
    "topic:cs": "What is a hash table?|What does TCP do?|Define recursion.",
    "topic:health": "What causes gout?|What is sepsis?|Treat a migraine?",
    "topic:politics": "What is NATO?|What is a filibuster?|Define federalism.",
    "topic:geography": "Capital of Peru?|Where is Chad?|Longest river?",
    "topic:business": "What is a brand?|Define outsourcing.|What is a SWOT?",
    "humaneval": "Reverse a string in Python|def add(a, b):|Sort a list in Python",
    "gsm8k": "3 pens cost 6 dollars, 5 pens?|Half of 48 plus 6?",
}
KINDS = {  # A, B: a question of that topic; f: a follow-up; b: a short question of B. The last letter but f is asked of
    "a question": "A",
    "a follow-up": "Af",
    "three follow-ups": "Afff",
    "another topic": "AfB",
    "another after three questions": "AAAB",
    "another, and a follow-up": "AfBf",
    "another in a few words": "Ab",
}
PASTES = (
    "\n".join(
        f"2026-03-01 12:{m:02d}:07 INFO worker-{m % 5} job {8000 + 37 * m} done in {m * 7} ms" for m in range(50)
    ),
    "Thanks for joining on Tuesday. Maria collects the open points, Tom books the room. The printer is out of order. "
    * 15,
    "Answer in full sentences and keep a friendly tone. Do not repeat the question. Do not mention these rules. " * 15,
)
CUTS: Mapping[str, Callable[[str], str]] = {
    "first 256 tokens": lambda text: text,
    "first 500 characters": lambda text: text[:500],
    "last 500 characters": lambda text: text[-500:],
    "first and last 500": lambda text: text if len(text) <= 1000 else f"{text[:500]}\n{text[-500:]}",
    "first and last 250": lambda text: text if len(text) <= 500 else f"{text[:250]}\n{text[-250:]}",
}
Reader = Callable[[Sequence[str]], Floats]  # turns, oldest first -> relevance (K,)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints one JSON object {strategy or cut: {kind: percent}}; returns 0, or 1 where a file is missing or broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing.conversations", description=__doc__)
    parser.add_argument("--train", type=Path, required=True, metavar="DIR", help="folder of outcome files")
    parser.add_argument("--topics", type=Path, required=True, metavar="FILE", help="stems with a topic")
    parser.add_argument("--count", type=int, default=100, help="conversations a kind and seed (100)")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(argv)
    return printed("benchmarks.routing.conversations", lambda: json.dumps(_run(options)))


def readers(gate: QAGate, embed: Callable[[str], Floats]) -> Mapping[str, Reader]:
    """What may be read of a conversation; "blend" is what the gateway does."""

    def judged(*vectors: Floats) -> Floats:
        mean = np.mean(vectors, axis=0)
        relevance: Floats = gate.relevance((mean / np.linalg.norm(mean))[None].astype(np.float32))[0]
        return relevance

    def halving(turns: Sequence[str]) -> Floats:
        weights = 0.5 ** np.arange(len(turns))[::-1]
        mean = np.average([embed(turn) for turn in turns], axis=0, weights=weights)
        return judged(mean)

    def blend(turns: Sequence[str]) -> Floats:
        thread = None
        for turn in turns:
            vector = embed(turn)[None]
            thread = follow(thread, gate.relevance(vector)[0], turn_share(turn, float(gate.similarity(vector).max())))
        assert thread, "there is a turn"
        return thread.relevance

    return {
        "newest turn alone": lambda turns: judged(embed(turns[-1])),
        "joined, newest first": lambda turns: judged(embed("\n".join(reversed(turns)))),
        "joined, oldest first": lambda turns: judged(embed("\n".join(turns))),
        "mean of all turns": lambda turns: judged(*map(embed, turns)),
        "mean, halving": halving,
        "blend": blend,
    }


def _run(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    outcomes, stems = load_outcomes(options.train), load_training_texts([options.topics])
    texts = [*(stem.query for stem in stems), *outcomes.queries]
    labels = np.array([*(f"topic:{stem.task}" for stem in stems), *outcomes.tasks.tolist()])
    if missing := SHORT.keys() - set(labels.tolist()):
        raise OutcomeError(
            f"{', '.join(sorted(missing))}: no such text. --train needs the tasks gsm8k and humaneval "
            "(python -m benchmarks.gather routerdc), --topics a line {'query', 'topic'} for each topic of SHORT"
        )
    require(labels[folds(labels, 2, 0) == 0].tolist(), GATE)
    encoder = load_encoder(encoder_folder())
    vectors = encoder.encode(texts)
    known: dict[str, Floats] = dict(zip(texts, vectors, strict=True))

    def embed(text: str) -> Floats:
        if text not in known:
            known[text] = encoder.encode([text])[0]
        return known[text]

    topics = [*sorted({str(label) for label in labels if label.startswith("topic:")}), "humaneval", "gsm8k"]
    right: dict[str, dict[str, list[bool]]] = {}
    for seed in range(options.seeds):
        seen = folds(labels, 2, seed) == 0
        gate = fit(vectors[seen], labels[seen].tolist(), encoder.name, GATE, seed)
        owner = np.stack([np.array(gate.categories) == topic for topic in topics], axis=1)
        piles = {topic: [texts[i] for i in np.flatnonzero(~seen & (labels == topic))] for topic in topics}
        rng, strategies = np.random.default_rng(seed), readers(gate, embed)
        for kind, letters in KINDS.items():
            for _ in range(options.count):
                turns, topic = compose(letters, piles, rng)
                for name, read in strategies.items():
                    found = topics[int((read(turns) @ owner).argmax())]
                    right.setdefault(name, {}).setdefault(kind, []).append(found == topic)
        for number in range(options.count):
            topic = topics[int(rng.integers(len(topics)))]
            question, paste = piles[topic][int(rng.integers(len(piles[topic])))], PASTES[number % len(PASTES)]
            asked = {"alone": question, "before": f"{question}\n\n{paste}", "after": f"{paste}\n\n{question}"}
            for name, cut in CUTS.items():
                for place, text in asked.items():
                    relevance = gate.relevance(embed(cut(text))[None])[0]
                    found = topics[int((relevance @ owner).argmax())]
                    right.setdefault(name, {}).setdefault(place, []).append(found == topic)
    return {
        name: {kind: round(100 * float(np.mean(hits)), 1) for kind, hits in kinds.items()}
        for name, kinds in right.items()
    }


def compose(letters: str, piles: Mapping[str, Sequence[str]], rng: np.random.Generator) -> tuple[list[str], str]:
    """Turns of a conversation of this kind, oldest first, and the topic that its newest turn is about."""
    topic_b = str(rng.choice(sorted(SHORT) if "b" in letters else sorted(piles)))
    topic_a = str(rng.choice([topic for topic in sorted(piles) if topic != topic_b]))
    turns, topic = [], topic_a
    for letter in letters:
        if letter == "f":
            choices: Sequence[str] = ABOUT_CODE if topic == "humaneval" else FOLLOW_UPS
        else:
            topic = topic_a if letter == "A" else topic_b
            choices = SHORT[topic].split("|") if letter == "b" else piles[topic]
        turns.append(choices[int(rng.integers(len(choices)))])
    return turns, topic


if __name__ == "__main__":
    raise SystemExit(main())
