"""Prometheus metrics: what the peer counts and times. Never prompt text, keys or signatures, and no name of a peer.

Every label has a bounded number of values. What a peer is, rather than does, is read when it is scraped
(gateway/client/scraped/gauges.py).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Literal

from gateway.telemetry.counts import GATHERED, Counts, Family, Gathered, Spread, counter, histogram
from gateway.telemetry.exposition import text_of
from gateway.telemetry.genai import DURATION_BOUNDS_S, FIRST_TOKEN_BOUNDS_S, TOKEN_BOUNDS_S

Target = Literal["local", "remote"]  # who was asked; a label with the peer in it would grow without bound
Stage = Literal["read", "judge", "probe"]  # and choosing
_TARGETS, _STATUSES = ("local", "remote"), ("ok", "refused", "failed", "cancelled")
# Of one attempt: ttft_s, None of an answer in one piece; latency_s; tokens of the prompt, and written; how long it was
# expected to take.
Attempted = tuple[float | None, float, int, int, float]
_STAGE_BOUNDS_S = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_WAIT_BOUNDS_S = (0.001, 0.01, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class _Asked:
    """Those attempts of one kind that ended one way."""

    __slots__ = ("duration", "expected", "first_token", "number", "per_token", "prompt_tokens", "rows", "tokens")

    def __init__(self) -> None:
        self.rows = Gathered(self._count)
        self.number = self.prompt_tokens = self.tokens = 0
        self.first_token, self.per_token = Spread(FIRST_TOKEN_BOUNDS_S), Spread(TOKEN_BOUNDS_S)
        self.duration, self.expected = Spread(DURATION_BOUNDS_S), Spread(DURATION_BOUNDS_S)

    def _count(
        self,
        ttft_s: Sequence[float | None],
        latency_s: Sequence[float],
        prompt_tokens: Sequence[int],
        tokens: Sequence[int],
        expected_s: Sequence[float],
    ) -> None:
        self.number += len(latency_s)
        self.prompt_tokens += sum(prompt_tokens)
        self.tokens += sum(tokens)
        self.duration.add(latency_s)
        self.expected.add(expected_s)
        rows = zip(ttft_s, latency_s, tokens, strict=True)
        streams = [(first_s, whole_s, count) for first_s, whole_s, count in rows if first_s is not None]
        self.first_token.add(first_s for first_s, _, _ in streams)
        self.per_token.add((whole_s - first_s) / (count - 1) for first_s, whole_s, count in streams if count > 1)


class Telemetry:
    """One peer's metrics."""

    def __init__(self) -> None:
        self._continued = Counts(product(_TARGETS, _STATUSES))
        self._answers, self._decisions, self._refused, self._turned_away = Counts(), Counts(), Counts(), Counts()
        self._served = Counts((status,) for status in _STATUSES)
        self._asked = {kind: _Asked() for kind in product(_TARGETS, _STATUSES)}
        self._served_tokens = [0, 0]  # of prompts, and written
        self._expected_wait, self._wait = Spread(_WAIT_BOUNDS_S), Spread(_WAIT_BOUNDS_S)
        self._stages = {stage: Spread(_STAGE_BOUNDS_S) for stage in ("read", "judge", "probe", "choose")}
        self._taken = {stage: Gathered(spread.add) for stage, spread in self._stages.items()}
        self._chosen, self._waited = Gathered(self._count_chosen), Gathered(self._count_waited)
        self._answered = Gathered(self._count_answered)
        # ((expected_s, waited_s)): a request of our programs that waited at the door of our engine and was let in.
        self.observe_wait: Callable[[tuple[float, float]], None] = self._waited.append

    def observe(self, target: Target, status: str, row: Attempted) -> None:
        """One attempt. A choice or an answer comes with each, by which it is counted in time."""
        self._asked[target, status].rows.append(row)

    def observe_answer(self, status: str, reason: str) -> None:
        """A request of our programs, after all its attempts; `reason`: how it was chosen who is asked."""
        self._answered.append((status, reason))
        if len(self._answered) >= GATHERED:
            self._settle()

    def observe_choice(self, seconds: float, reason: str) -> None:
        """Choosing took so long; `reason`: of a decision who is asked, else "".

        A request whose candidates have failed, or changed, is decided anew; one that waits, or that a person asks
        about, is not.
        """
        self._chosen.append((seconds, reason))
        if len(self._chosen) >= GATHERED:
            self._settle()

    def observe_stage(self, stage: Stage, seconds: float) -> None:
        """What another part of deciding took."""
        taken = self._taken[stage]
        taken.append((seconds,))
        if len(taken) >= GATHERED:
            taken.settle()

    def observe_continued(self, target: Target, status: str) -> None:
        """One attempt to go on with an answer that broke off elsewhere."""
        self._continued.add((target, status))

    def observe_served(self, status: str, prompt_tokens: int, tokens: int) -> None:
        """One request that another peer delegated to us."""
        self._served.add((status,))
        self._served_tokens[0] += prompt_tokens
        self._served_tokens[1] += tokens

    def observe_turned_away(self, code: str) -> None:
        """One request of another peer, or of whoever dials its port, that was refused before anything was run."""
        self._turned_away.add((code,))

    def observe_refused(self, http_status: int, code: str) -> None:
        """One request of this machine's programs that nobody was asked."""
        self._refused.add((str(http_status), _kind(code)))

    def exposition(self) -> bytes:
        """Prometheus text format."""
        return text_of(self.families())

    def families(self) -> Iterator[Family]:
        """All that was counted and timed."""
        self._settle()
        asked = ("target", "status")
        numbers: dict[tuple[str, ...], float] = {kind: one.number for kind, one in self._asked.items()}
        yield counter("ppai_requests", "Attempts, by who was asked", asked, numbers)
        yield counter("ppai_answers", "Requests, after all attempts", ("status", "reason"), self._answers)
        yield counter("ppai_decisions", "Decisions who is asked", ("reason",), self._decisions)
        yield counter("ppai_refused", "Requests that nobody was asked", ("status", "code"), self._refused)
        yield counter("ppai_continued", "Attempts to go on with an answer", asked, self._continued)
        yield counter("ppai_served", "Requests of other peers, run here", ("status",), self._served)
        yield counter("ppai_turned_away", "Requests refused at the peer port", ("code",), self._turned_away)
        yield counter("ppai_tokens", "Tokens read and written, by who was asked", ("target", "kind"), self._tokens())
        for name, help_text, of in (
            ("time_to_first_token", "From asking to the first event of a stream", "first_token"),
            ("time_per_output_token", "Between the tokens of a stream", "per_token"),
            ("request_duration", "From asking to the last byte", "duration"),
            ("expected_duration", "What these answers were expected to take", "expected"),
        ):
            # of those answered alone: a refusal's few milliseconds would make a peer look fast
            spreads = {target: getattr(self._asked[target, "ok"], of) for target in _TARGETS}
            yield histogram(f"ppai_{name}_seconds", help_text, "target", spreads)
        waits = {"expected": self._expected_wait, "actual": self._wait}
        yield histogram("ppai_wait_seconds", "At the door of our engine, as expected and as it was", "kind", waits)
        yield histogram("ppai_stage_seconds", "Added before anybody is asked, by stage", "stage", self._stages)

    def _settle(self) -> None:
        """Count all that waits."""
        for each in (self._answered, self._chosen, self._waited, *self._taken.values()):
            each.settle()
        for one in self._asked.values():
            one.rows.settle()

    def _count_answered(self, statuses: Sequence[str], reasons: Sequence[str]) -> None:
        for (status, reason), number in Counter(zip(statuses, reasons, strict=True)).items():
            self._answers.add((status, _kind(reason)), number)

    def _count_chosen(self, seconds: Sequence[float], reasons: Sequence[str]) -> None:
        self._stages["choose"].add(seconds)
        for reason, number in Counter(filter(None, reasons)).items():
            self._decisions.add((_kind(reason),), number)

    def _count_waited(self, expected_s: Sequence[float], waited_s: Sequence[float]) -> None:
        self._expected_wait.add(expected_s)
        self._wait.add(waited_s)

    def _tokens(self) -> dict[tuple[str, ...], float]:
        counts = dict[tuple[str, ...], float]()
        for target in _TARGETS:
            counts[target, "prompt"] = self._asked[target, "ok"].prompt_tokens
            counts[target, "completion"] = sum(self._asked[target, status].tokens for status in _STATUSES)
        counts["served", "prompt"], counts["served", "completion"] = self._served_tokens
        return counts


def _kind(said: str) -> str:
    """A reason or code without what stands behind its colon, the name of a field or a rule: there are many of those."""
    return said.partition(":")[0]
