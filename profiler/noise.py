"""Makes texts that ask nothing: what the label `gibberish` of a gate is trained with.

Random letters, keys hit blindly, logs, base64, scripts that no shipped encoder reads, shuffled words: kinds of text,
each a function of a random generator. Whoever asks something never writes so, or pastes it beside a question.
"""

import base64
import json
import string
from collections.abc import Callable, Mapping, Sequence
from random import Random

_Kind = Callable[[Random, Sequence[str]], str]  # (generator, words of real texts) -> one text

LEAST_WORDS = 20  # of the real texts, for the kinds that shuffle words; with fewer those kinds are left out
# Latin of Cicero, as printers set it where a text will stand.
_LOREM = (
    "lorem",
    "ipsum",
    "dolor",
    "sit",
    "amet",
    "consectetur",
    "adipiscing",
    "elit",
    "sed",
    "do",
    "eiusmod",
    "tempor",
    "incididunt",
    "ut",
    "labore",
    "et",
    "dolore",
    "magna",
    "aliqua",
    "enim",
    "ad",
    "minim",
    "veniam",
    "quis",
    "nostrud",
    "exercitation",
    "ullamco",
    "laboris",
    "nisi",
    "aliquip",
    "ex",
    "ea",
    "commodo",
    "consequat",
    "duis",
    "aute",
    "irure",
    "in",
    "reprehenderit",
    "voluptate",
    "velit",
    "esse",
    "cillum",
    "fugiat",
    "nulla",
    "pariatur",
    "excepteur",
    "sint",
    "occaecat",
    "cupidatat",
    "non",
    "proident",
    "sunt",
    "culpa",
    "qui",
    "officia",
    "deserunt",
    "mollit",
    "anim",
    "id",
    "est",
    "laborum",
)
_SCRIPTS = {  # first and last letter in Unicode; none of them is in the languages that MiniLM or USE read
    "georgian": (0x10D0, 0x10F0),
    "armenian": (0x0561, 0x0586),
    "amharic": (0x1210, 0x1290),
    "khmer": (0x1780, 0x17A2),
    "tamil": (0x0B85, 0x0BB9),
    "cherokee": (0x13A0, 0x13F0),
    "tibetan": (0x0F40, 0x0F6A),
    "burmese": (0x1000, 0x1021),
    "runes": (0x16A0, 0x16EA),
    "braille": (0x2801, 0x28FF),
}
_EMOJI = (*range(0x1F300, 0x1F5FF), *range(0x1F600, 0x1F64F), *range(0x1F680, 0x1F6C5), *range(0x1F900, 0x1F9FF))
_KEYS = ("asdfghjkl", "qwertyuiop", "zxcvbnm", "sdfjkl", "hjkl", "fghj")
_SYLLABLES = tuple(consonant + vowel for consonant in "bcdfghjklmnprstvwz" for vowel in "aeiou")


def noise(count: int, seed: int, words: Sequence[str] = (), kinds: Sequence[str] = ()) -> list[str]:
    """`count` texts, of the kinds in turn; the same ones for the same arguments.

    `words`: what the kinds that shuffle draw from. `kinds`: names among KINDS; () stands for all.
    """
    chosen = [name for name in (kinds or KINDS) if name not in _SHUFFLED or len(words) >= LEAST_WORDS]
    return [KINDS[chosen[i % len(chosen)]](Random(f"{seed}:{i}"), words) for i in range(count if chosen else 0)]


def _several(rng: Random, least: int, most: int) -> range:
    """So many times: few more often than many."""
    return range(int(least * (most / least) ** rng.random()))


def _from(rng: Random, letters: str, least: int, most: int) -> str:
    return "".join(rng.choice(letters) for _ in _several(rng, least, most))


def _joined(rng: Random, least: int, most: int, word: Callable[[], str], between: str = " ") -> str:
    return between.join(word() for _ in _several(rng, least, most))


def _log(rng: Random, words: Sequence[str]) -> str:
    def line() -> str:
        clock = f"20{rng.randrange(10, 30)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}T{rng.randrange(24):02}"
        where = f"{rng.choice(_LOREM)}.{rng.choice(_LOREM)}[{rng.randrange(99999)}]"
        said = f"{rng.choice(_LOREM)}={rng.randrange(9999)} 0x{_from(rng, '0123456789abcdef', 6, 12)}"
        return f"{clock}:{rng.randrange(60):02}:00Z {rng.choice(('INFO', 'DEBUG', 'WARN', 'TRACE'))} {where}: {said}"

    return _joined(rng, 2, 8, line, "\n")


def _markup(rng: Random, words: Sequence[str]) -> str:
    def tag() -> str:
        name = rng.choice(("div", "span", "td", "li", "g", "path", "p", "a"))
        key = rng.choice(("class", "id", "style", "d"))
        return f'<{name} {key}="{_from(rng, string.ascii_lowercase + "-0123456789", 4, 20)}"></{name}>'

    return _joined(rng, 3, 15, tag, rng.choice(("", "\n")))


