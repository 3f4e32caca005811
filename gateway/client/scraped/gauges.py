"""How a peer is, as Prometheus reads it: engines, door and line, peers, gossip, audits, ledger, which PPAI this is.

Read when it is scraped, so nothing is paid for it while requests are served. No name of a peer: labels are words of
PPAI's own, and the names of our engines.
"""

import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from discovery.members import State
from discovery.records import AdmissionState, PeerId
from discovery.traffic import Traffic
from gateway.capacity.doors import Doors
from gateway.client.running import RunningPeer
from gateway.serving.refusals import missing
from gateway.telemetry.counts import Family, counter
from gateway.trust.honesty import Verdict
from gateway.trust.tab import Side, Tab
from gateway.version import own_version

_STATES: tuple[State, ...] = ("alive", "suspect", "dead", "left")
_ADMISSIONS: tuple[AdmissionState, ...] = ("open", "soft", "closed")
_VERDICTS: tuple[Verdict, ...] = ("untested", "like", "worse")
_SIDES: tuple[Side, ...] = ("got", "given")


def families(peer: RunningPeer) -> Iterator[Family]:
    """Every family, whether there is something to tell or not."""
    built = {"version": own_version(), "python": platform.python_version(), "system": platform.system()}
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


def _engines(doors: Doors) -> Iterator[Family]:
    ready, slots = dict[str, float](), dict[str, float]()
    jobs = dict[tuple[str, ...], float]()
    for door in doors.shown:
        name, load = door.engine.name, door.load
        ready[name], slots[name] = door.engine.state.is_ready, load.slots
        running = {
            "own": load.ours - load.remote_running,
            "peers": load.remote_running,
            "programs": load.running - load.ours,  # that use the engine directly
        }
        waiting = {"own": load.local_waiting, "peers": load.waiting - load.local_waiting}
        for state, counts in (("running", running), ("waiting", waiting)):
            for of, count in counts.items():
                jobs[name, state, of] = count
    yield _gauge("ppai_engine_ready", "1 while the engine answers", "engine", ready)
    yield _gauge("ppai_engine_slots", "Requests it works on at once", "engine", slots)
    yield Family("gauge", "ppai_jobs", "Requests in an engine or in line for it", ("engine", "state", "of"), jobs)


def _peers(peer: RunningPeer) -> Iterator[Family]:
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


def _gossip(traffic: Traffic) -> Iterator[Family]:
    messages = {"sent": traffic.sent, "received": traffic.received}
    sizes = {"sent": traffic.sent_bytes, "received": traffic.received_bytes}
    yield _counter("ppai_gossip_messages", "Messages of gossip", "direction", messages)
    yield _counter("ppai_gossip_bytes", "Their bytes, without HTTP and TLS", "direction", sizes)
    relayed: dict[tuple[str, ...], float] = {(): traffic.relayed_bytes}
    yield counter("ppai_gossip_relayed_bytes", "Those of them that passed a relay", (), relayed)


def _ledger(tabs: Mapping[PeerId, Tab]) -> Iterator[Family]:
    answers, tokens = dict[tuple[str, ...], float](), dict[tuple[str, ...], float]()
    for side in _SIDES:
        sums = [tab.of(side).sums for tab in tabs.values()]
        answers[side,] = sum(one.answers for one in sums)
        tokens[side, "prompt"] = sum(one.prompt_tokens for one in sums)
        tokens[side, "completion"] = sum(one.tokens for one in sums)
    yield counter("ppai_ledger_answers", "What peers gave us and we them", ("side",), answers)
    yield counter("ppai_ledger_tokens", "Tokens of that", ("side", "kind"), tokens)


def _is(value: str, among: Sequence[str]) -> dict[str, float]:
    return {each: float(each == value) for each in among}


def _one(name: str, about: str, value: float, labels: Mapping[str, str] | None = None) -> Family:
    named = labels or {}
    return Family("gauge", name, about, tuple(named), {tuple(named.values()): value})


def _gauge(name: str, about: str, label: str, values: Mapping[str, float]) -> Family:
    return Family("gauge", name, about, (label,), {(of,): value for of, value in values.items()})


def _counter(name: str, about: str, label: str, values: Mapping[str, float]) -> Family:
    return counter(name, about, (label,), {(of,): value for of, value in values.items()})
