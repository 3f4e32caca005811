"""What a request needs that none of those who may answer can do (P: plain values in, the unmet need out)."""

from collections.abc import Sequence
from dataclasses import dataclass

LEAST_SHARE = 0.5  # of the estimated tokens: no script is estimated at more than twice what a tokenizer makes of it


@dataclass(frozen=True, slots=True)
class NobodyTakes:
    """Modalities or abilities that nobody has; all that are needed, if each is there but nobody has them together."""

    needs: frozenset[str]


@dataclass(frozen=True, slots=True)
class TooLong:
    """The request has at least `least_tokens`, more than the largest context that is served."""

    least_tokens: int
    largest_context: int


def room_tokens(prompt_tokens: int, max_tokens: int | None) -> int:
    """Context that a prompt and the longest answer that its request allows need."""
    return prompt_tokens + (max_tokens or 1)


def least_tokens(prompt_tokens: int) -> int:
    """The fewest tokens that a prompt can have which is estimated at `prompt_tokens`."""
    return int(prompt_tokens * LEAST_SHARE)


def unmet(
    needs: frozenset[str], prompt_tokens: int, abilities: Sequence[frozenset[str]], context_tokens: Sequence[int]
) -> NobodyTakes | TooLong | None:
    """What none of the models can do; None if one may. `abilities` and `context_tokens` have an entry a model.

    Without any model there is nothing to compare with, and the answer is None.
    """
    if not abilities:
        return None
    if not any(needs <= able for able in abilities):
        return NobodyTakes(needs.difference(*abilities) or needs)
    contexts = [tokens for able, tokens in zip(abilities, context_tokens, strict=True) if needs <= able]
    least, largest = least_tokens(prompt_tokens), max(contexts)
    if 0 not in contexts and least > largest:
        return TooLong(least, largest)
    return None
