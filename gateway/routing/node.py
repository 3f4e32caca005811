"""Node: what one peer knows and decides. The gateway drives it with sockets, the simulator with a heap of events.

Takes `now` and returns what to do; touched on the event loop only. Knows nothing of sockets, clocks or engines.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import is_

from msgspec import structs

from discovery.admission import Admission
from discovery.contacts import Way
from discovery.gossip import Gossip
from discovery.members import Member
from discovery.membership import Event
from discovery.records import AdmissionState, Agent, PeerId, Pulse
from gateway.beliefs.columns import Column, is_few, zeros
from gateway.beliefs.domains import FromDocuments, Likely, likely
from gateway.beliefs.expected import Expected
from gateway.beliefs.few import Few
from gateway.beliefs.jobs import Doing, Outcome, Reservation
from gateway.beliefs.memory import FormerModels, Loading, RefusedFields, Serving
from gateway.beliefs.numbers import FloatArray
from gateway.beliefs.table import Beliefs, peer_of, queue_of
from gateway.beliefs.warmth import Warmth
from gateway.models.priors import Priors
from gateway.routing.alone.alone import Alone
from gateway.routing.choice import Candidate, Choice
from gateway.routing.decision import Decision
from gateway.routing.policy import Lots, Plan, Policy, SchedulerConfig
from gateway.routing.query import Query, View
from gateway.routing.roster import BoolArray, Roster, ScoredRoster, all_agents, build_roster
from gateway.routing.worth import REFRESH_S, TRIAL, Space, Trial, corrected, lifted
from gateway.trust.honesty import Honesty
from gateway.trust.observed import Observations
from profiler.scoring import pair_scores


class Node:
    """One peer's view of the network and its decisions."""

    def __init__(
        self,
        name: str,
        gossip: Gossip,
        admission: Admission,
        policy: Policy,
        beliefs: Beliefs,
        rng: Lots,
        space: Space | None = None,
        priors: Priors | None = None,
        alone: SchedulerConfig | None = None,
    ) -> None:
        """`priors`: what models are worth that nobody measured; without, as the curves of public results have it.

        `alone`: how an agent is weighed that nobody competes with (alone/). Without, and where it sets a least score
        of a candidate, it is weighed by `policy`, too.
        """
        self.me, self.name = gossip.id, name
        self.gossip, self.admission, self.beliefs = gossip, admission, beliefs
        self._policy, self._rng, self._space, self._priors = policy, rng, space, priors or Priors()
        self.observations, self._trial, self._refreshed_at = Observations(), Trial(), 0.0
        self.honesty = Honesty()
        self._from_documents = FromDocuments()
        self._refused_fields, self._former_models = RefusedFields(), FormerModels()
        self._now = 0.0  # as we were told last
        self._loading = Loading()
        self._warmth = Warmth(beliefs)
        self._alone: Alone | None = None
        if alone is not None and alone.theta_s == 0:
            self._alone = Alone(
                alone, beliefs, self._warmth, self._loading, self._refused_fields, rng, self._stands_back
            )
        self._own: tuple[Agent, ...] = ()
        self._doing: tuple[Doing, ...] = ()  # our engines
        self._details: dict[PeerId, tuple[Agent, ...]] = {}  # what peers told us of their agents, beyond their cards
        self._refused: dict[tuple[PeerId, str], frozenset[str]] = {}  # abilities by agent that its engine has refused
        self._scored: ScoredRoster | None = None  # None: to be made anew, since something changed
        self._others = Few(())  # of the roster, where those are few
        self.gossip.watch(self.roster_changed)
        self.admission.watch(self.roster_changed)
        self.beliefs.add(self.me, slots=1, rtt_s=0.0)

    @property
    def own_agents(self) -> tuple[Agent, ...]:
        """What our own engine serves; empty while it does not."""
        return self._own

    @property
    def roster(self) -> Roster:
        """Every (peer, agent) pair, ours first."""
        return (self._scored or self._scored_roster()).roster

    @property
    def here(self) -> frozenset[str]:
        """Names of those of our own agents that run on this machine."""
        return frozenset(agent.name for agent in self._own if agent.place == "here")

    @property
    def own_models(self) -> frozenset[str]:
        """What our own engines call their models; no personal agent's."""
        return frozenset(agent.model for agent in self._own if agent.kind == "model")

    @property
    def names(self) -> Mapping[PeerId, str]:
        """What every other peer calls itself, by id; those that have left are not in it."""
        return self._scored_roster().names

    def former_models(self, now: float) -> Mapping[str, str]:
        """By the name of a model or agent that nobody may be found for: who served it until recently."""
        self._scored_roster()
        return self._former_models.served_by(now)

    def has_room(self, peer: PeerId, now: float) -> bool:
        """Whether another peer's door is open, as far as we know."""
        return peer in self.beliefs and not self.beliefs[peer].is_closed(now)

    def serve(self, agents: Sequence[Agent]) -> None:
        """Our own agents changed. What the engine refused at one that goes is tried anew when it comes back."""
        self._scored_roster()  # what was served is seen before it may be gone
        self._own, self._scored = tuple(agents), None
        served = {(self.me, agent.name) for agent in agents}
        self._refused = {at: needs for at, needs in self._refused.items() if at[0] != self.me or at in served}

    def hear_details(self, peer: PeerId, agents: Sequence[Agent]) -> None:
        """What a peer told us of its agents, beyond its card. What was refused there is tried anew."""
        self._details[peer], self._scored = tuple(agents), None
        self._refused = {at: needs for at, needs in self._refused.items() if at[0] != peer}

    def agents_of(self, member: Member) -> list[Agent]:
        """A peer's agents: what its card says, and what it told us beyond it."""
        return all_agents(member.card.agents, self._details.get(member.id, ()))

    def untold(self, peer: PeerId, agent: str) -> frozenset[str]:
        """Abilities that its engine neither tells nor denies, and that may be tried at this agent."""
        of = self._own if peer == self.me else self._details.get(peer, ())
        untold = next((frozenset(one.untold) for one in of if one.name == agent), frozenset[str]())
        return untold - self._refused.get((peer, agent), frozenset())

    def refused(self, peer: PeerId, agent: str, needs: frozenset[str]) -> None:
        """An agent's engine refused a request for what it needs: it is not tried there again."""
        known = self._refused.get((peer, agent), frozenset())
        self._refused[peer, agent] = known | needs & self.untold(peer, agent)
        self._scored = None

    def lacks(self, peer: PeerId, agent: str, endpoint: str) -> None:
        """An agent's engine has no such endpoint: it is not asked for it again."""
        known = self._refused.get((peer, agent), frozenset())
        self._refused[peer, agent], self._scored = known | {endpoint}, None

    def refused_fields(self, peer: PeerId, fields: frozenset[str]) -> None:
        """Another peer refused a request with these fields: it is not asked such again, until it starts anew."""
        member = self.gossip.member(peer)
        if member is not None:
            self._refused_fields.note(peer, member.card.gen, fields)

    def use_space(self, space: Space | None) -> None:
        """Our gate was loaded: vectors count in its space from now on."""
        self._space, self._scored = space, None

    def roster_changed(self) -> None:
        """Somebody was approved or revoked, or his card or state is another."""
        self._scored = None

    def receive(self, events: Iterable[Event], now: float) -> list[Event]:
        """What gossip heard: pulses are evidence about load; of a change of card or state we are told apart (`watch`).

        Returns what is of peers that may answer us. Others' load is nobody's: ids that strangers make up leave nothing
        behind.
        """
        self._now = now
        theirs = list[Event]()
        for event in events:
            if event.kind == "left":
                self._scored = None
                self.beliefs.forget(event.peer)
                self._loading.tell(event.peer, set(), set(), now)
            if not self.admission.may(event.peer, "answer"):
                continue
            theirs.append(event)
            if event.kind == "pulse":
                member = self.gossip.member(event.peer)
                if member is not None and member.pulse is not None:
                    self.beliefs.add(event.peer, max(1, member.card.slots))
                    self.beliefs.observe_pulse(member.pulse, now - self.gossip.age(event.peer, now))
        return theirs

    def count_own(self, engines: Sequence[Doing], now: float) -> None:
        """What each of our engines does, by its number: whoever has its door counts it, and tells nothing here."""
        self._now = now
        if not (len(engines) == len(self._doing) and all(map(is_, engines, self._doing))):
            self._doing = tuple(engines)
            self._count_own()

    def _count_own(self) -> None:
        """One engine is the peer; of several each has a belief of its own, once it serves an agent."""
        for number, doing in enumerate(self._doing):
            queue = self.me if len(self._doing) == 1 else queue_of(self.me, number)
            if queue in self.beliefs:
                self.beliefs.count_by(queue, doing)

    def observe_own_pulse(self, pulse: Pulse, now: float) -> None:
        """Our own pulse, as we publish it: evidence of how long our jobs take, as another peer's pulse is of his."""
        last = self.beliefs[self.me].last
        self.beliefs.observe_pulse(replace(pulse, id=self.me, seq=last.seq + 1 if last else 1), now)

    def observe_probe(
        self,
        peer: PeerId,
        jobs: int,
        slots: int,
        admission: AdmissionState,
        rtt_s: float,
        now: float,
        engines: Sequence[tuple[int, int]] = (),
        way: Way = "direct",
    ) -> None:
        """A probe came back at `now`, by this way: the load in it is half a round trip old.

        `engines`: (jobs, slots) of each.
        """
        self.beliefs.observe_load(peer, jobs, slots, admission, now - rtt_s / 2, engines)
        self.beliefs.observe_rtt(peer, rtt_s, way)

    def observe_sent(self, peer: PeerId, size_bytes: int, took_s: float, way: Way) -> None:
        """A large body was at this peer `took_s` after it was begun, by this way."""
        self.beliefs.observe_sent(peer, size_bytes, took_s, way)

    def observe_cold(self, peer: PeerId, agents: Collection[str], kept: Collection[str] = (), now: float = 0.0) -> None:
        """Which of a peer's agents, or ours, have a model that its engine would have to load first; `kept`: of
        another's, those that are not loaded because we ask, as it said at `now`."""
        if peer in self.beliefs:
            self._loading.tell(peer, {*agents}, {*kept}, now)

    def own_mean_service_s(self) -> float:
        """E[S] of our own engine: seconds that one job is in a slot."""
        return self.beliefs[self.me].expected(0.0).mean_service_s

    def observe_closed(self, peer: PeerId, now: float) -> None:
        """A probe was turned away: we may not ask there. Until its next pulse, or for CLOSED_S, it is no candidate."""
        self.beliefs.observe_closed(peer, now)

    def alone(self, query: Query, now: float, rows: int) -> tuple[Choice | None, float | None]:
        """The choice of one agent that is weighed against nobody, of so many rows at most. None: plan, and decide.

        And the lot that was drawn for that, which is then the query's; None: none was.
        """
        if self._alone is None:
            return None, None
        return self._alone.choice(query, self._seen_roster(now), self._others, now, rows)

    def alone_each(self, queries: Sequence[Query], now: float) -> list[Choice] | None:
        """The same of queries of one kind that go to an engine of ours (Alone.each)."""
        return None if self._alone is None else self._alone.each(queries, self._seen_roster(now), now)

    def plan(self, query: Query, now: float) -> Plan:
        """Who could answer, and which of them are worth a probe first."""
        return self._policy.plan(query, self.view(query, now), now, self._rng)

    def decide(self, query: Query, plan: Plan, now: float, silent: Collection[PeerId] = ()) -> Decision:
        """Who answers, on what the probes brought; `silent` peers did not answer theirs.

        Where the roster has changed since the plan, it is made anew.
        """
        is_same = self.roster is plan.draft.view.roster
        view = plan.draft.view if is_same else self.view(query, now)
        if plan.probe or silent:
            view = self._probed(query, view, now, silent)
        return self._policy.choose(query, view, now, self._rng, plan if is_same else None)

    def dispatch(self, candidate: Candidate, now: float) -> Reservation:
        """Count this candidate as busy with the query from now on."""
        if candidate.is_auto:
            self._trial.note(self._is_on_trial(candidate.peer_id))
        reservation = candidate.reservation(now)
        self.beliefs.reserve(reservation)
        return reservation

    def observe_late(self, reservation: Reservation, is_late: bool) -> None:
        """A query that we sent to another peer should have begun by now, and has not; or it has after all."""
        self.beliefs.observe_late(reservation, is_late)

    def observe(self, reservation: Reservation, outcome: Outcome, now: float) -> None:
        """Learn from how a dispatched query went.

        Our own engine's refusal counts as a failure: it had a free slot, so it is loading a model, or is broken.
        """
        if outcome.status == "refused" and peer_of(reservation.queue) == self.me:
            outcome = structs.replace(outcome, status="failed")
        self.beliefs.observe_outcome(reservation, outcome, now)
        self._warmth.observe(reservation, outcome, now)

    def claimed(self, peer: PeerId, agent: str, relevance: FloatArray) -> float | None:
        """The share right that we take an agent to claim for such a query; None where it was not measured."""
        scored = self._scored_roster()
        pairs = zip(scored.roster.peer_ids, scored.roster.agents, scored.profiled.tolist(), strict=True)
        rows = (row for row, (*pair, is_measured) in enumerate(pairs) if is_measured and pair == [peer, agent])
        row = next(rows, None)
        if row is None or scored.claimed is None:
            return None
        return float(pair_scores(relevance, scored.claimed[row][None])[0])

    def observe_audit(
        self, peer: PeerId, agent: str, category: str, relevance: FloatArray, score: float, now: float
    ) -> None:
        """An audit's answer was graded: it is evidence of the agent, and of what its peer's claims are worth."""
        self.observations.observe(peer, agent, category, score, 1.0, now)
        claimed = self.claimed(peer, agent, relevance)
        if claimed is not None:
            self.honesty.audited(peer, claimed, score, now, self.names)
            self._scored = None

    def observe_documents(self, candidate: Candidate, is_from_documents: bool, now: float) -> None:
        """An agent with topics said whether its answer came from its documents."""
        if candidate.likely:
            peer, agent = candidate.peer_id, candidate.agent
            self._from_documents.observe(peer, agent, candidate.likely, is_from_documents, now)

    def _expected(self, roster: Roster, query: Query, now: float) -> Expected[Column]:
        """What is expected of everybody; a query that waits at our door does not wait for itself."""
        doing = None if query.waits_at is None else self.beliefs[query.waits_at].doing
        if doing is None:
            return self.beliefs.expect(roster.rows, now, roster.own)
        doing.jobs -= 1
        try:
            return self.beliefs.expect(roster.rows, now, roster.own)
        finally:
            doing.jobs += 1

    def _probed(self, query: Query, view: View, now: float, silent: Collection[PeerId]) -> View:
        """The view with what probes may have changed; `silent` did not answer theirs."""
        roster = view.roster
        return view._replace(
            expected=self._expected(view.roster, query, now),
            cold=self._loading.cold(roster.peer_ids, roster.agents),
            kept=self._loading.kept(roster.peer_ids, roster.agents, now),
            silent=roster.of_peers(silent) if silent else None,
        )

    def view(self, query: Query, now: float) -> View:
        """Everything a policy may look at, for this query."""
        scored = self._seen_roster(now)
        roster, score = scored.roster, scored.scores(query.relevance)
        topics = self._likely(roster, query, now) if query.drawn else {}
        warm = self._warmth.held(query.session, query.prompt_tokens, roster.places, roster.contexts, now)
        return View(
            roster=roster,
            expected=self._expected(roster, query, now),
            score=lifted(score, roster.local, topics) if topics else score,
            profiled=scored.profiled,
            output_tokens=self.beliefs.output_tokens(query.category, query.max_tokens),
            refusing=self._refusing(roster, query.guarded),
            warm_tokens=_column(*warm, len(roster)),
            cold=self._loading.cold(roster.peer_ids, roster.agents),
            kept=self._loading.kept(roster.peer_ids, roster.agents, now),
            on_trial=self._on_trial(scored) if query.is_auto else None,
            bases=scored.bases,
            likely=topics,
            distrusted=self._distrusted(roster, now),
        )

    def _stands_back(self, query: Query, scored: ScoredRoster, now: float) -> bool:
        """Whether somebody does for now who is on trial, or distrusted."""
        return bool((query.is_auto and self._on_trial(scored) is not None) or self.honesty.set_aside(now))

    def _likely(self, roster: Roster, query: Query, now: float) -> dict[int, Likely]:
        """Who has topics, how likely the query is of them, and what is expected then after the answers graded here."""
        found = likely(roster.topical, query.drawn, self._from_documents, now)
        for one in roster.topical if self.observations else ():
            if (claim := found.get(one.row)) is not None:
                believed = claim.right * self.honesty.share(one.peer)
                right = corrected(believed, *self.observations.topical(one.peer, one.agent, now))
                found[one.row] = claim._replace(right=right)
        return found

    def _is_on_trial(self, peer: PeerId) -> bool:
        """Whether nobody vouched for a peer of which we saw few answers."""
        is_stranger = peer != self.me and not self._vouches(peer)
        return is_stranger and self.observations.count(peer) < TRIAL

    def _vouches(self, peer: PeerId) -> bool:
        """Whether somebody says who this is. The secret alone does not, of who came after a peer was convicted."""
        is_named = peer in self.admission.approved()
        return self.admission.vouches(peer) and (is_named or not self.honesty.is_suspicious(peer))

    def _distrusted(self, roster: Roster, now: float) -> BoolArray | None:
        """(N,) whose peer is set aside by what audits found; None where nobody's is."""
        who = self.honesty.set_aside(now)
        return roster.of_peers(who) if who else None

    def _on_trial(self, scored: ScoredRoster) -> BoolArray | None:
        """(N,) who is on trial and had its share; None where there is nobody, or the share is not used up."""
        if scored.strangers is None or self._trial.has_room:
            return None
        return scored.roster.of_peers({peer for peer in set(scored.roster.peer_ids) if self._is_on_trial(peer)})

    def _seen_roster(self, now: float) -> ScoredRoster:
        """The roster with what answers were seen to be worth; what was seen fades, and verdicts do."""
        self._now = now
        if self.honesty.fades_at <= now and self.honesty.fade(now):
            self._scored = None
        scored = self._scored or self._scored_roster()
        if self.observations and scored.worth is not None and self._space is not None:
            is_due = not 0 <= now - self._refreshed_at < REFRESH_S
            pairs = self.observations.pairs() if is_due else self.observations.touched()
            self._refreshed_at = now if is_due else self._refreshed_at
            for pair in pairs:
                scored.see(*pair, self.observations, self._space, now)
        return scored

    def _refusing(self, roster: Roster, fields: frozenset[str]) -> BoolArray | None:
        """(N,) who has refused such fields; None where nobody has."""
        if not (fields and self._refused_fields):
            return None
        members = {member.id: member.card.gen for member in self.gossip.members()}
        who = {peer for peer, gen in members.items() if self._refused_fields.refuses(peer, gen, fields)}
        return roster.of_peers(who)

    def _scored_roster(self) -> ScoredRoster:
        """The roster of who is there now; where it is made anew, what we know of all others is dropped."""
        if self._scored is not None:
            return self._scored
        self.beliefs.keep([self.me, *(member.id for member in self.gossip.members())])
        self._loading.keep(self.beliefs)
        self._details = {peer: agents for peer, agents in self._details.items() if peer in self.beliefs}
        self._refused = {pair: needs for pair, needs in self._refused.items() if pair[0] in self.beliefs}
        self._scored = scored = build_roster(
            self.me,
            self.name,
            self._own,
            self.gossip.members(),
            lambda peer: self.admission.may(peer, "answer"),
            self.beliefs,
            self._space,
            self._details,
            self._refused,
            self._vouches,
            self._priors,
            self.admission.is_mine,
            self.honesty,
        )
        self._count_own()
        self._refreshed_at = -REFRESH_S
        self._former_models.seen(_serving(scored.roster), self._now)
        others = scored.roster.queues[scored.roster.own :] if is_few(len(scored.roster)) else ()
        self._others = Few([self.beliefs[queue] for queue in others])
        return scored


def _column(row: int | None, number: float, count: int) -> Column | None:
    """(N,) with this number in one row, and 0 in all others; None where there is no row."""
    if row is None:
        return None
    column = zeros(count)
    column[row] = number
    return column


def _serving(roster: Roster) -> dict[PeerId, Serving]:
    """By peer that may be asked, and by each of several engines: what it serves."""
    names: dict[PeerId, set[str]] = {}
    shown = dict(zip(roster.queues, roster.peer_names, strict=True))
    columns = zip(roster.queues, roster.models, roster.agents, roster.approved.tolist(), strict=True)
    for queue, model, agent, may_answer in columns:
        if may_answer:
            names.setdefault(queue, set()).update((model, agent))
    return {queue: Serving(shown[queue], frozenset(served)) for queue, served in names.items()}
