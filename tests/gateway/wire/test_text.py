"""What others say steers no terminal."""

import pytest

from gateway.wire.text import header_text, read_header_text, visible


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_control_characters_are_left_out_but_for_tabs_and_lines(code: int) -> None:
    kept = chr(code) if chr(code) in "\t\n" else ""

    assert f"a{kept}b" == visible(f"a{chr(code)}b")


@pytest.mark.parametrize("code", [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
def test_order_is_as_written(code: int) -> None:
    """A bidirectional control would show it otherwise."""
    assert "ab" == visible(f"a{chr(code)}b")


def test_an_escape_sequence_is_plain_letters() -> None:
    assert "]52;c;cm0gLXJm[2Jx" == visible("\x1b]52;c;cm0gLXJm\x07\x1b[2Jx")


def test_what_no_encoding_has_is_left_out() -> None:
    """A half of a pair, as JSON can hold it: printing it would fail."""
    assert b"ab" == visible("a\ud800b").encode()


@pytest.mark.parametrize("text", ["", "plain", "zażółć 漢字 👩‍🚀 a\u0301", "two\nlines\tand a tab"])
def test_all_else_stays(text: str) -> None:
    assert text == visible(text)


@pytest.mark.parametrize("name", ["ada", "工作站", "Büro", "a b (c)", "🦊", "50% off"])
def test_any_name_stands_in_a_header_and_comes_out_of_it(name: str) -> None:
    assert header_text(name).isascii()
    assert name == read_header_text(header_text(name))


def test_a_name_in_utf_8_as_it_is_is_read_too() -> None:
    """Clients that send bytes do it, and HTTP reads them as Latin-1."""
    assert "工作站" == read_header_text("工作站".encode().decode("latin-1"))
    assert "Büro" == read_header_text("Büro")  # Latin-1 as it was meant
