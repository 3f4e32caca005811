"""A static encoder: every token has one row, a text is their mean. NumPy and `tokenizers` only, 8 MB.

Made from a sentence encoder once (`distil.py`). Rows are int8 with a scale of their own; the commonest words weigh
least (SIF), which the scales carry. 85 % of its time went into tokenising, so words of plain ASCII are remembered.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load, save

from profiler.encoder import EncoderError, Floats, readable

MODEL_FILE, TOKENIZER_FILE = "model.safetensors", "tokenizer.json"
MAX_CHARS = 4096  # cut before tokenising: more than MAX_TOKENS of any prose
MAX_TOKENS = 512  # that are known; the rest of a long text is not read
REMEMBERED = 50_000  # words; a prompt is as fast with a quarter of them
# What BERT's tokenizer does to ASCII without control characters is lower case, split at spaces, isolate punctuation.
_PLAIN = re.compile(r"[\t\n\r -~]*")
_WORD = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")


class StaticEncoder:
    """Text -> mean of its tokens' rows: 30 µs for 64 tokens, 0.14 ms where words are new."""

    def __init__(self, folder: Path) -> None:
        """Raises EncoderError when a file is missing or damaged."""
        from tokenizers import Tokenizer

        try:
            model, tokenizer = ((folder / name).read_bytes() for name in (MODEL_FILE, TOKENIZER_FILE))
            tensors = load(model)
            self._rows, self._scales = tensors["rows"], tensors["scales"]
            with safe_open(folder / MODEL_FILE, "np") as file:
                teacher = file.metadata()["teacher"]
            self._tokenizer = Tokenizer.from_buffer(tokenizer)
        except OSError as error:
            raise EncoderError(
                f"no fast encoder: {error.filename}: {error.strerror}. Restore the gate's folder"
            ) from error
        except Exception as error:  # tokenizers raises bare Exception; a foreign file may lack any key
            raise EncoderError(f"damaged fast encoder in {folder} ({error!r}). Restore the gate's folder") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._special = [token.content for token in self._tokenizer.get_added_tokens_decoder().values()]
        self._unknown: int | None = self._tokenizer.token_to_id("[UNK]")
        self._words: dict[str, list[int]] = {}
        self.dim = self._rows.shape[1]
        digest = hashlib.sha256(model + tokenizer).hexdigest()[:8]
        self.name = f"{teacher}:static{self.dim}:{digest}"

    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, dim) float32, unit rows; a row of zeros for a text without a single known token."""
        found = np.zeros((len(texts), self.dim), np.float32)
        for place, text in enumerate(texts):
            ids = self._known_ids(text)
            if ids:
                total = self._scales[ids] @ self._rows[ids].astype(np.float32)
                found[place] = total / max(float(np.sqrt(total @ total)), 1e-12)
        return found

    def _known_ids(self, text: str) -> list[int]:
        clean = readable(text, MAX_CHARS)
        if not _PLAIN.fullmatch(clean) or any(special in clean for special in self._special):
            return self._tokenised(clean)[:MAX_TOKENS]
        ids: list[int] = []
        words = self._words
        for word in _WORD.findall(clean.lower()):
            known = words.get(word)
            ids += self._learnt(word) if known is None else known
        return ids[:MAX_TOKENS]

    def _learnt(self, word: str) -> list[int]:
        ids = self._tokenised(word)
        if len(self._words) < REMEMBERED:
            self._words[word] = ids
        return ids

    def _tokenised(self, text: str) -> list[int]:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return [token for token in encoding.ids if token != self._unknown]


def write(folder: Path, rows: Floats, tokenizer: str, teacher: str) -> None:
    """Writes a static encoder of rows (tokens, dim) float32 in the order of the tokenizer's ids."""
    scales = np.maximum(np.abs(rows).max(axis=1), 1e-12).astype(np.float32) / 127
    quantised = np.rint(rows / scales[:, None]).astype(np.int8)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(save({"rows": quantised, "scales": scales}, {"teacher": teacher}))
    (folder / TOKENIZER_FILE).write_text(tokenizer, encoding="utf-8")
