"""A form's parts are found where they lie, whatever they hold; what is none is refused in words."""

import mmap
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.privacy.forms import PARTS_LIMIT, boundary_of, read_form, write_form
from gateway.wire.bodies import FORM
from gateway.wire.errors import InvalidRequest

AS_CURL_WRITES = (
    b'--xx\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a \\"b\\".mp3"\r\nContent-Type: audio/mpeg\r\n\r\n'
    b"\r\n--x\r\n--xxx\x00\r\n--xx--\r\n"
)


def test_the_parts_of_a_form() -> None:
    """A value may hold what looks like the beginning of a boundary."""
    model, file = read_form("xx", AS_CURL_WRITES)

    assert ("model", None, b"whisper-1") == (model.name, model.filename, AS_CURL_WRITES[model.begin : model.end])
    assert ("file", 'a "b".mp3', "audio/mpeg") == (file.name, file.filename, file.content_type)
    assert b"\r\n--x\r\n--xxx\x00" == AS_CURL_WRITES[file.begin : file.end]


@given(st.lists(st.tuples(st.sampled_from(["model", "prompt", "a"]), st.binary(max_size=40)), max_size=8), st.binary())
def test_what_is_written_is_read(fields: list[tuple[str, bytes]], holds: bytes) -> None:
    """From a file that is mapped, too."""
    boundary = "f" * 24
    body = b"".join(write_form(boundary, fields, ("file.mp3", "audio/mpeg", memoryview(holds))))
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        for place in (body, mapped):
            found = [(part.name, place[part.begin : part.end]) for part in read_form(boundary, place)]
            assert [*fields, ("file", holds)] == found
        mapped.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--xx",
        b"--xx\r\n",
        b"--xy\r\n\r\n\r\n--xy--",
        AS_CURL_WRITES[2:],
        AS_CURL_WRITES[:-8],
        AS_CURL_WRITES.replace(b'name="model"', b""),
        AS_CURL_WRITES.replace(b"form-data", b"attachment"),
        b"--xx\r\n" + b"a: b\r\n" * 4096 + b"\r\n--xx--",
        b"--xx" + b'\r\ncontent-disposition: form-data; name="a"\r\n\r\n\r\n--xx' * (PARTS_LIMIT + 1) + b"--",
    ],
)
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="the form cannot be read"):
        read_form("xx", body)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (f"{FORM}; boundary=xx", "xx"),
        ('Multipart/Form-Data; charset=utf-8; boundary="x x"', "x x"),
        ("application/json", None),
        ("", None),
    ],
)
def test_what_parts_a_form(content_type: str, boundary: str | None) -> None:
    assert boundary == boundary_of(content_type)


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; boundary=", f"{FORM}; boundary={'x' * 71}"])
def test_a_form_without_a_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidRequest, match="boundary"):
        boundary_of(content_type)
