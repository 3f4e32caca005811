"""The values of a running peer are followed by what it says has changed."""

import json
from typing import Any

import pytest

from gateway.cli.own_peer import NotRunning, OwnPeer, PeerRefused
from gateway.cli.running.following import Following, snapshots
from gateway.home.folder import Home
from tests.gateway.cli.answering import Peer


def event(name: str, **data: Any) -> bytes:
    return f"id: x-1\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()


CHANGES = (
    event("past", me=[[0, 0]])
    + event("change", all=True, set={"me": 1, "peer/b": 2}, gone=[])
    + b": here\n\n"
    + event("change", all=False, set={"me": 3}, gone=["peer/b"])
    + event("change", all=True, set={"load/me": 4}, gone=[])
)


def test_each_change_gives_all_values_as_they_then_are(home: Home, peer: Peer) -> None:
    peer.body, found = CHANGES, list[dict[str, Any]]()

    with pytest.raises(NotRunning):  # as where a peer ends
        for values in snapshots(OwnPeer(home)):
            found.append(values)

    assert [{"me": 1, "peer/b": 2}, {"me": 3}, {"load/me": 4}] == found
    assert [("GET", "/ppai/v1/watch", "Bearer tok")] == [
        (one[0], one[1], one[2]["authorization"]) for one in peer.asked
    ]


@pytest.mark.parametrize("body", [b"data: {\n\n", b"\xff: \xfe\n"])
def test_a_stream_that_is_none_counts_as_a_peer_that_went(home: Home, peer: Peer, body: bytes) -> None:
    """A program that took the peer's port may say anything."""
    peer.body = body

    with pytest.raises(NotRunning):
        list(snapshots(OwnPeer(home)))


def test_a_refusal_is_passed_on(home: Home, peer: Peer) -> None:
    peer.status, peer.body = 503, b'{"error": {"message": "too many pages watch"}}'

    with pytest.raises(PeerRefused, match="too many"):
        list(snapshots(OwnPeer(home)))


def test_a_peer_that_goes_leaves_nothing_and_is_looked_for_again(
    home: Home, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice here: whoever follows sees its values, then nothing."""
    peer.body, seen = CHANGES, list[dict[str, Any]]()
    following = Following(home)
    monkeypatch.setattr(
        following, "_hold", lambda values, problem=None: (seen.append(values), len(seen) == 8 and following.end())
    )
    monkeypatch.setattr("gateway.cli.running.following.AGAIN_S", 0.0)

    following.run()

    assert (2, {}, {"load/me": 4}) == (len(peer.asked), seen[3], seen[6])
