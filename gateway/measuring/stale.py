"""What a vector is worth once its model was replaced under the same name (P).

The old vector says something of the new model, and less with every day in which nobody measures it. So its values stay
and its evidence falls: half at once, half of that after a day, and so on. Whoever weighs a vector by its evidence, here
or at another peer, comes back to what the model's name alone promises, without being told anything else.
"""

from dataclasses import replace

from discovery.records import Profile

DAY_S = 86400.0
GONE_DAYS = 20  # after which no evidence is left of any number of questions that was ever asked


def aged(profile: Profile, stale_s: float | None) -> Profile:
    """The profile as it counts `stale_s` seconds after its model was replaced; None: it was not."""
    if stale_s is None:
        return profile
    halvings = 1 + min(GONE_DAYS, int(max(0.0, stale_s) // DAY_S))
    return replace(profile, evidence=tuple(count >> halvings for count in profile.evidence))
