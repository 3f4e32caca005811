"""ppai stop: end the peer that serves from a home."""

import time
from typing import TYPE_CHECKING

from gateway.cli.options import HomeOption, home_of, say, show

if TYPE_CHECKING:
    from gateway.home.folder import Home

ENDED_WITHIN_S = 40.0  # answers in progress get 5 s, an embedded engine 3 s; the rest is for a machine that is busy
LOOK_S = 0.05


class StillRunning(Exception):
    """The peer was told to end, or could not be, and runs; the message names the command that ends it."""


def stop(home: HomeOption = None) -> None:
    """End the peer that serves from this home, and wait until it has ended. `ppai drain` lets others' jobs end first.

    Answers in progress get 5 seconds. Where no peer runs there is nothing to do, and that is no failure.

    Example: ppai stop
    """
    from gateway.cli.own_peer import NotRunning, OwnPeer, PeerRefused

    place = home_of(home)
    if not place.is_taken():
        show(f"no peer is running from {place.path}")
        return
    try:
        OwnPeer(place).post("/ppai/v1/stop", {})
    except NotRunning as error:
        if place.is_taken():
            raise StillRunning(f"{str(error).partition(';')[0]}; end it with: {_kill(place)}") from error
    except PeerRefused as error:
        if error.status != 404:
            raise
        raise StillRunning(f"the peer is of a version that takes no `ppai stop`: {_kill(place)}") from error
    if not _has_ended(place):
        raise StillRunning(f"the peer has not ended in {ENDED_WITHIN_S:.0f} s; end it with: {_kill(place, ' -9')}")
    say(f"the peer of {place.path} has ended")


def _kill(home: "Home", how: str = "") -> str:
    running = home.running()
    return f"kill{how} {running.pid if running else 'PID'}"


def _has_ended(home: "Home") -> bool:
    """Wait until nobody holds the home: another peer may then serve from it."""
    until = time.monotonic() + ENDED_WITHIN_S
    while home.is_taken():
        if time.monotonic() > until:
            return False
        time.sleep(LOOK_S)
    return True
