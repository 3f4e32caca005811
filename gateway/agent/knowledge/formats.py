"""Files as blocks (pieces.py): Markdown, text, code, chats, HTML, PDF and DOCX. Runs in the process of reader.py.

A file is whatever somebody sent its owner. What cannot be read is an Unreadable that names the remedy; what takes time
or memory without end meets the limits of its process.
"""

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any
from xml.etree import ElementTree

from gateway.agent.knowledge.pieces import Block

FILE_BYTES = 50 << 20  # of a file, and of what a packed one unpacks to
DOCUMENT_CHARS = 5_000_000

_MARKDOWN = {".md", ".markdown", ".mdx", ".qmd"}
_TEXT = {".txt", ".rst", ".text", ".log", ".tex", ".org", ".adoc", ".csv", ".tsv", ""}
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")  # begins an Office file that is locked, or older than 2007
_BROKEN = (  # what the libraries of a Word document raise for one that is none
    *(zipfile.BadZipFile, zlib.error, ElementTree.ParseError, struct.error),
    *(KeyError, EOFError, NotImplementedError, RuntimeError, ValueError, OSError),
)
_NOT_WORDS = ("script", "style", "nav", "footer", "aside", "noscript", "template", "svg", "form", "iframe")
_BLOCKS = {
    *("p", "div", "li", "td", "th", "tr", "dt", "dd", "blockquote", "section", "article", "main", "body", "pre"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "figcaption", "caption", "summary", "details", "header", "ul", "ol", "table"),
}


class Unreadable(Exception):
    """The file gives no text; the message says why and names the remedy, and does not name the file.

    `passes`: the cause is not in the file.
    """

    def __init__(self, message: str, passes: bool = False) -> None:
        super().__init__(message)
        self.passes = passes


def blocks_of(name: str, content: bytes) -> list[Block]:
    """The blocks of a file. Raises Unreadable; MemoryError where its process may have no more."""
    if len(content) > FILE_BYTES:
        raise Unreadable(too_large(len(content)))
    suffix = PurePath(name).suffix.lower()
    found = list(_bounded(_reader_of(suffix)(content)))
    if not any(block.text.strip() for block in found):
        raise Unreadable("it has no text: leave it out, or write some")
    return found


def too_large(size: int) -> str:
    """What is said of a file over the limit."""
    return f"it has {size >> 20} MB, and {FILE_BYTES >> 20} MB is the limit: split it, or move it out of the folder"


def _reader_of(suffix: str) -> Callable[[bytes], Iterator[Block]]:
    if suffix in _MARKDOWN:
        return lambda content: markdown(decoded(content))
    if suffix in _TEXT:
        return lambda content: (Block("text", part) for part in re.split(r"\n\s*\n", decoded(content)))
    named = {".html": html, ".htm": html, ".xhtml": html, ".pdf": pdf, ".docx": docx, ".json": chats, ".jsonl": chats}
    return named.get(suffix, lambda content: iter([Block("code", decoded(content))]))


def _bounded(blocks: Iterator[Block]) -> Iterator[Block]:
    size = 0
    for block in blocks:
        size += len(block.text)
        if size > DOCUMENT_CHARS:
            raise Unreadable(f"it has over {DOCUMENT_CHARS // 1_000_000} million characters: split it")
        yield block


def decoded(content: bytes) -> str:
    """Text of a file. Raises Unreadable for what is no text."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace").replace("\r\n", "\n")
    if b"\0" in content[:8192]:
        raise Unreadable("it is no text: leave it out by knowledge.patterns")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def markdown(text: str) -> Iterator[Block]:
    """Headings of both forms, fenced code, tables, and paragraphs; a list's items are lines of a paragraph."""
    fence, held = "", []  # type: tuple[str, list[str]]
    text = re.sub(r"\A---\n.*?\n(?:---|\.\.\.)\n", "", text, flags=re.S)  # what describes the page

    def paragraph() -> Iterator[Block]:
        if held:
            yield Block("text", "\n".join(held))
            held.clear()

    for line in text.split("\n"):
        opened = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if fence:
            if opened and line.strip().startswith(fence) and not line.strip(" `~"):
                yield Block("code", "\n".join(held))
                fence = ""
                held.clear()
            else:
                held.append(line)
        elif opened:
            yield from paragraph()
            fence = opened[1]
        elif heading := re.match(r" {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$", line):
            yield from paragraph()
            yield Block("heading", heading[2], len(heading[1]))
        elif len(held) == 1 and re.fullmatch(r" {0,3}(=+|-+)\s*", line) and not held[0].lstrip().startswith(("-", "*")):
            yield Block("heading", held.pop(), 1 if "=" in line else 2)
        elif line.lstrip().startswith("|"):
            yield from paragraph()
            if not re.fullmatch(r"[\s|:-]+", line):
                yield Block("row", line.strip().strip("|").strip())
        elif not line.strip():
            yield from paragraph()
            yield Block("text", "")  # ends a table: the next one has a header of its own
        elif re.match(r"\s*(?:[-*+]|\d+[.)])\s", line):
            yield from paragraph()
            held.append(line.strip())
        else:
            held.append(line)
    yield from [Block("code", "\n".join(held))] if fence else paragraph()


def chats(content: bytes) -> Iterator[Block]:
    """Chats of the form that ShareGPT exports, or of OpenAI's messages: one piece a question. Other JSON is code."""
    text = decoded(content)
    try:
        found = _json(text)
    except (ValueError, RecursionError):
        found = []
    talks = [turns for one in found if (turns := _turns(one))]
    if not talks:
        yield Block("code", text)
        return
    for turns in talks:
        for at, (who, said) in enumerate(turns):
            if at == 0 or who in ("human", "user"):
                yield Block("heading", " ".join(said.split())[:80], 1)
            yield Block("text", f"{who}: {said}")


