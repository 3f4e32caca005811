"""peers.json outlives a restart, and trouble with it is told."""

from pathlib import Path

import pytest

from discovery.peer_file import PEERS_LIMIT, CachedPeer, PeerFile, PeerFileError, load, newest, save
from tests.cluster import id_of


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    content = PeerFile(7, {id_of(1): ["ask"]}, [id_of(2)], [CachedPeer(id_of(1), "a", [("10.0.0.1", 8471)], 5)])

    save(tmp_path / "peers.json", content)

    assert content == load(tmp_path / "peers.json")
    assert 0o600 == (tmp_path / "peers.json").stat().st_mode & 0o777


def test_no_file_is_an_empty_one(tmp_path: Path) -> None:
    assert PeerFile() == load(tmp_path / "peers.json")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"gen": "x"}', b'{"gen": "\xff"}', b'{"peers": [1]}'])
def test_garbage_names_the_remedy(tmp_path: Path, content: bytes) -> None:
    """Approvals are in it: starting without them in silence would be worse than not starting."""
    (tmp_path / "peers.json").write_bytes(content)

    with pytest.raises(PeerFileError, match="delete it"):
        load(tmp_path / "peers.json")


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
