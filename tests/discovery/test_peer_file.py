"""peers.json outlives a restart, and trouble with it is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from discovery.peer_file import PEERS_LIMIT, CachedPeer, PeerFile, PeerFileError, copy_of, load, newest, save
from tests.cluster import id_of


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    content = PeerFile(7, {id_of(1): ["ask"]}, [id_of(2)], [CachedPeer(id_of(1), "a", [("10.0.0.1", 8471)], 5)])

    save(tmp_path / "peers.json", content)

    assert content == load(tmp_path / "peers.json")
    assert 0o600 == (tmp_path / "peers.json").stat().st_mode & 0o777


def test_no_file_is_an_empty_one(tmp_path: Path) -> None:
    assert PeerFile() == load(tmp_path / "peers.json")


APPROVED = PeerFile(7, {id_of(1): ["answer", "ask"]}, [id_of(2)], [CachedPeer(id_of(1), "a", [("10.0.0.1", 8471)], 5)])


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"gen": "x"}', b'{"gen": "\xff"}', b'{"peers": [1]}', b'{"granted": {"me": []}}', bytes(900)],
)
def test_what_does_not_parse_is_set_aside_and_nobody_is_approved_again(tmp_path: Path, content: bytes) -> None:
    """Nor is anybody who was revoked back."""
    path, told = tmp_path / "peers.json", list[str]()
    save(path, APPROVED)
    path.write_bytes(content)

    loaded = load(path, told.append)

    assert APPROVED == loaded
    assert content == (tmp_path / "peers.json.damaged").read_bytes()
    assert not path.exists()
    assert ["peers.json.damaged" in line for line in told] == [True]


def test_without_a_copy_the_rights_are_read_out_of_a_half_written_file(tmp_path: Path) -> None:
    path, told = tmp_path / "peers.json", list[str]()
    save(path, APPROVED)
    copy_of(path).unlink()
    path.write_bytes(path.read_bytes()[:-60])

    loaded = load(path, told.append)

    assert (APPROVED.granted, APPROVED.revoked) == (loaded.granted, loaded.revoked)
    assert "1 approvals and 1 revocations" in told[0]


def test_the_copy_follows_every_change_of_rights(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    save(path, APPROVED)

    save(path, replace(APPROVED, granted={}, revoked=[id_of(1), id_of(2)]))
    path.write_bytes(b"")

    assert [id_of(1), id_of(2)] == load(path, lambda _: None).revoked


def test_the_copy_follows_whom_the_user_called_his_own(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    save(path, APPROVED)

    save(path, replace(APPROVED, mine=[id_of(1)]))
    path.write_bytes(b"")

    assert [id_of(1)] == load(path, lambda _: None).mine


def test_every_damaged_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    for content in (b"1", b"2"):
        path.write_bytes(content)
        load(path, lambda _: None)

    assert [b"1", b"2"] == [path.with_name(f"peers.json.damaged{n}").read_bytes() for n in ("", "1")]


def test_a_newer_version_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "peers.json").write_text('{"version": 2}')

    with pytest.raises(PeerFileError, match="update ppai"):
        load(tmp_path / "peers.json")


def test_the_newest_peers_are_kept() -> None:
    peers = [CachedPeer(str(n), "", [], n) for n in range(PEERS_LIMIT + 50)]

    assert set(range(50, PEERS_LIMIT + 50)) == {peer.seen for peer in newest(peers)}


def test_strangers_push_out_strangers_alone() -> None:
    """However many were seen since: an approved peer is found again, and revoked by its name."""
    approved = CachedPeer("a", "laptop", [], 1)
    crowd = [CachedPeer(f"s{number}", "x", [], 9) for number in range(PEERS_LIMIT)]

    remembered = newest([*crowd, approved], {"a"})

    assert (approved, PEERS_LIMIT) == (remembered[0], len(remembered))
