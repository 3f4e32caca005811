"""Files that only their owner can read, replaced whole or not at all: a power cut leaves the old one or the new one.

Everything that a peer keeps is written with this. It loads no cryptography, so that short commands start fast.
"""

import os
from pathlib import Path


def write_private(path: Path, data: bytes) -> None:
    """Replace `path` by a file that only its owner can read, whole or not at all. Raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
