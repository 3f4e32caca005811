"""Each format gives its headings, texts and tables; what cannot be read says why, and what to do."""

import io
import json
import sys
import zipfile

import pytest

from gateway.agent.knowledge import formats
from gateway.agent.knowledge.formats import DOCUMENT_CHARS, FILE_BYTES, Unreadable, blocks_of
from gateway.agent.knowledge.pieces import Block, pieces_of
from tests.gateway.agent.knowledge.made import docx, locked_pdf, paragraph, pdf

TABLE = "\n".join(["| boat | weight |", "|---|--:|", "| Skua | 2350 |"])
ROWS = [("row", "boat | weight"), ("row", "Skua | 2350")]


def shown(name: str, content: bytes | str) -> list[tuple[str, str]]:
    """The blocks that have a text, as (kind, text)."""
    content = content.encode() if isinstance(content, str) else content
    return [(block.kind, block.text.strip()) for block in blocks_of(name, content) if block.text.strip()]


def test_markdown() -> None:
    text = (
        f"---\ntitle: x\n---\n# Boats #\nTwo\nlines.\n\nKeel\n----\n- one\n- two\n\n{TABLE}\n\n~~~py\n# code\n~~~\nend"
    )

    assert [
        *(("heading", "Boats"), ("text", "Two\nlines."), ("heading", "Keel"), ("text", "- one"), ("text", "- two")),
        *(*ROWS, ("code", "# code"), ("text", "end")),
    ] == shown("a.md", text)


def test_two_tables_have_a_header_each() -> None:
    pieces = pieces_of(blocks_of("a.md", f"{TABLE}\n\n{TABLE.replace('boat', 'ship')}".encode()))

    assert ["boat | weight\nSkua | 2350", "ship | weight\nSkua | 2350"] == [piece.text for piece in pieces]


def test_a_fence_that_never_ends_is_code_to_the_end() -> None:
    assert [("code", "x\n# y")] == shown("a.md", "```\nx\n# y")


def test_text_and_code_have_no_headings() -> None:
    assert [("text", "# a"), ("text", "b")] == shown("a.txt", "# a\n\nb")
    assert [("code", "# a\nb = 1")] == shown("a.py", "# a\nb = 1")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_of_several_encodings(encoding: str) -> None:
    assert [("text", "Größe")] == shown("a.txt", "Größe".encode(encoding))


def test_html() -> None:
    page = """<html><head><title>t</title><style>a{}</style></head><body><nav>menu</nav><h1>Boats</h1>
    <p>The <b>keel</b> is<br>of lead.</p>loose<table><tr><th>boat</th><th>weight</th></tr><tr><td>Skua</td><td>2350</td>
    </tr></table><pre>a\n  b</pre><script>x()</script></body></html>"""

    assert [
        *(("heading", "Boats"), ("text", "The keel is of lead."), ("text", "loose"), *ROWS, ("code", "a\n  b")),
    ] == shown("a.html", page)


def test_docx() -> None:
    cells = "".join(f"<w:tc>{paragraph(text)}</w:tc>" for text in ("boat", "weight"))
    row = cells.replace("boat", "Skua").replace("weight", "2350")
    table = f"<w:tbl><w:tr>{cells}</w:tr><w:tr>{row}</w:tr></w:tbl>"

    found = shown("a.docx", docx(paragraph("Boats", "Heading1") + paragraph("Of lead.") + table + paragraph("End.")))

    assert [("heading", "Boats"), ("text", "Of lead."), *ROWS, ("text", "End.")] == found


def test_pdf() -> None:
    assert [
        *(("heading", "page 1"), ("text", "Keels are of lead."), ("heading", "page 2"), ("text", "Masts are of wood.")),
    ] == shown("a.pdf", pdf("Keels are of lead.", "Masts are of wood."))


