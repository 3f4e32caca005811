"""Cuts a document into pieces that are found one by one: each with its headings, a table's rows with their header (P).

A document is a sequence of blocks, whatever its format. Nothing of it is lost but the space between words.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

PIECE_CHARS = 350  # of one piece, without its headings: a few sentences, so that what they say is near its question
HEADING_CHARS = 200  # of the headings above a piece; where they are longer, the outermost are left out
JOINED = " > "  # between a heading and the one below it

_SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"')\]]*\s+|(?<=[。！？])")


class Block(NamedTuple):
    """A part of a document as its format tells it.

    A `heading` has a level from 1; a `row` is a line of a table, and the first of several is their header; of `code`
    the lines are kept as they are.
    """

    kind: Literal["heading", "text", "row", "code"]
    text: str
    level: int = 0


class Piece(NamedTuple):
    """What is found: a text of at most PIECE_CHARS, beside a header or so, and the headings above it."""

    heading: str  # those above it, outermost first, joined by JOINED; may be empty
    text: str


def pieces_of(blocks: Iterable[Block]) -> list[Piece]:
    """The pieces of a document, in its order."""
    found: list[Piece] = []
    above: list[tuple[int, str]] = []  # level and text of the headings over the place
    gathered: list[Block] = []
    for block in (*blocks, Block("heading", "", 1)):
        if block.kind == "heading" or (gathered and block.kind != gathered[-1].kind):
            found += (Piece(_joined(above), text) for text in _cut(gathered))
            gathered = []
        if block.kind == "heading":
            above = [one for one in above if one[0] < block.level] + [(block.level, " ".join(block.text.split()))]
        elif block.text.strip():
            gathered.append(block)
    return found


def sentences_of(text: str) -> list[str]:
    """The sentences of a text; a line that ends a paragraph or a row of a table ends one, too."""
    return [part.strip() for line in text.split("\n") for part in _SENTENCE_END.split(line) if part.strip()]


def _joined(above: list[tuple[int, str]]) -> str:
    texts = [text for _, text in above if text]
    while len(texts) > 1 and len(JOINED.join(texts)) > HEADING_CHARS:
        del texts[0]
    return JOINED.join(texts)[:HEADING_CHARS]


def _cut(blocks: list[Block]) -> Iterator[str]:
    """The texts of pieces, from blocks of one kind under one heading."""
    if not blocks:
        return
    if blocks[0].kind == "row":
        header, *rows = (" ".join(block.text.split()) for block in blocks)
        header = header[: PIECE_CHARS // 2]
        filled = _filled([part for row in rows for part in _short(row, PIECE_CHARS - len(header))], len(header))
        yield from (f"{header}\n{text}" for text in filled) if rows else (header,)
    elif blocks[0].kind == "code":
        yield from _filled([part for block in blocks for part in _code(block.text)], joint="\n\n")
    else:
        yield from _filled([part for block in blocks for part in _short(" ".join(block.text.split()), PIECE_CHARS)])


def _filled(parts: Iterable[str], taken: int = 0, joint: str = "\n") -> Iterator[str]:
    """The parts joined, as many as fit into a piece of which `taken` characters are used."""
    held: list[str] = []
    size = taken
    for part in parts:
        if held and size + len(joint) + len(part) > PIECE_CHARS:
            yield joint.join(held)
            held, size = [], taken
        held.append(part)
        size += len(joint) + len(part)
    if held:
        yield joint.join(held)


def _short(text: str, limit: int) -> Iterator[str]:
    """A text in parts of at most `limit` characters: cut after sentences, else after words, else anywhere."""
    if len(text) <= limit:
        yield text
        return
    held = ""
    for sentence in _SENTENCE_END.split(text):
        for part in (sentence,) if len(sentence) <= limit else _by_words(sentence, limit):
            if held and len(held) + 1 + len(part) > limit:
                yield held
                held = ""
            held = f"{held} {part}" if held else part
    if held:
        yield held


def _by_words(text: str, limit: int) -> Iterator[str]:
    at = 0
    while len(text) - at > limit:
        end = text.rfind(" ", at + limit // 2, at + limit)
        end = end if end > 0 else at + limit
        yield text[at:end]
        at = end + (text[end] == " ")
    yield text[at:]


def _code(text: str) -> Iterator[str]:
    """Code in parts: cut where a blank line stands before a line without indentation, else between lines."""
    for part in re.split(r"\n[ \t]*\n(?=\S)", text.strip("\n")):
        if len(part) <= PIECE_CHARS:
            yield part.rstrip()
        else:
            lines = [short for line in part.rstrip().split("\n") for short in _lines(line)]
            yield from _filled(lines)


def _lines(line: str) -> Iterator[str]:
    yield from (line[at : at + PIECE_CHARS] for at in range(0, max(len(line), 1), PIECE_CHARS))
