"""Private files are their owner's alone, and never half written."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from errno import ENOSPC
from pathlib import Path

import pytest

from discovery.private_files import OpenToOthers, read_secret, read_unchanged, write_private


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    write_private(tmp_path / "f", b"old")
    write_private(tmp_path / "f", b"new")

    assert [b"new"] == [path.read_bytes() for path in tmp_path.iterdir()]


def test_writers_at_once_do_not_mix(tmp_path: Path) -> None:
    """Threads of one process as well: an approval while peers.json is saved."""
    contents = [bytes([65 + n]) * 100_000 for n in range(8)]

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda content: write_private(tmp_path / "f", content), contents * 5))

    assert ["f"] == [path.name for path in tmp_path.iterdir()]
    assert (tmp_path / "f").read_bytes() in contents


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(ENOSPC, "No space left on device")

    write_private(tmp_path / "f", b"old")
    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match="No space left"):
        write_private(tmp_path / "f", b"new")

    assert [("f", b"old")] == [(path.name, path.read_bytes()) for path in tmp_path.iterdir()]


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


@pytest.mark.parametrize("mode", [0o666, 0o602])
@pytest.mark.parametrize("read", [read_unchanged, read_secret])
def test_what_others_may_change_is_not_read(tmp_path: Path, read: Callable[[Path], bytes], mode: int) -> None:
    (tmp_path / "f").write_bytes(b"planted")
    (tmp_path / "f").chmod(mode)

    with pytest.raises(OpenToOthers, match=f"chmod go-w {tmp_path / 'f'}"):
        read(tmp_path / "f")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_what_belongs_to_another_user_is_not_read(tmp_path: Path) -> None:
    write_private(tmp_path / "f", b"planted")
    os.chown(tmp_path / "f", 65534, 65534)

    with pytest.raises(OpenToOthers, match=r"belongs to \w+, who may change it: run ppai as .* run as root: chown"):
        read_unchanged(tmp_path / "f")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_group_may_write_only_where_nobody_but_us_is_in_it(tmp_path: Path) -> None:
    """Many systems make a group of his own for each user, and let it write what he creates (umask 002)."""
    (tmp_path / "f").write_bytes(b"ours")
    (tmp_path / "f").chmod(0o664)

    assert b"ours" == read_unchanged(tmp_path / "f")  # root is alone in its group

    os.chown(tmp_path / "f", 0, 65534)
    with pytest.raises(OpenToOthers, match="mode 664"):
        read_unchanged(tmp_path / "f")


def test_a_link_is_as_closed_as_what_it_points_at(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"planted")
    (tmp_path / "elsewhere").chmod(0o666)
    (tmp_path / "f").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OpenToOthers):
        read_unchanged(tmp_path / "f")


def test_a_device_is_read_whoever_may_write_to_it() -> None:
    """`--config /dev/null`: nothing in it can be changed."""
    assert b"" == read_unchanged(Path("/dev/null"))


def test_what_others_may_read_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"known")
    (tmp_path / "f").chmod(0o644)

    assert b"known" == read_unchanged(tmp_path / "f")
    with pytest.raises(OpenToOthers, match="chmod 600"):
        read_secret(tmp_path / "f")
