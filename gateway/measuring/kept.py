"""A private file of what was measured: read at the start, replaced as a whole, set aside where it is damaged."""

from pathlib import Path
from typing import Any

import msgspec

from discovery.private_files import OpenToOthers, read_unchanged, set_aside, write_private
from gateway.wire.codec import UNREADABLE


class KeptError(Exception):
    """The file cannot be used; the message names the remedy."""


def read_kept(path: Path, kind: Any, remedy: str) -> tuple[Any, str]:
    """(what the file holds, as `kind`, or {} where it holds nothing; what the owner is to hear). Raises KeptError.

    A damaged file is set aside, and nothing is known then; `remedy` says how what it held comes back.
    """
    try:
        return msgspec.json.decode(read_unchanged(path), type=kind), ""
    except FileNotFoundError:
        return {}, ""
    except OpenToOthers as error:
        raise KeptError(str(error)) from error
    except OSError as error:
        raise KeptError(f"cannot read {path}: {error.strerror}. It must be yours: check its owner") from error
    except UNREADABLE as error:
        return {}, _set_aside(path, str(error), remedy)


def write_kept(path: Path, known: Any) -> None:
    """Raises OSError where there is no room; the file is then as it was."""
    write_private(path, msgspec.json.encode(known))


def _set_aside(path: Path, why: str, remedy: str) -> str:
    """Make room for a new file, and say so. Raises KeptError."""
    try:
        aside = set_aside(path)
    except OSError as error:
        raise KeptError(f"{path} does not parse ({why}), nor can it be renamed ({error.strerror})") from error
    return f"{path} does not parse ({why}): it is {aside.name} now; {remedy}"
