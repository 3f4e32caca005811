"""A static encoder: every token has one row, and a text is the mean of its tokens' rows. NumPy and `tokenizers` only.

`distil.py` makes it from a sentence encoder. Rows are int8, each with a scale, which also holds the token's weight: the
commonest words weigh least (SIF). Tokenising takes most of the time, so the tokens of plain ASCII words are remembered
(docs/results.md#the-fast-encoders-settings).
"""

import hashlib
import json
import re
from collections.abc import Sequence
from itertools import chain
from math import sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from safetensors.numpy import save

from profiler.encoder import EncoderError, Floats, readable

MODEL_FILE, TOKENIZER_FILE = "model.safetensors", "tokenizer.json"
MAX_CHARS = 4096  # texts are cut to it before tokenising; prose of that length has more than MAX_TOKENS
MAX_TOKENS = 512  # known tokens; of a longer text the first are read
REMEMBERED = 50_000  # words; a quarter of them would do
# To ASCII without control characters BERT's tokenizer does three things: lower case, split at spaces, split off marks.
_PLAIN = re.compile(r"[\t\n\r -~]*")
_WORD = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")


class StaticEncoder:
    """Text -> mean of its tokens' rows."""

    def __init__(self, folder: Path) -> None:
        """Raises EncoderError when a file is missing or damaged."""
        from tokenizers import Tokenizer

        try:
            tokenizer = (folder / TOKENIZER_FILE).read_bytes()
            with safe_open(folder / MODEL_FILE, "np") as file:
                teacher, self._scales = file.metadata()["teacher"], file.get_tensor("scales")
            self._rows = _mapped(folder / MODEL_FILE, "rows")
            with (folder / MODEL_FILE).open("rb") as content:
                digest = hashlib.file_digest(content, "sha256")
            digest.update(tokenizer)
            self._tokenizer = Tokenizer.from_buffer(tokenizer)
        except OSError as error:
            raise EncoderError(
                f"no fast encoder: {error.filename}: {error.strerror}. Restore the gate's folder"
            ) from error
        except Exception as error:  # tokenizers raises bare Exception; a foreign file may lack any key
            raise EncoderError(f"damaged fast encoder in {folder} ({error!r}). Restore the gate's folder") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        special = [token.content for token in self._tokenizer.get_added_tokens_decoder().values()]
        self._special = re.compile("|".join(map(re.escape, special)) or r"\Z\A.")
        self._unknown: int | None = self._tokenizer.token_to_id("[UNK]")
        self._words: dict[str, list[int]] = {}
        self.dim = self._rows.shape[1]
        self.name = f"{teacher}:static{self.dim}:{digest.hexdigest()[:8]}"

    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, dim) float32, unit rows; a row of zeros for a text without a known token."""
        found = np.zeros((len(texts), self.dim), np.float32)
        for place, text in enumerate(texts):
            ids = np.array(self._known_ids(text), np.intp)
            if len(ids):
                total = self._scales[ids] @ self._rows[ids].astype(np.float32)
                found[place] = total / max(sqrt(total @ total), 1e-12)
        return found

    def _known_ids(self, text: str) -> list[int]:
        clean = readable(text, MAX_CHARS)
        if not _PLAIN.fullmatch(clean) or self._special.search(clean):
            return self._tokenised(clean)[:MAX_TOKENS]
        words = _WORD.findall(clean.lower())
        try:
            known = list(map(self._words.__getitem__, words))
        except KeyError:  # one of them is new
            known = list(map(self._learnt, words))
        return list(chain.from_iterable(known))[:MAX_TOKENS]

    def _learnt(self, word: str) -> list[int]:
        ids = self._words.get(word)
        if ids is None:
            ids = self._tokenised(word)
            if len(self._words) < REMEMBERED:
                self._words[word] = ids
        return ids

    def _tokenised(self, text: str) -> list[int]:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return [token for token in encoding.ids if token != self._unknown]


def _mapped(file: Path, tensor: str) -> npt.NDArray[np.int8]:
    """An int8 tensor as it lies in a file of safetensors: what is not looked at takes no memory."""
    with file.open("rb") as content:
        length = int.from_bytes(content.read(8), "little")
        about = json.loads(content.read(length))[tensor]
    return np.asarray(np.memmap(file, np.int8, "r", 8 + length + about["data_offsets"][0], tuple(about["shape"])))


def write(folder: Path, rows: Floats, tokenizer: str, teacher: str) -> None:
    """Write a static encoder. `rows` (tokens, dim) float32 are in the order of the tokenizer's ids."""
    scales = np.maximum(np.abs(rows).max(axis=1), 1e-12).astype(np.float32) / 127
    quantised = np.rint(rows / scales[:, None]).astype(np.int8)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(save({"rows": quantised, "scales": scales}, {"teacher": teacher}))
    (folder / TOKENIZER_FILE).write_text(tokenizer, encoding="utf-8")
