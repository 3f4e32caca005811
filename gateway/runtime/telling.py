"""What the owner is told while the peer runs: each thing once, and what comes in floods seldom (Notices)."""

from collections.abc import Callable, Iterable, Mapping

from discovery.membership import Event
from discovery.records import PeerId
from gateway.capacity.doors import Doors
from gateway.capacity.limits import Limits
from gateway.client.views import engine_line, waiting_lines
from gateway.telemetry.notices import Notices
from gateway.topics.reader import RelevanceReader


class Telling:
    """Words news for the owner."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices

    def limited(self, kind: str, text: str) -> None:
        """Say a text of this kind, unless many were said of late."""
        self._notices.limited(kind, text, text)

    def events(self, events: Iterable[Event]) -> None:
        """Who was refused, who says two things at once, and what became of our own id."""
        for event in events:
            if event.kind in ("refused", "equivocation"):
                self._notices.limited(event.kind, event.kind + event.peer, f"{event.kind}: {event.reason}")
            elif event.kind in ("generation", "identity_in_use", "identity_free"):
                self._notices.limited("identity", "identity", event.reason)

    def waiting(self, waiting: Callable[[], Mapping[PeerId, str]]) -> None:
        """Who waits to be approved, id -> name; looked up only where it would be said."""
        if self._notices.is_due("waiting"):
            for line in waiting_lines(waiting()):
                self._notices.limited("waiting", "waiting", line)

    def limits(self, limits: Limits) -> None:
        """Which names of the owner's limits mean nobody."""
        if limits and self._notices.is_due("limits"):
            for line in limits.unmeant():
                self._notices.limited("limits", line, line)

    def engines(self, doors: Doors) -> None:
        """Which engines serve what, or why not; one that comes and goes all day is told seldom."""
        for door in doors.all:
            for line in door.engine.not_adopted:
                self._notices.limited("not adopted", line, f"not adopted: {line}")
        for door in doors.shown:
            engine = door.engine
            self._notices.limited("engine", f"engine {engine.name}", engine_line(engine.origin, engine.state))

    def topics(self, reader: RelevanceReader) -> None:
        """Why queries are not routed by topic, or less exactly than they could be."""
        if reader.problem:
            self._notices.limited("gate", "gate", f"routing by load alone, not by topic: {reader.problem}")
        elif why := reader.full_problem:
            self._notices.limited("gate", "gate", f"the fast encoder alone tells topics apart, less exactly: {why}")
