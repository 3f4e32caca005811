"""What a model's name and its engine's details claim of it (P): family, size, kind, how its weights are packed.

Example: `qwen2.5-coder:7b-instruct-q4_K_M` is of the family `qwen2.5`, has 7 billion parameters, was trained to code
and is packed in 4 bits. Where the engine tells a size it counts instead of the name's: an engine has read the file, a
name is anybody's choice. A part that says nothing of this is passed over.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Literal

from gateway.models.same import model_key

Kind = Literal["instruct", "base", "reasoning", "coder", "math", "medical", "vision", "no chat"]
Word = tuple[str, str]  # a word of a family and the version right behind it: ("qwen", "2.5"), ("oss", "")

LARGEST = 1e13  # parameters: who claims more is taken to claim these
_CLAIMS_REMEMBERED = 8192  # a network's models several times over
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(m|b|t)")
_EXPERTS = re.compile(r"(\d+)x(\d+(?:\.\d+)?)b")
_VERSION = re.compile(r"[1-9]\d?(?:\.\d{1,2})?[a-df-jl-z]?|0\.\d")
_BITS = re.compile(
    r"(?<![a-z])(?:i?q|tq|int|fp|nvfp|w)([1-8])(?![0-9])|(?<![a-z0-9])([1-8])(?:\.\d+)?[-_ ]?(?:bit|bpw)"
)
_FOUR_BITS = re.compile(r"(?<![a-z])(?:awq|gptq|bnb|autoround)(?![a-z])")  # where they do not say otherwise
_UNITS = {"m": 1e6, "b": 1e9, "t": 1e12}

# Words by what a model was trained to; of several the first row counts. The last ones of a row are families, too.
_KINDS: tuple[tuple[Kind, str, str], ...] = (
    (
        "no chat",
        "embed embedding embeddings rerank reranker guard reward tts ocr",
        "bge gte minilm shieldgemma whisper",
    ),
    ("medical", "med medical", "medgemma biomistral meditron openbiollm huatuogpt ultramedical medalpaca"),
    ("coder", "coder code", "codestral codellama codegemma codeqwen starcoder devstral opencoder sqlcoder"),
    ("math", "math", "mathstral wizardmath"),
    ("vision", "vision vl omni", "llava bakllava pixtral moondream"),
    ("base", "base pt pretrained", ""),
    ("reasoning", "reasoning reasoner thinking think", "qwq magistral openthinker"),
)
_MARKS: dict[str, Kind] = {word: kind for kind, marks, _ in _KINDS for word in marks.split()}
_NAMED: dict[str, Kind] = {word: kind for kind, _, families in _KINDS for word in families.split()}
_REASONERS = {("r", "1"), ("o", "1"), ("deep", "")}  # deepseek-r1, huatuogpt-o1, exaone-deep
_EMBEDDER = ("e", "5")
_TUNED = frozenset({"instruct", "chat", "it", "sft", "dpo", "assistant"})
_PASSED_OVER = frozenset({"meta", "v", "hf", "preview", "exp", "moe", "a", "text", "gguf", "uncensored", "abliterated"})


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed of a model. Sizes are parameters; 0 where nothing says any."""

    family: tuple[Word, ...]  # what of the name stands for none of the rest
    kind: Kind
    parameters: float
    active: float  # parameters used for a token: less than all in a mixture of experts
    bits: int  # of a weight, as it is packed
    released: str  # YYMM where the name has it
    is_told: bool  # the engine told the size

    @property
    def size(self) -> float:
        """sqrt(total · active): the dense model that a mixture of experts is about as good as. 0: unknown."""
        return sqrt(self.parameters * self.active)

    @property
    def words(self) -> str:
        """For a person: `32B qwen3`, `7B qwen2.5 coder`, `8B llama3.1, 2-bit`, `gpt4o mini, size unknown`."""
        said = [spelled(self.parameters)] if self.parameters else []
        said += ["".join(word) for word in self.family]
        said += [self.kind] if self.kind not in ("instruct", *(_NAMED.get(word) for word, _ in self.family)) else []
        packed = f", {self.bits}-bit" if self.bits < 4 else ""
        return " ".join(said) + packed + ("" if self.parameters else ", size unknown")


@lru_cache(maxsize=_CLAIMS_REMEMBERED)
def claim(name: str, parameters: int = 0, quantisation: str = "") -> Claim:
    """What a name says, and what an engine tells (`parameters` 0, `quantisation` empty: it does not)."""
    family: list[Word] = []
    kinds: set[Kind] = set()
    total, active, released, before = 0.0, 0.0, "", ""
    parts = model_key(name).split("-")
    for part in parts:
        if experts := _EXPERTS.fullmatch(part):  # as in Mixtral, where they share all but some layers
            each = min(float(experts[2]) * 1e9, LARGEST)
            total, active = min(0.83 * float(experts[1]) * each, LARGEST), 1.8 * each
        elif size := _SIZE.fullmatch(part):
            value = min(float(size[1]) * _UNITS[size[2]], LARGEST)
            total, active = (total, value) if before == "a" else (total or value, active)  # 30b-a3b
        elif re.fullmatch(r"2[3-9](?:0[1-9]|1[0-2])", part):
            released = part
        elif part[:1].isdigit():
            if family and not family[-1][1] and _VERSION.fullmatch(part):
                family[-1] = family[-1][0], part
        elif part in _MARKS:
            kinds.add(_MARKS[part])
        elif part not in _PASSED_OVER | _TUNED:
            family.append((part, ""))
        before = part
    family = [word for word in family if word not in (("", ""), ("e", ""))]  # gemma3n:e4b
    is_tuned = not _TUNED.isdisjoint(parts)
    kinds |= {_NAMED[word] for word, _ in family if word in _NAMED}
    kinds |= {"reasoning"} if not _REASONERS.isdisjoint(family[1:]) else set()
    kinds |= {"no chat"} if _EMBEDDER in family else set()
    kinds |= {"base"} if "text" in parts and not kinds else set()  # llama3.2:3b-text
    kind: Kind = next((kind for kind, *_ in _KINDS if kind in kinds and not (kind == "base" and is_tuned)), "instruct")
    share = min(1.0, active / total) if active and total else 1.0
    total = min(float(parameters), LARGEST) if parameters > 0 else total or active
    packed = _bits(quantisation or name)
    return Claim(_distilled(family, total), kind, total, share * total, packed, released, parameters > 0)


def spelled(parameters: float) -> str:
    """135M, 1.7B, 32B, 1T."""
    unit = next((unit for unit in "tbm" if parameters >= 0.95 * _UNITS[unit]), "m")
    value = parameters / _UNITS[unit]
    return (
        f"{value:.0f}{unit.upper()}"
        if value >= 9.5 or abs(value - round(value)) < 0.05
        else f"{value:.1f}{unit.upper()}"
    )


def _distilled(family: list[Word], total: float) -> tuple[Word, ...]:
    """The family, where a distilled model's is its teacher's: `deepseek-r1:32b` is the distilled one, R1 has 671B."""
    if family[:2] == [("deepseek", ""), ("r", "1")] and (("distill", "") in family or 0 < total < 2e11):
        return (*family[:2], ("distill", ""))
    return tuple(family)


def _bits(packed: str) -> int:
    """Bits of a weight, from a quantisation or a whole name: 16 where nothing says fewer. MXFP4 was trained so: 16."""
    text = packed.casefold()
    found = _BITS.search(text)
    if found and "mxfp" not in text:
        return int(found[1] or found[2])
    return 4 if _FOUR_BITS.search(text) else 16
