"""What a client may call a model, and whom that means (P: arguments in, values out)."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

import msgspec

from gateway.models.same import model_key

_NAME = re.compile(r"[^\s\x00-\x1f]{1,128}")


def sayable(asked: str) -> str:
    """The name of a model as a log or a refusal may say it: what has blanks or no end may be a misplaced prompt."""
    return asked if _NAME.fullmatch(asked) else "(no name of a model)"


class UnknownModel(Exception):
    """Nobody serves a model of the name `asked`; `nearest` are at most three names that exist, the nearest first."""

    def __init__(self, asked: str, nearest: tuple[str, ...]) -> None:
        super().__init__(asked, nearest)
        self.asked, self.nearest = asked, nearest


# What a client asks for, in the order of its wishes: names of models any of which will do, or None for anyone. Never
# empty. Example: `llama3.2`, else the same model under another name, else whoever answers best.
Chain: TypeAlias = tuple[frozenset[str] | None, ...]


@dataclass(frozen=True)
class NamesConfig:
    """Which names of models mean what; keys of the group `routing`."""

    # asked name -> a name of the network, or auto, or a list of such: the first that somebody can begin in time
    aliases: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    # s within which somebody must be able to begin, else the next name of a list is asked for
    patience_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 10.0
    transparent: bool = False  # unknown names, and the engine's own, mean auto: existing clients are routed unchanged


def summed_up(chain: Chain) -> frozenset[str] | None:
    """The names that any of the wishes names; None where one of them is anyone."""
    return None if None in chain else frozenset(name for names in chain if names for name in names)


def resolve_models(
    asked: Sequence[str], network: Collection[str], own: Collection[str], config: NamesConfig, virtual: str
) -> Chain:
    """Whom each of the names means, in order. Raises UnknownModel where nobody serves any.

    A name of the network means itself, and after that the same model under other names (`model_key`). `virtual` stands
    for anyone, and ends the chain. Names that nobody serves are left out.

    `network` are all names that somebody serves, `own` those of the local engine. Transparent: unknown names, and our
    own engine's, mean `virtual` too.
    """
    chain: list[frozenset[str] | None] = []
    for name in asked:
        for meant in _spelled_out(name, config.aliases):
            if meant == virtual or (config.transparent and (meant in own or meant not in network)):
                return _distinct([*chain, None])
            exact = frozenset({meant} if meant in network else ())
            key = model_key(meant)
            same = frozenset(other for other in network if other != meant and model_key(other) == key)
            chain += [link for link in (exact, same) if link]
    if chain:
        return _distinct(chain)
    known = [*network, *config.aliases, virtual]
    raise UnknownModel(asked[0], tuple(difflib.get_close_matches(asked[0], known, n=3, cutoff=0.4)))


def _spelled_out(name: str, aliases: Mapping[str, str | tuple[str, ...]]) -> tuple[str, ...]:
    """The names that a name stands for. Those are names of models: an alias of an alias is none."""
    meant = aliases.get(name, name)
    return (meant,) if isinstance(meant, str) else meant


def _distinct(chain: list[frozenset[str] | None]) -> Chain:
    return tuple(dict.fromkeys(chain))
