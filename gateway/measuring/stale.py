"""What a vector is worth once its model was replaced under the same name (P).

The old vector says something of the new model, and less with every day in which nobody measures it. So its values stay
and its evidence falls: to 8 questions in all, which is as much as anybody believes a claim of another peer
(routing/worth.py), and to half of that with each day. Whoever weighs a vector by its evidence, here or at another peer,
comes back to what the model's name alone promises, without being told anything else.
"""

from collections.abc import Sequence
from dataclasses import replace

from discovery.records import Profile

DAY_S = 86400.0
STALE_LIMIT = 8  # questions behind a stale vector at most


def aged(profile: Profile, stale_s: float | None) -> Profile:
    """The profile as it counts `stale_s` seconds after its model was replaced; None: it was not."""
    if stale_s is None:
        return profile
    return replace(profile, evidence=_shared_out(left_of(sum(profile.evidence), stale_s), profile.evidence))


def left_of(questions: int, stale_s: float) -> int:
    """How many of so many questions still count, `stale_s` seconds after the model, or the agent, became another."""
    return min(STALE_LIMIT, questions) >> min(STALE_LIMIT, int(max(0.0, stale_s) // DAY_S))


def _shared_out(left: int, evidence: Sequence[int]) -> tuple[int, ...]:
    """So many questions, shared out as the evidence is; what is left over goes to the largest fractions."""
    total = sum(evidence)
    if total <= left:
        return tuple(evidence)
    whole = [count * left // total for count in evidence]
    order = sorted(range(len(evidence)), key=lambda k: -(evidence[k] * left % total))
    for k in order[: left - sum(whole)]:
        whole[k] += 1
    return tuple(whole)
