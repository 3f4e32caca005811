"""The failure detector: judges from a peer's silence whether it is suspect or dead.

A peer silent for three pulse periods becomes suspect and is probed. A suspect that stays silent for longer and answers
no probe is dead, for this peer alone: a verdict is never sent to others, so nobody can declare a third peer dead. Time
during which this process itself was asleep or stalled counts as nobody's silence (cf. Lifeguard, arXiv:1707.00788).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from discovery.members import Entry, State
from discovery.sites import SitesConfig


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """When silence becomes suspicion and suspicion death."""

    pulse_min_s: float = 2.0  # s between the pulses of a peer in a small network
    pulses_per_s: float = 50.0  # pulses a second of the whole network: beyond 100 peers each pulses less often
    period_limit_s: float = 60.0  # s; bounds the period that a peer can claim, and so how long it can seem alive
    missed_pulses: float = 3.0  # periods of silence after which a peer is suspect
    dead_periods: float = 4.0  # periods of silence after which a suspect may be declared dead
    dead_min_s: float = 8.0  # s; least silence of a dead peer: one pulse may need half of that to reach everybody
    dead_probes: int = 6  # rounds of probes it left unanswered; 3 give false deaths (docs/results/gossip.md)
    probe_interval_s: float = 0.6  # s between two probes of one suspect; ticks of 1/3 s: every second tick
    probe_backoff_limit_s: float = 30.0  # s; the longest pause, for a suspect that pulses but cannot be reached
    direct_probes: int = 3  # rounds in which only the suspect itself is asked
    indirect_probes: int = 3  # third peers asked in each later round
    probes_at_once: int = 16  # suspects probed a tick; bounds the traffic when many fall silent together
    stall_s: float = 1.5  # s between two ticks; what exceeds it is counted as our own sleep
    mass_share: float = 1 / 3  # share of the living; where as many fall silent together, our own link is suspected
    mass_min: int = 3  # peers; fewer are never a mass, so that two crashes in a network of three are believed
    mass_wait_s: float = 30.0  # s for which no peer of such a mass is declared dead


@dataclass(frozen=True, slots=True)
class Verdict:
    """A peer whose state changes, and why."""

    entry: Entry
    state: State
    reason: str


class FailureDetector:
    """Judges silence. It remembers how long this process slept, when a mass silence began, and when to look again."""

    def __init__(self, config: DetectorConfig, sites: SitesConfig | None = None) -> None:
        self.config, self._sites = config, sites or SitesConfig()
        self.slept_s = 0.0
        self._silent_at = -math.inf  # awake: nobody has been silent for too long before
        self._ticked_at: float | None = None
        self._mass_at: float | None = None

    def awake(self, now: float) -> float:
        """`now` minus the seconds that this process slept: the clock on which silence is measured."""
        return now - self.slept_s

    def notice_sleep(self, now: float) -> None:
        """Call on every tick: a gap of more than `stall_s` since the last call is our own sleep."""
        if self._ticked_at is not None and now - self._ticked_at > self.config.stall_s:
            self.slept_s += now - self._ticked_at - self.config.stall_s
        self._ticked_at = now

    def period_s(self, peers: int) -> float:
        """Seconds between two pulses of one peer in a network of `peers`."""
        return max(self.config.pulse_min_s, peers / self.config.pulses_per_s)

    def judge(self, live: Sequence[Entry], recently_dead: int, now: float, far: int = 0) -> list[Verdict]:
        """The peers to suspect and the peers to declare dead now.

        `live`: the alive and the suspect. `recently_dead`: peers that died within `dead_min_s`; they count towards a
        mass silence. `far`: how many of the live are far, where news of each comes seldom.
        """
        awake = self.awake(now)
        if awake < self._silent_at:
            return []
        period_s = self.period_s(len(live) + 1)
        far_period_s = max(period_s, self._sites.refresh_s(far))
        verdicts, due, silent = [], [], 0
        for entry in self._overdue(live, period_s, far_period_s, awake):
            silent_s = awake - entry.heard_at
            own_period_s = min(max(period_s, entry.period_s), self.config.period_limit_s)
            if entry.far:
                own_period_s = max(own_period_s, far_period_s)
            if silent_s <= self.config.missed_pulses * own_period_s:
                continue
            silent += 1
            dead_after_s = max(self.config.dead_periods * own_period_s, self.config.dead_min_s)
            if silent_s > dead_after_s and entry.probes >= self.config.dead_probes:
                due.append(Verdict(entry, "dead", f"silent for {silent_s:.0f} s"))
            elif entry.state == "alive":
                verdicts.append(Verdict(entry, "suspect", f"no pulse for {silent_s:.0f} s"))
        if self._is_mass(silent + recently_dead, len(live) + recently_dead, now):
            due = [Verdict(v.entry, "suspect", "many silent at once") for v in due if v.entry.state == "alive"]
        return verdicts + due

    def unheard(self, withheld: Sequence[Entry], now: float) -> list[Entry]:
        """Those of `withheld` that have been silent for so long that they need not be remembered."""
        awake, c = self.awake(now), self.config

        def patience_s(entry: Entry) -> float:
            return max(c.dead_min_s, c.dead_periods * min(max(c.pulse_min_s, entry.period_s), c.period_limit_s))

        return [entry for entry in withheld if awake - entry.heard_at > patience_s(entry)]

    def probes_due(self, suspects: Sequence[Entry], now: float) -> list[Entry]:
        """Those of the `suspects` to probe now; marks them as probed."""
        awake = self.awake(now)
        due = [e for e in suspects if e.probe_at <= awake]
        due = sorted(due, key=lambda e: e.probe_at)[: self.config.probes_at_once]
        for entry in due:
            entry.probe_at = awake + self._probe_interval_s(entry, awake)
            entry.probes += 1
        return due

    def _overdue(self, live: Sequence[Entry], period_s: float, far_period_s: float, awake: float) -> list[Entry]:
        """Those that are silent for too long if they pulse in these periods. While there are none we look seldom."""
        missed = self.config.missed_pulses
        near_s, far_s = missed * period_s, missed * far_period_s
        silent_at = min([e.heard_at + (far_s if e.far else near_s) for e in live], default=math.inf)
        if silent_at > awake:  # no newcomer is too long silent within the shortest period either
            self._silent_at = min(silent_at, awake + missed * self.config.pulse_min_s)
            return []
        return [e for e in live if e.heard_at + (far_s if e.far else near_s) < awake]

    def _probe_interval_s(self, entry: Entry, awake: float) -> float:
        base_s = self.config.probe_interval_s
        if entry.far and entry.failed_at is None:
            return self._sites.probe_interval_s
        if entry.far:
            return self._sites.pause_s(base_s, entry.probes)
        if awake - entry.heard_at > self.config.missed_pulses * self.config.pulse_min_s:
            return base_s  # it is silent, so it may be dying: probe at the full rate
        return min(base_s * 2.0 ** min(entry.probes, 16), self.config.probe_backoff_limit_s)

    def _is_mass(self, silent: int, world: int, now: float) -> bool:
        """Whether so many fell silent together that our own link is likely down; true for `mass_wait_s` at most."""
        if silent < max(self.config.mass_min, math.ceil(self.config.mass_share * world)):
            self._mass_at = None
            return False
        if self._mass_at is None:
            self._mass_at = now
        return now - self._mass_at < self.config.mass_wait_s
