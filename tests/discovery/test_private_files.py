"""Private files are their owner's alone, and never half written."""

import os
from pathlib import Path

import pytest

from discovery.private_files import write_private


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    write_private(tmp_path / "f", b"old")
    write_private(tmp_path / "f", b"new")

    assert [b"new"] == [path.read_bytes() for path in tmp_path.iterdir()]


def test_a_private_file_is_its_owner_s_alone_whoever_could_read_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "f").chmod(0o644)

    write_private(tmp_path / "f", b"new")

    assert 0o600 == (tmp_path / "f").stat().st_mode & 0o777


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    write_private(tmp_path / "f", b"old")
    tmp_path.chmod(0o500)

    with pytest.raises(PermissionError):
        write_private(tmp_path / "f", b"new")

    assert b"old" == (tmp_path / "f").read_bytes()
