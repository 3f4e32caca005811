"""Whether others may use this machine's engines now: the owner's word (pause, drain), hours, battery, what he is doing.

What follows from these is decided in rules.py; this reads the clocks and the battery, and keeps the owner's word over a
restart. The owner's own requests never ask it.
"""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from discovery.private_files import OpenToOthers, read_unchanged, write_private
from gateway.capacity.hours import read_hours
from gateway.capacity.rules import Activity, AdmissionConfig, Presence, why_closed
from gateway.wire.codec import UNREADABLE

log = logging.getLogger(__name__)

FRESH_S = 0.5  # s for which what was read counts: probes come by the hundred, and a battery is a file


class _Paused(msgspec.Struct):
    until: float | None  # unix s; None: until `ppai resume`


class Sharing:
    """The state behind one word: why others get nothing now, or that they may."""

    def __init__(
        self,
        config: AdmissionConfig,
        file: Path | None = None,
        *,
        on_battery: Callable[[], bool] = lambda: False,
        activity: Callable[[], Activity] = Activity,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        local: Callable[[float], time.struct_time] = time.localtime,
    ) -> None:
        """`file` holds the owner's pause; where it cannot be read, it counts as one. Raises HoursError."""
        self._config, self._spans, self._file = config, read_hours(config.hours), file
        self._on_battery, self._clock, self._wall_clock, self._local = on_battery, clock, wall_clock, local
        self._activity = activity
        self._until = self._kept()  # unix s until which others get nothing; 0: they may
        self._is_draining, self._why, self._read_at = False, "", -math.inf

    @property
    def is_draining(self) -> bool:
        """Whether the owner wants this peer to end once others' jobs have."""
        return self._is_draining

    def why(self) -> str:
        """Why others get nothing now, in words for the owner; "": they may."""
        now = self._clock()
        if now - self._read_at >= FRESH_S:
            self._why, self._read_at = why_closed(self._presence(), self._config, self._spans), now
        return self._why

    def look_again(self) -> None:
        """Something of it has changed."""
        self._read_at = -math.inf

    def pause(self, seconds: float | None) -> None:
        """Nothing for others for so long; None: until `resume`. Raises OSError where that cannot be kept."""
        self._set(math.inf if seconds is None else self._wall_clock() + seconds)

    def resume(self) -> None:
        """The owner's pause and drain end; hours and battery count on. Raises OSError."""
        self._is_draining = False
        self._set(0.0)

    def drain(self) -> None:
        """Nothing for others until this peer has ended; the next start is as always."""
        self._is_draining, self._read_at = True, -math.inf

    def _presence(self) -> Presence:
        wall = self._wall_clock()
        local = self._local(wall)
        left_s = max(0.0, self._until - wall)
        minute = local.tm_hour * 60 + local.tm_min
        return Presence(left_s, self._is_draining, local.tm_wday, minute, self._on_battery(), self._activity())

    def _set(self, until: float) -> None:
        self._until, self._read_at = until, -math.inf
        if self._file is not None and until:
            write_private(self._file, msgspec.json.encode(_Paused(None if math.isinf(until) else until)))
        elif self._file is not None:
            self._file.unlink(missing_ok=True)

    def _kept(self) -> float:
        try:
            kept = msgspec.json.decode(read_unchanged(self._file), type=_Paused) if self._file else _Paused(0.0)
        except FileNotFoundError:
            return 0.0
        except (OSError, OpenToOthers, *UNREADABLE) as error:
            why = type(error).__name__
            log.warning("pause_unreadable path=%s why=%s: others get nothing; run ppai resume", self._file, why)
            return math.inf
        return math.inf if kept.until is None else kept.until
