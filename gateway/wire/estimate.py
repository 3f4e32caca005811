"""How many tokens a text has, estimated by its script (P): no model is at hand, and each has a tokenizer of its own.

A token is about four letters of English, one and a half of Korean, and one and a half of base64. So characters are
counted by class, and each class has a weight: tokens a character, fitted to three tokenizers at once.
docs/results.md#tokens-by-script shows how far the estimate is off, script by script.
"""

from collections.abc import Sequence

SAMPLE_LENGTH = 2048  # characters; longer texts are sampled: to read all of 8 MiB takes longer than to decide on it
_WINDOWS = 16  # pieces of a sample, spread evenly: a text may begin in English and go on in base64
_WINDOW = SAMPLE_LENGTH // _WINDOWS

# Tokens a character, by class; of characters beyond ASCII the first byte of UTF-8 tells the script.
_UPPER = 1.02  # A to Z, class A
_DIGIT = 0.72  # 0 to 9, class 0
_MARK = 0.61  # other visible ASCII, class .
_LINE_END = 0.56  # class n
_WEIGHTS = {
    "l": 2.64,  # Latin letters with marks: they split the word that they stand in
    "g": 1.12,  # Greek
    "c": 0.68,  # Cyrillic
    "y": 2.16,  # Armenian
    "h": 1.2,  # Hebrew
    "b": 1.08,  # Arabic
    "i": 1.79,  # Devanagari, Thai and their kin
    "v": 1.9,  # Georgian, Khmer, Ethiopic, Latin of Vietnamese
    "p": 2.15,  # punctuation and symbols beyond ASCII
    "k": 1.12,  # kana
    "z": 1.17,  # Chinese characters
    "o": 1.54,  # Hangul
    "e": 2.47,  # emoji, and all else of four bytes
}
_WORD = 1.06  # a word of ASCII letters
_WORD_LETTERS = 5  # letters that this includes; each further one:
_EXCESS = 0.27


def estimated_tokens(texts: Sequence[str]) -> int:
    """About how many tokens a language model reads in all of `texts` together; at least 1."""
    text = "\n".join(texts)
    length = len(text)
    if length <= SAMPLE_LENGTH:
        return int(_tokens(text)) + 1
    step = length // _WINDOWS
    windows = map(slice, range(0, length - _WINDOW, step), range(_WINDOW, length, step))
    sample = "\n".join(map(text.__getitem__, windows))
    return int(_tokens(sample) * length / len(sample)) + 1


def _tokens(text: str) -> float:
    encoded = text.encode("utf-8", "replace")
    count = encoded.translate(_CLASS_OF).count
    lower, upper, digits, marks, line_ends = map(count, _IN_ASCII)
    letters = lower + upper
    visible = letters + digits + marks
    tokens = _UPPER * upper + _DIGIT * digits + _MARK * marks + _LINE_END * line_ends
    if len(encoded) != len(text):
        for name, weight in _BEYOND_ASCII:
            found = count(name)
            visible, tokens = visible + found, tokens + weight * found
    if not letters:
        return tokens
    # Words are counted where they begin: to split the text takes three times as long.
    begins = encoded.translate(_WORD_OF)
    words = (begins.count(b" x") + begins.startswith(b"x")) * letters / visible
    excess = lower - _WORD_LETTERS * words
    return tokens + _WORD * words + (_EXCESS * excess if excess > 0 else 0.0)


def _class_of(byte: int) -> str:
    """The class of a character by the first byte of its UTF-8; `-` for the bytes after the first."""
    if byte < 0x80:
        return _ascii_class(chr(byte))
    return next(name for end, name in _LEADS if byte < end)


def _ascii_class(character: str) -> str:
    if character.isalpha():
        return "a" if character.islower() else "A"
    if character.isdigit():
        return "0"
    if character in "\r\n":
        return "n"
    return " " if character.isspace() else "."


_LEADS = (  # the first byte that is no longer of the class
    (0xC0, "-"), (0xCE, "l"), (0xD0, "g"), (0xD5, "c"), (0xD7, "y"), (0xD8, "h"), (0xE0, "b"), (0xE1, "i"),
    (0xE2, "v"), (0xE3, "p"), (0xE4, "k"), (0xEA, "z"), (0xEE, "o"), (0xF0, "p"), (0x100, "e"),
)  # fmt: skip
_CLASS_OF = "".join(map(_class_of, range(256))).encode()
_WORD_OF = bytes(ord(" " if chr(byte).isspace() and byte < 0x80 else "x") for byte in range(256))
_IN_ASCII = (b"a", b"A", b"0", b".", b"n")
_BEYOND_ASCII = [(name.encode(), weight) for name, weight in _WEIGHTS.items()]