def _structure(rng: Random, words: Sequence[str]) -> str:
    def value() -> object:
        return rng.choice((rng.randrange(10**6), rng.random(), None, True, _from(rng, string.ascii_letters, 3, 12)))

    keys = [_from(rng, string.ascii_lowercase, 2, 8) for _ in _several(rng, 3, 15)]
    return json.dumps({key: value() for key in keys})


def _script(first: int, last: int) -> _Kind:
    letters = "".join(map(chr, range(first, last + 1)))
    return lambda rng, words: _joined(rng, 3, 40, lambda: _from(rng, letters, 2, 9))


def _table(rng: Random, words: Sequence[str]) -> str:
    columns = rng.randrange(3, 8)
    between = rng.choice((",", ";", "\t", " | "))

    def row() -> str:
        return between.join(f"{rng.uniform(-999, 999):.2f}" for _ in range(columns))

    return _joined(rng, 2, 15, row, "\n")


def _mangled(rng: Random, words: Sequence[str]) -> str:
    """Words whose letters stand in any order."""
    return _joined(rng, 5, 50, lambda: "".join(rng.sample(word := rng.choice(words), len(word))))


def _repeated(rng: Random, words: Sequence[str]) -> str:
    return rng.choice((_from(rng, string.ascii_lowercase, 1, 4), "ha", "-", "x", "1", "!?")) * rng.randrange(20, 150)


def _stack(rng: Random, words: Sequence[str]) -> str:
    def frame() -> str:
        path = "/".join(rng.choice(_LOREM) for _ in range(rng.randrange(2, 5)))
        return f"  at {_from(rng, string.ascii_letters, 4, 12)} (/{path}.js:{rng.randrange(999)}:{rng.randrange(99)})"

    return _joined(rng, 4, 15, frame, "\n")


def _links(rng: Random, words: Sequence[str]) -> str:
    def link() -> str:
        return f"https://{_from(rng, _LETTERS_AND_DIGITS, 5, 9)}.com/{_from(rng, _LETTERS_AND_DIGITS, 9, 40)}"

    return _joined(rng, 1, 6, link, "\n")


_BOXES = "".join(map(chr, (*range(0x2500, 0x25A0), *range(0x2190, 0x2200))))
_LETTERS_AND_DIGITS = string.ascii_letters + string.digits
KINDS: Mapping[str, _Kind] = {
    "characters": lambda rng, words: _from(rng, string.printable[:95], 15, 400),
    "letters": lambda rng, words: _joined(rng, 3, 50, lambda: _from(rng, string.ascii_lowercase, 2, 12)),
    "run of letters": lambda rng, words: _from(rng, string.ascii_letters, 10, 200),
    "keyboard": lambda rng, words: _joined(rng, 1, 25, lambda: _from(rng, rng.choice(_KEYS), 3, 14)),
    "syllables": lambda rng, words: _joined(
        rng, 4, 50, lambda: "".join(rng.choices(_SYLLABLES, k=rng.randrange(1, 5)))
    ),
    "base64": lambda rng, words: base64.b64encode(rng.randbytes(rng.randrange(15, 300))).decode(),
    "hex": lambda rng, words: rng.randbytes(rng.randrange(10, 200)).hex(rng.choice(" :")),
    "run of hex": lambda rng, words: rng.randbytes(rng.randrange(10, 200)).hex(),
    "identifiers": lambda rng, words: _joined(
        rng, 2, 12, lambda: f"{rng.getrandbits(64):016x}-{rng.getrandbits(32):x}"
    ),
    "bits": lambda rng, words: _joined(rng, 2, 30, lambda: f"{rng.getrandbits(8):08b}"),
    "numbers": lambda rng, words: _joined(rng, 5, 80, lambda: str(rng.randrange(10 ** rng.randrange(1, 8)))),
    "table": _table,
    "log": _log,
    "stack": _stack,
    "markup": _markup,
    "structure": _structure,
    "links": _links,
    "marks": lambda rng, words: _from(rng, string.punctuation + " ", 10, 150),
    "boxes": lambda rng, words: _from(
        rng, "".join(map(chr, (*range(0x2500, 0x25A0), *range(0x2190, 0x2200)))), 10, 120
    ),
    "emoji": lambda rng, words: rng.choice(("", " ")).join(chr(rng.choice(_EMOJI)) for _ in _several(rng, 3, 60)),
    "repeated": _repeated,
    "lorem ipsum": lambda rng, words: _joined(rng, 8, 70, lambda: rng.choice(_LOREM)).capitalize() + ".",
    "mixed scripts": lambda rng, words: "".join(chr(rng.randrange(0xA0, 0x2000)) for _ in _several(rng, 15, 150)),
    "word salad": lambda rng, words: _joined(rng, 8, 60, lambda: rng.choice(words)),
    "mangled words": _mangled,
    **{name: _script(first, last) for name, (first, last) in _SCRIPTS.items()},
}
_SHUFFLED = {"word salad", "mangled words"}
