"""How a peer under load protects its owner: what remote work it takes, and when the rest should come back.

Remote jobs use at most slots - reserve of the engine; local requests start first. Says open, soft (it would queue) or
closed; a pulse carries that word, and others keep away from a closed door.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil, isinf
from typing import Annotated, NamedTuple

import msgspec

from discovery.records import (
    ENGINE_COUNT_LIMIT,
    ENGINES_LIMIT,
    SLOTS_LIMIT,
    AdmissionState,
    EngineCounts,
    Pulse,
)
from gateway.beliefs.queueing import jobs_ahead
from gateway.capacity.hours import Spans, is_within
from gateway.capacity.limits import Limit

_OPENNESS: tuple[AdmissionState, ...] = ("open", "soft", "closed")


@dataclass(frozen=True, slots=True)
class AdmissionConfig:
    """How much of the engine other peers may have."""

    # Slots kept free for the owner; never all of them. 1: the owner's next request starts at once.
    reserve: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 1
    # Jobs that may wait, a slot: 2 keep an engine busy between two pulses without making anybody wait for long.
    queue_per_slot: Annotated[float, msgspec.Meta(ge=0)] = 2.0
    hours: tuple[str, ...] = ()  # when others may use it, such as `mon-fri 18:00-08:00`; none: always
    # What one peer may ask for in the long run, bursts beside; all behind one address four times that. 0: no limit.
    peer_requests_per_s: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 200.0
    peer_tokens_per_s: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 5000.0
    # Tokens that a peer may have had of late beyond what it gave; then it is served while nobody waits. 0: no limit.
    exposure_tokens: Annotated[float, msgspec.Meta(ge=0)] = 10_000_000.0
    on_battery: bool = False  # whether they may while this machine runs on its battery: that is the owner's to use up
    while_used: bool = True  # whether they may while somebody uses keyboard or mouse
    while_full_screen: bool = False  # whether they may while a program has the whole screen
    while_gpu_busy: bool = False  # whether they may while the graphics card is busy with other work
    # What one of them may have of an agent at once, and whether a model is loaded for it; the first that fits counts.
    limits: tuple[Limit, ...] = ()


USED_S = 300.0  # s for which keyboard and mouse count as used after somebody touched them


class Activity(NamedTuple):
    """What the person at this machine is doing; None: the machine does not tell, and nobody is kept out by it."""

    used_s: float | None = None  # since somebody touched keyboard or mouse
    is_full_screen: bool | None = None
    is_gpu_busy: bool | None = None  # with other work than our engines'


class Presence(NamedTuple):
    """What the owner said, and what his machine tells, as far as others' use of it depends on it."""

    paused_s: float  # left of a pause; infinite: until `ppai resume`
    is_draining: bool
    weekday: int  # 0: Monday
    minute: int  # of the day, by the machine's own time
    is_on_battery: bool
    activity: Activity = Activity()


def why_closed(now: Presence, config: AdmissionConfig, spans: Spans) -> str:
    """Why others get nothing now, in words for the owner; "": they may. `spans` are the hours that `config` has."""
    if now.is_draining:
        return "it ends once the jobs of others have (ppai drain)"
    if now.paused_s > 0:
        for_ = "" if isinf(now.paused_s) else f" for {ceil(now.paused_s / 60)} min more"
        return f"you paused it{for_}: run ppai resume"
    if not is_within(spans, now.weekday, now.minute):
        return f"others may use it at {', '.join(config.hours)} (admission.hours)"
    if now.is_on_battery and not config.on_battery:
        return "it runs on its battery (admission.on_battery)"
    return _why_in_use(now.activity, config)


def _why_in_use(now: Activity, config: AdmissionConfig) -> str:
    if now.is_full_screen and not config.while_full_screen:
        return "a program has the whole screen (admission.while_full_screen)"
    if now.is_gpu_busy and not config.while_gpu_busy:
        return "its graphics card is busy with other work (admission.while_gpu_busy)"
    if now.used_s is not None and now.used_s < USED_S and not config.while_used:
        return "somebody uses keyboard or mouse (admission.while_used)"
    return ""


class Room(NamedTuple):
    """What the engine has room for, as it last told."""

    slots: int  # >= 1
    elsewhere: int = 0  # jobs of programs that use the engine directly, not through this door
    is_elastic: bool = False  # the engine never said how many slots it has, and makes nobody wait
    is_ready: bool = True  # False: it is gone

    def queued(self, inside: int) -> int:
        """Of so many jobs that came through this door, and of the others there, those that wait for a slot."""
        return max(0, inside + self.elsewhere - self.slots)


class EngineLoad(NamedTuple):
    """What the engine is doing, as the gateway in front of it counts."""

    slots: int  # >= 1
    running: int  # in the engine, local and remote
    remote_running: int
    waiting: int  # at the gateway, local and remote
    local_waiting: int
    ours: int = 0  # in the engine, through this door: without those of programs that use it directly