def _json(text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return value if isinstance(value, list) else [value]


def _turns(talk: Any) -> list[tuple[str, str]]:
    if not isinstance(talk, dict):
        return []
    turns = talk.get("conversations") or talk.get("messages")
    if not isinstance(turns, list):
        return []
    found = []
    for turn in turns:
        if isinstance(turn, dict):
            who, said = turn.get("from") or turn.get("role"), turn.get("value") or turn.get("content")
            if isinstance(who, str) and isinstance(said, str) and who != "system":
                found.append((who, said))
    return found


def html(content: bytes) -> Iterator[Block]:
    """A page's headings, paragraphs and tables, without what moves it and leads elsewhere."""
    parser = _package("selectolax.lexbor").LexborHTMLParser(content)
    parser.strip_tags([*_NOT_WORDS])
    last, words, cell = None, [], None  # type: tuple[Any, list[str], Any]

    def flush() -> Iterator[Block]:
        text = "".join(words)
        words.clear()
        if last is not None and text.strip():
            if re.fullmatch("h[1-6]", last.tag):
                yield Block("heading", text, int(last.tag[1]))
            else:
                yield Block("row" if last.tag == "tr" else "code" if last.tag == "pre" else "text", text)

    for node in parser.body.traverse(include_text=True) if parser.body else ():
        if node.tag == "table":
            yield from flush()
            yield Block("text", "")
            last = None
        if node.tag == "br":
            words.append(" ")
        if node.tag != "-text":
            continue
        block = node.parent
        while block.parent is not None and block.tag not in _BLOCKS:
            block = block.parent
        column = None
        if block.tag in ("td", "th") and block.parent is not None:
            column, block = block, block.parent
        if last is None or block.mem_id != last.mem_id:
            yield from flush()
            last, cell = block, column
        elif column is not None and cell is not None and column.mem_id != cell.mem_id:
            words.append(" | ")
            cell = column
        words.append(node.text(deep=False) if block.tag == "pre" else re.sub(r"\s+", " ", node.text(deep=False)))
    yield from flush()


def pdf(content: bytes) -> Iterator[Block]:
    """The text of a PDF's pages, each under its number and the title of the outline that holds there."""
    pdfium = _package("pypdfium2")
    try:
        document = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("it is locked with a password: save it without one") from error
        raise Unreadable("it is damaged, or no PDF: open it and save it anew") from error
    title, has_text = "", False
    titles: dict[int, str] = {}
    for entry in document.get_toc(max_depth=4):
        target = entry.get_dest()
        if target is not None and target.get_index() is not None:
            titles.setdefault(target.get_index(), entry.get_title())
    for number in range(len(document)):
        title = titles.get(number, title)
        try:
            page = document[number]
            text = page.get_textpage().get_text_bounded()
            page.close()
        except pdfium.PdfiumError:
            continue  # one broken page; the others are read
        text = text.replace("\ufffe\r\n", "").replace("\ufffe", "").replace("\r\n", "\n")
        has_text = has_text or bool(text.strip())
        yield Block("heading", f"{title}, page {number + 1}" if title else f"page {number + 1}", 1)
        yield Block("text", text)
    if not has_text:
        raise Unreadable("it has no text, only pictures, such as of a scanner: let an OCR program write the text in")


def docx(content: bytes) -> Iterator[Block]:
    """A Word document's paragraphs, headings and tables. What it unpacks to is known before it is opened."""
    if content.startswith(_OLE):
        raise Unreadable("it is locked with a password, or in Word's form before 2007: save it as .docx without one")
    try:
        packed = zipfile.ZipFile(io.BytesIO(content))
        member = packed.getinfo("word/document.xml")
        if member.file_size > FILE_BYTES:
            raise Unreadable(f"unpacked {too_large(member.file_size)}")
        with packed.open(member) as file:
            yield from _word(file)
    except _BROKEN as error:
        raise Unreadable("it is damaged, or no Word document: open it and save it anew") from error


def _word(file: Any) -> Iterator[Block]:
    words: list[str] = []
    level, cells, depth = 0, [], 0  # type: tuple[int, list[str], int]
    for event, node in ElementTree.iterparse(file, ("start", "end")):
        tag = node.tag.removeprefix(_WORD)
        if event == "start":
            depth += tag == "tbl"
            continue
        if tag == "t":
            words.append(node.text or "")
        elif tag in ("tab", "br"):
            words.append(" ")
        elif tag == "pStyle":
            named = re.fullmatch(r"(?:heading|berschrift|Title|Titre)\s*(\d?)", node.get(f"{_WORD}val", ""), flags=re.I)
            level = int(named[1] or 1) if named else 0
        elif tag == "outlineLvl" and node.get(f"{_WORD}val", "9").isdigit():
            level = min(int(node.get(f"{_WORD}val")), 5) + 1 if int(node.get(f"{_WORD}val")) < 9 else level
        elif tag == "p" and not depth:
            yield Block("heading" if level else "text", "".join(words), level)
            words, level = [], 0
            node.clear()
        elif tag == "tc" and depth == 1:
            cells.append("".join(words).strip())
            words, level = [], 0
        elif tag == "tr" and depth == 1:
            yield Block("row", " | ".join(cells))
            cells = []
            node.clear()
        elif tag == "p":
            words.append(" ")
        elif tag == "tbl":
            depth -= 1
            if not depth:
                yield Block("text", "")  # ends this table: the next one has a header of its own


def _package(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise Unreadable("reading it needs a package: pip install 'ppai[agents]'", passes=True) from error
