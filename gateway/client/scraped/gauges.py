"""How a peer is, as Prometheus reads it: engines, door and line, peers, gossip, audits, ledger, which PPAI this is.

Read when it is scraped, so nothing is paid for it while requests are served. No name of a peer: labels are words of
PPAI's own, and the names of our engines.
"""

import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from discovery.members import State
from discovery.records import AdmissionState, PeerId
from discovery.traffic import Traffic
from gateway.capacity.doors import Doors
from gateway.client.running import RunningPeer
from gateway.serving.refusals import missing
from gateway.trust.honesty import Verdict
from gateway.trust.tab import Side, Tab

_STATES: tuple[State, ...] = ("alive", "suspect", "dead", "left")
_ADMISSIONS: tuple[AdmissionState, ...] = ("open", "soft", "closed")
_VERDICTS: tuple[Verdict, ...] = ("untested", "like", "worse")
_SIDES: tuple[Side, ...] = ("got", "given")


class Gauges:
    """What a registry of the client library asks when it is scraped."""

    def __init__(self, peer: RunningPeer) -> None:
        self._peer = peer

    def describe(self) -> list[Metric]:
        """Nothing is read before the peer runs."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every family, whether there is something to tell or not."""
        peer = self._peer
        built = {"version": version("ppai"), "python": platform.python_version(), "system": platform.system()}
        yield _one("ppai_build_info", "Which PPAI this is; always 1", 1, built)
        ready = not missing(peer.node.roster, peer.doors.problem)
        yield _one("ppai_ready", "1 while somebody can answer requests, as /ready says", ready)
        yield from _engines(peer.doors)
        admission = peer.doors.admission
        yield _gauge("ppai_door", "1 at how the door is to other peers", "state", _is(admission, _ADMISSIONS))
        yield _one("ppai_kept_shut", "1 while the owner lets others have nothing", bool(peer.sharing.why()))
        yield from _peers(peer)
        yield from _gossip(peer.network.transport.traffic)
        yield from _ledger(peer.settling.tabs.all())


def _engines(doors: Doors) -> Iterator[Metric]:
    ready = GaugeMetricFamily("ppai_engine_ready", "1 while the engine answers", labels=("engine",))
    slots = GaugeMetricFamily("ppai_engine_slots", "Requests it works on at once", labels=("engine",))
    jobs = GaugeMetricFamily("ppai_jobs", "Requests in an engine or in line for it", labels=("engine", "state", "of"))
    for door in doors.shown:
        name, load = door.engine.name, door.load
        ready.add_metric((name,), door.engine.state.is_ready)
        slots.add_metric((name,), load.slots)
        running = {
            "own": load.ours - load.remote_running,
            "peers": load.remote_running,
            "programs": load.running - load.ours,  # that use the engine directly
        }
        waiting = {"own": load.local_waiting, "peers": load.waiting - load.local_waiting}
        for state, counts in (("running", running), ("waiting", waiting)):
            for of, count in counts.items():
                jobs.add_metric((name, state, of), count)
    yield from (ready, slots, jobs)


def _peers(peer: RunningPeer) -> Iterator[Metric]:
    members, now = [*peer.network.gossip.members()], peer.clock()
    states = Counter(member.state for member in members)
    yield _gauge("ppai_peers", "Other peers that are known", "state", {state: states[state] for state in _STATES})
    yield _one("ppai_peers_waiting", "Peers that wait to be approved", len(peer.network.waiting()))
    found = [peer.node.honesty.standing(member.id, now) for member in members]
    verdicts = Counter(standing.verdict for standing in found)
    audited = {str(verdict): verdicts[verdict] for verdict in _VERDICTS}
    yield _gauge("ppai_peers_audited", "Known peers by what audits found of them", "verdict", audited)
    asked, right = sum(standing.asked for standing in found), sum(standing.right for standing in found)
    yield _gauge("ppai_audits", "Audits of known peers", "outcome", {"right": right, "wrong": asked - right})
    yield _one("ppai_peers_set_aside", "Not asked for now: worse than claimed", sum(s.set_aside_s > 0 for s in found))


def _gossip(traffic: Traffic) -> Iterator[Metric]:
    messages = {"sent": traffic.sent, "received": traffic.received}
    sizes = {"sent": traffic.sent_bytes, "received": traffic.received_bytes}
    yield _counter("ppai_gossip_messages", "Messages of gossip", "direction", messages)
    yield _counter("ppai_gossip_bytes", "Their bytes, without HTTP and TLS", "direction", sizes)
    yield CounterMetricFamily("ppai_gossip_relayed_bytes", "Those of them that passed a relay", traffic.relayed_bytes)


def _ledger(tabs: Mapping[PeerId, Tab]) -> Iterator[Metric]:
    answers = CounterMetricFamily("ppai_ledger_answers", "What peers gave us and we them", labels=("side",))
    tokens = CounterMetricFamily("ppai_ledger_tokens", "Tokens of that", labels=("side", "kind"))
    for side in _SIDES:
        sums = [tab.of(side).sums for tab in tabs.values()]
        answers.add_metric((side,), sum(one.answers for one in sums))
        tokens.add_metric((side, "prompt"), sum(one.prompt_tokens for one in sums))
        tokens.add_metric((side, "completion"), sum(one.tokens for one in sums))
    yield from (answers, tokens)


def _is(value: str, among: Sequence[str]) -> dict[str, float]:
    return {each: float(each == value) for each in among}


def _one(name: str, help_text: str, value: float, labels: Mapping[str, str] | None = None) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=tuple(labels or ()))
    family.add_metric(tuple((labels or {}).values()), value)
    return family


def _gauge(name: str, help_text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=(label,))
    for of, value in values.items():
        family.add_metric((of,), value)
    return family


def _counter(name: str, help_text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=(label,))
    for of, value in values.items():
        family.add_metric((of,), value)
    return family