@pytest.mark.parametrize("turn", [("conversations", "from", "value", "human"), ("messages", "role", "content", "user")])
@pytest.mark.parametrize("is_list", [True, False])
def test_chats_are_one_piece_a_question(turn: tuple[str, str, str, str], is_list: bool) -> None:
    key, who, said, user = turn
    texts = ["How heavy is it?", "2350 kg.", "And long?", "28 feet."]
    talk = {key: [{who: (user, "gpt")[n % 2], said: text} for n, text in enumerate(texts)]}

    pieces = pieces_of(blocks_of("a.json", json.dumps([talk] if is_list else talk).encode()))

    assert [
        ("How heavy is it?", f"{user}: How heavy is it?\ngpt: 2350 kg."),
        ("And long?", f"{user}: And long?\ngpt: 28 feet."),
    ] == [tuple(piece) for piece in pieces]


def test_other_json_is_code() -> None:
    assert [("code", '{"a": 1}')] == shown("a.json", '{"a": 1}')
    assert [("code", "{no json")] == shown("a.json", "{no json")


UNREADABLE = {
    "locked pdf": ("a.pdf", locked_pdf(), r"locked with a password: save it without one"),
    "no pdf": ("a.pdf", b"%PDF-1.4 nothing", r"damaged, or no PDF: open it and save it anew"),
    "scanned": ("a.pdf", pdf("", ""), r"only pictures.*OCR"),
    "locked docx": ("a.docx", formats._OLE + bytes(600), r"locked with a password.*\.docx without one"),
    "no zip": ("a.docx", b"PK nothing", r"damaged, or no Word document"),
    "other zip": ("a.docx", docx("", name="other.xml"), r"damaged, or no Word document"),
    "cut xml": ("a.docx", docx("<w:p>"), r"damaged, or no Word document"),
    "no text": ("a.txt", b"a\0b", r"no text: leave it out by knowledge\.patterns"),
    "empty": ("a.md", b"  \n", r"has no text"),
    "too long": ("a.txt", b"many words " * (DOCUMENT_CHARS // 10), r"over 5 million characters: split it"),
    "too large": ("a.txt", bytes(FILE_BYTES + (1 << 20)), r"51 MB, and 50 MB is the limit"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_says_why_and_what_to_do(kind: str) -> None:
    name, content, said = UNREADABLE[kind]

    with pytest.raises(Unreadable, match=said):
        blocks_of(name, content)


def test_a_zip_bomb_is_refused_before_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("word/document.xml", bytes(FILE_BYTES + (1 << 20)))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was opened"))

    with pytest.raises(Unreadable, match=r"unpacked it has 51 MB, and 50 MB is the limit"):
        blocks_of("a.docx", file.getvalue())


@pytest.mark.parametrize("package", ["pypdfium2", "selectolax.lexbor"])
def test_a_format_without_its_package_names_it(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(Unreadable, match=r"pip install 'ppai\[agents\]'") as raised:
        blocks_of("a.pdf" if package == "pypdfium2" else "a.html", pdf("x"))
    assert raised.value.passes


@pytest.mark.parametrize("name", ["a.md", "a.html", "a.pdf", "a.docx", "a.json"])
def test_a_damaged_file_is_read_or_is_unreadable(name: str) -> None:
    """A file cut short, or with a changed byte, at many places."""
    whole = {"a.pdf": pdf("Keels are of lead."), "a.docx": docx(paragraph("Of lead."))}.get(
        name, b'# Boats\n<p>x</p>\n| a | b |\n```\n[{"conversations": 1}]'
    )
    cuts = [whole[:n] for n in range(0, len(whole), 7)]
    changed = [whole[:n] + bytes([whole[n] ^ 0x55]) + whole[n + 1 :] for n in range(0, len(whole), 5)]

    for content in (*cuts, *changed):
        try:
            found = blocks_of(name, content)
        except Unreadable as error:
            assert ": " in str(error)
        else:
            assert all(isinstance(block, Block) for block in found)
