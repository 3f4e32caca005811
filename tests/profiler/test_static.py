"""The static encoder: means of int8 rows, the same ids with and without the memory for words, and its refusals."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from profiler.encoder import EncoderError
from profiler.qagate import QAGate, shipped_gate
from profiler.static import StaticEncoder, write

VOCABULARY = {"[PAD]": 0, "[UNK]": 1, "law": 2, "code": 3, "##s": 4, "!": 5}
ROWS = np.array([[9, 9], [9, 9], [1, 0], [0, 0.5], [0.1, 0], [0, 0]], np.float32)


def tokenizer() -> str:
    made = Tokenizer(models.WordPiece(VOCABULARY, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[PAD]", "[UNK]"])
    return made.to_str()


@pytest.fixture
def tiny(tmp_path: Path) -> StaticEncoder:
    write(tmp_path, ROWS, tokenizer(), "toy")
    return StaticEncoder(tmp_path)


@pytest.fixture(scope="module")
def shipped() -> StaticEncoder:
    return StaticEncoder(shipped_gate() / "fast")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("law", [1, 0]),
        ("Law CODE", [1, 0.5]),
        ("laws", [1.1, 0]),
        ("law unheard", [1, 0]),
        ("unheard", [0, 0]),
        ("", [0, 0]),
        ("!", [0, 0]),
        ("[UNK] law", [1, 0]),
        ("code\ud800", [0, 1]),
    ],
)
def test_a_text_is_the_direction_of_its_known_tokens(tiny: StaticEncoder, text: str, expected: list[float]) -> None:
    """Unknown words and the unknown token itself weigh nothing; without any known word it has no direction."""
    length = np.linalg.norm(expected) or 1.0

    assert np.allclose(np.array(expected) / length, tiny.encode([text])[0], atol=0.01)


def test_memory_for_words_changes_no_embedding(shipped: StaticEncoder) -> None:
    texts = [
        "What's the capital of Côte d'Ivoire? (2 words)",
        "def f(x):\n\treturn x**2  # snake_case, CamelCase\r\n",
        "x = a[i] + b[[j]]; [UNK] [PAD] [CLS]",
        "vertical\x0btab, form\x0cfeed, nul\x00, escape\x1b, del\x7f",
        "法律问题：什么是合同？ and some English",
        "a" * 300 + " pneumonoultramicroscopicsilicovolcanoconiosis 3.14159 e-mail@example.org",
    ]
    for text in texts:
        assert shipped._tokenised(text) == shipped._known_ids(text), text
    first = shipped.encode(texts)

    assert np.array_equal(first, shipped.encode(texts))


def test_rows_are_unit_or_zero(shipped: StaticEncoder) -> None:
    """Of 255, which no vocabulary of ours has, nothing is known."""
    lengths = np.linalg.norm(shipped.encode(["a question about law", "ÿ" * 3, ""]), axis=1)

    assert np.allclose([1, 1, 0], lengths, atol=1e-5) or np.allclose([1, 0, 0], lengths, atol=1e-5)


def test_the_shipped_gate_reads_the_shipped_encoder(shipped: StaticEncoder) -> None:
    """Its name has the digest of its files: another table is another encoder."""
    gate = QAGate.load(shipped_gate()).read_by(shipped.name)

    text = "Write a Python function that returns the n-th Fibonacci number.\n\ndef fib(n: int) -> int:"
    assert "coding" == gate.categories[int(gate.nearest(shipped.encode([text]))[0])]


def test_another_table_has_another_name(tmp_path: Path, tiny: StaticEncoder) -> None:
    write(tmp_path / "other", ROWS[:, ::-1], tokenizer(), "toy")

    assert tiny.name != StaticEncoder(tmp_path / "other").name
    assert tiny.name.startswith("toy:static2:")


@pytest.mark.parametrize("damaged", ["model.safetensors", "tokenizer.json"])
def test_missing_and_damaged_files_are_errors(tmp_path: Path, damaged: str) -> None:
    with pytest.raises(EncoderError, match="no fast encoder"):
        StaticEncoder(tmp_path)
    write(tmp_path, ROWS, tokenizer(), "toy")
    (tmp_path / damaged).write_bytes(b"{")

    with pytest.raises(EncoderError, match="damaged fast encoder"):
        StaticEncoder(tmp_path)
