"""What the running peer tells of itself while it changes, as values by key: the stream that the page follows."""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gateway.cli.own_peer import NotRunning, OwnPeer, PeerRefused

if TYPE_CHECKING:
    from gateway.home.folder import Home

AGAIN_S = 1.0  # s until a peer that went away, or has not begun to serve, is looked for again


def snapshots(peer: OwnPeer) -> Iterator[dict[str, Any]]:
    """All values, whenever some have changed. Raises NotRunning, PeerRefused; NotRunning where the peer ends, too."""
    values: dict[str, Any] = {}
    for event, said in peer.events("/ppai/v1/watch"):
        if event != "change":
            continue
        kept = {} if said["all"] else {key: value for key, value in values.items() if key not in said["gone"]}
        values = kept | said["set"]
        yield values


class Following(threading.Thread):
    """Keeps the newest values of the peer that serves from a home, also while that peer goes and comes."""

    def __init__(self, home: "Home") -> None:
        super().__init__(name="following", daemon=True)
        self._home, self._over = home, threading.Event()
        self.values: dict[str, Any] = {}  # replaced, never changed; empty while no peer serves
        self.problem: NotRunning | PeerRefused | None = None  # why they are empty
        self.changed = threading.Event()

    def run(self) -> None:
        while not self._over.is_set():
            try:
                for values in snapshots(OwnPeer(self._home)):
                    self._hold(values)
                    if self._over.is_set():
                        return
            except (NotRunning, PeerRefused) as error:
                self._hold({}, error)
            self._over.wait(AGAIN_S)

    def end(self) -> None:
        """It ends by itself with the next news; nobody needs to wait for that."""
        self._over.set()

    def _hold(self, values: dict[str, Any], problem: NotRunning | PeerRefused | None = None) -> None:
        self.values, self.problem = values, problem
        self.changed.set()
