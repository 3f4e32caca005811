"""A file of what was measured is there as it was written, or set aside; it never ends the peer by being damaged."""

import os
from pathlib import Path

import pytest

from gateway.measuring.kept import KeptError, read_kept, write_kept


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_kept(tmp_path / "kept.json", {"a": 1})

    assert ({"a": 1}, "") == read_kept(tmp_path / "kept.json", dict[str, int], "ask again")
    assert ({}, "") == read_kept(tmp_path / "none.json", dict[str, int], "ask again")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": "b"}', b"\xff", b"[" * 100_000])
def test_what_does_not_parse_is_set_aside_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "kept.json").write_bytes(content)

    known, warning = read_kept(tmp_path / "kept.json", dict[str, int], "ask again")

    assert {} == known and warning.endswith("ask again")
    assert content == (tmp_path / "kept.json.damaged").read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="files have no mode there")
def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    write_kept(tmp_path / "kept.json", {"a": 1})
    (tmp_path / "kept.json").chmod(0o666)

    with pytest.raises(KeptError, match="can be changed by other users"):
        read_kept(tmp_path / "kept.json", dict[str, int], "ask again")
