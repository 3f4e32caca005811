"""Documents of each format, made here; and an encoder that needs no weights."""

import io
import re
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

DIM = 64
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


class WordEncoder:
    """Texts that share words are near each other."""

    def __init__(self, name: str = "words") -> None:
        self.name, self.dim = name, DIM

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        rows = np.full((len(texts), DIM), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"[a-z]{4,}", text.lower()):
                row[zlib.crc32(f"{self.name} {word}".encode()) % DIM] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def docx(body: str, name: str = "word/document.xml") -> bytes:
    """A Word document with this XML as its body."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(name, f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>')
    return file.getvalue()


def paragraph(text: str, style: str = "") -> str:
    named = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{named}<w:r><w:t>{text}</w:t></w:r></w:p>"


def pdf(*pages: str) -> bytes:
    """A PDF with one line of text a page; "" is a page without text."""
    return _pdf([f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode() if text else b"" for text in pages])


def bomb(size: int) -> bytes:
    """A small PDF whose one page has text of `size` bytes."""
    stream = b"BT /F1 1 Tf " + b"(many many words) Tj " * (size // 21) + b"ET"
    return _pdf([zlib.compress(stream, 9)], "/Filter /FlateDecode ")


def locked_pdf() -> bytes:
    """One that no password opens: the value to check it by is of none."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 0 /Kids [] >>",
        f"<< /Filter /Standard /V 1 /R 2 /P -4 /O <{'41' * 32}> /U <{'42' * 32}> >>".encode(),
    ]
    return _file(objects, f"/Encrypt 3 0 R /ID [<{'00' * 16}> <{'00' * 16}>] ")


def _pdf(streams: list[bytes], packing: str = "") -> bytes:
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(streams)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(streams)} /Kids [{kids}] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, stream in enumerate(streams):
        page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents "
        objects.append(f"{page}{5 + 2 * n} 0 R /Resources << /Font << /F1 3 0 R >> >> >>".encode())
        objects.append(f"<< /Length {len(stream)} {packing}>>\nstream\n".encode() + stream + b"\nendstream")
    return _file(objects)


def _file(objects: list[bytes], trailer: str = "") -> bytes:
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer}>>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)
