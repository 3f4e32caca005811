"""Bodies of forms (multipart/form-data), as audio is sent (P): the parts of one, where they lie, and one written anew.

Values are never copied, since a recording may be many megabytes: a body may be a file that is mapped into memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from mmap import mmap

from gateway.wire.bodies import FORM
from gateway.wire.codec import Pieces
from gateway.wire.errors import InvalidRequest

PARTS_LIMIT = 64
HEAD_LIMIT_BYTES = 4096  # of one part
BOUNDARY_LIMIT = 70  # RFC 2046, section 5.1.1
_BROKEN = "the form cannot be read: "


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form: its value is `body[begin:end]`."""

    name: str
    begin: int
    end: int
    filename: str | None = None
    content_type: str = ""


def boundary_of(content_type: str) -> str | None:
    """What parts a form of this content type; None where it is no form. Raises InvalidRequest."""
    head = Message()
    head["content-type"] = content_type
    if head.get_content_type() != FORM:
        return None
    boundary = head.get_boundary("")
    if not (0 < len(boundary) <= BOUNDARY_LIMIT and boundary.isascii() and boundary.isprintable()):
        raise InvalidRequest(f"{_BROKEN}its content-type names no boundary")
    return boundary


def read_form(boundary: str, body: bytes | mmap) -> list[Part]:
    """The parts of a form, in order. Raises InvalidRequest."""
    parts: list[Part] = []
    between = b"\r\n--" + boundary.encode()
    at = len(between) - 2
    if body[:at] != between[2:]:
        raise InvalidRequest(f"{_BROKEN}it does not begin with its boundary")
    while body[at : at + 2] != b"--":
        head_end = body.find(b"\r\n\r\n", at, at + HEAD_LIMIT_BYTES)
        end = _next(body, between, head_end + 4) if head_end >= 0 and body[at : at + 2] == b"\r\n" else -1
        if end < 0:
            raise InvalidRequest(f"{_BROKEN}a part has no head or no end")
        if len(parts) == PARTS_LIMIT:
            raise InvalidRequest(f"{_BROKEN}it has more than {PARTS_LIMIT} parts")
        parts.append(_part(body[at + 2 : head_end + 4], head_end + 4, end))
        at = end + len(between)
    return parts


def write_form(boundary: str, fields: Iterable[tuple[str, bytes]], file: tuple[str, str, memoryview] | None) -> Pieces:
    """A form of these fields, and of a file: (its name, its type, what it holds)."""
    begin, pieces = f"--{boundary}\r\n", list[bytes | memoryview]()
    for name, value in fields:
        pieces.append(f'{begin}content-disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n")
    if file is not None:
        filename, kind, holds = file
        head = f'{begin}content-disposition: form-data; name="file"; filename="{filename}"\r\n'
        pieces += [f"{head}content-type: {kind}\r\n\r\n".encode(), holds, b"\r\n"]
    return (*pieces, f"--{boundary}--\r\n".encode())


def _next(body: bytes | mmap, between: bytes, at: int) -> int:
    """Where the next boundary begins, from `at` on; -1: nowhere. A longer word that begins as it does is none."""
    while (found := body.find(between, at)) >= 0:
        after = body[found + len(between) : found + len(between) + 2]
        if after in (b"\r\n", b"--"):
            return found
        at = found + 1
    return -1


def _part(head: bytes, begin: int, end: int) -> Part:
    said = BytesHeaderParser().parsebytes(head)
    name = said.get_param("name", header="content-disposition")
    if said.get_content_disposition() != "form-data" or not isinstance(name, str) or not name:
        raise InvalidRequest(f"{_BROKEN}a part has no name")
    return Part(name, begin, end, said.get_filename(), said.get_content_type() if "content-type" in said else "")