def loads_together(loads: Sequence[EngineLoad]) -> EngineLoad:
    """What one or several engines do together, with no more slots than a card and a pulse can say."""
    if len(loads) == 1:
        return loads[0]
    return EngineLoad(
        slots=min(sum(load.slots for load in loads), SLOTS_LIMIT - 1),
        running=sum(load.running for load in loads),
        remote_running=sum(load.remote_running for load in loads),
        waiting=sum(load.waiting for load in loads),
        local_waiting=sum(load.local_waiting for load in loads),
        ours=sum(load.ours for load in loads),
    )


def pulses_together(pulses: Sequence[Pulse], answering: Sequence[Pulse]) -> Pulse:
    """The pulse of a peer, from those of its engines by their number: the totals, and each of several behind them.

    What is done counts of all, so that no counter runs backwards; load and slots count of those that are `answering`.
    """
    if len(pulses) == 1:
        return pulses[0]
    return replace(
        pulses[0],
        running=sum(pulse.running for pulse in answering),
        waiting=sum(pulse.waiting for pulse in answering),
        slots=min(sum(pulse.slots for pulse in answering), SLOTS_LIMIT - 1),
        arrivals=sum(pulse.arrivals for pulse in pulses),
        completions=sum(pulse.completions for pulse in pulses),
        busy_ms=sum(pulse.busy_ms for pulse in pulses),
        tokens_in=sum(pulse.tokens_in for pulse in pulses),
        tokens_out=sum(pulse.tokens_out for pulse in pulses),
        admission=most_open(pulse.admission for pulse in pulses),
        engines=tuple(map(_counts, pulses[:ENGINES_LIMIT])),
    )


def most_open(doors: Iterable[AdmissionState]) -> AdmissionState:
    """What a peer with these doors says."""
    return min(doors, key=_OPENNESS.index)


def _counts(pulse: Pulse) -> EngineCounts:
    counted = {name: min(getattr(pulse, name), ENGINE_COUNT_LIMIT - 1) for name in EngineCounts._fields}
    return EngineCounts(**counted)


def remote_slots(slots: int, reserve: int) -> int:
    """How many slots remote jobs may use at once: an engine with one slot shares it, local first."""
    return max(1, slots - reserve)


def peer_places(places: int) -> int:
    """How many of the places for others one of them may have: all but one, where there are two or more."""
    return max(1, places - 1)


def admission_state(load: EngineLoad, config: AdmissionConfig) -> AdmissionState:
    """open: a remote job would start at once. soft: it would wait. closed: it is refused."""
    may_start = may_start_remote(load, config)
    if is_line_full(load.waiting, load.slots, config) and not may_start:
        return "closed"
    return "open" if may_start and not load.waiting else "soft"


def is_line_full(waiting: int, slots: int, config: AdmissionConfig) -> bool:
    """Whether as many jobs wait as may."""
    return waiting >= config.queue_per_slot * slots


def may_start_remote(load: EngineLoad, config: AdmissionConfig, *, is_due: bool = False) -> bool:
    """Whether a waiting remote job may enter the engine now: a slot is free, within the share; no local job waits.

    `is_due`: enough local jobs have passed it, so that it need not wait for those that still wait.
    """
    is_free = load.running < load.slots and (is_due or not load.local_waiting)
    return is_free and load.remote_running < remote_slots(load.slots, config.reserve)


def may_start_local(inside: int, room: Room) -> bool:
    """Whether a request of our own should enter the engine now; where all slots are ours, it loses nothing by waiting.

    `inside`: jobs that came through this door. Where other programs use the engine too, its own queue is the fair one,
    and our place in it counts.
    """
    return inside < room.slots or room.is_elastic


def calm_limit(room: Room, config: AdmissionConfig) -> int:
    """So many may be inside, where nobody waits, while one of our own comes and goes and nothing changes for others.

    Each of so many enters at once, and the line is full with none of them. -1: it is full, or the engine gone, anyway.
    """
    if not room.is_ready:
        return -1

    def is_noticed(inside: int) -> bool:
        return not may_start_local(inside - 1, room) or is_line_full(room.queued(inside), room.slots, config)

    return bisect_left(range(2 * SLOTS_LIMIT), True, key=is_noticed) - 1


def retry_after_s(load: EngineLoad, config: AdmissionConfig, mean_service_s: float) -> int:
    """Whole seconds until a refused job would be taken: the queue moves by one every E[S]/c. At least 1 (RFC 9110)."""
    limit = load.slots + config.queue_per_slot * load.slots
    turns = jobs_ahead(float(load.running + load.waiting), limit)
    return max(1, ceil(turns * mean_service_s / load.slots))
