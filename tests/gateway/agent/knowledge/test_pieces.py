"""A piece is short, says under which headings it stands, and nothing of a document is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agent.knowledge.pieces import HEADING_CHARS, PIECE_CHARS, Block, Piece, pieces_of, sentences_of

BLOCKS = st.lists(
    st.builds(
        Block,
        st.sampled_from(["heading", "text", "row", "code"]),
        st.text(st.characters(codec="utf-8"), max_size=1200),
        st.integers(1, 6),
    ),
    max_size=12,
)


def test_pieces_carry_the_headings_above_them() -> None:
    blocks = [Block("heading", "Boats", 1), Block("text", "All."), Block("heading", "Keel", 2), Block("text", "Lead.")]

    assert [Piece("Boats", "All."), Piece("Boats > Keel", "Lead.")] == pieces_of(blocks)


def test_a_heading_ends_those_of_its_level_and_below() -> None:
    blocks = [Block("heading", text, level) for text, level in (("A", 1), ("B", 2), ("C", 3), ("D", 2))]

    assert [Piece("A > D", "x")] == pieces_of([*blocks, Block("text", "x")])


def test_long_headings_lose_the_outermost() -> None:
    blocks = [Block("heading", "outer " * 40, 1), Block("heading", "inner", 2), Block("text", "x")]

    assert [Piece("inner", "x")] == pieces_of(blocks)


def test_each_piece_of_a_table_begins_with_its_header() -> None:
    rows = [Block("row", f"boat {n} | {n} tonnes") for n in range(60)]

    found = pieces_of([Block("row", "name | weight"), *rows])

    assert len(found) > 1
    assert all(piece.text.startswith("name | weight\nboat ") for piece in found)
    assert [block.text for block in rows] == [line for piece in found for line in piece.text.split("\n")[1:]]


def test_a_text_is_cut_after_sentences() -> None:
    found = pieces_of([Block("text", " ".join(["The keel is of lead and the mast is of wood."] * 30))])

    assert len(found) > 1
    assert all(piece.text.endswith(".") and len(piece.text) <= PIECE_CHARS for piece in found)


def test_code_is_cut_between_definitions() -> None:
    parts = [f"def f{n}():\n    a = {n}\n\n    return a" for n in range(30)]

    found = pieces_of([Block("code", "\n\n".join(parts))])

    assert len(found) > 1
    assert all(piece.text.startswith("def ") for piece in found)


@given(BLOCKS)
def test_pieces_are_short(blocks: list[Block]) -> None:
    found = pieces_of(blocks)

    assert all(len(piece.text) <= PIECE_CHARS + 1 and len(piece.heading) <= HEADING_CHARS for piece in found)
    assert all(piece.text.strip() for piece in found)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=1200), max_size=6), st.sampled_from(["text", "code"]))
def test_nothing_is_lost_but_the_space_between_words(texts: list[str], kind: str) -> None:
    found = pieces_of([Block(kind, text) for text in texts])  # type: ignore[arg-type]

    assert "".join("".join(texts).split()) == "".join("".join(piece.text for piece in found).split())


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("a header\na row", ["a header", "a row"]),
        ("version 2.5 is here", ["version 2.5 is here"]),
        ("", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert sentences == sentences_of(text)
