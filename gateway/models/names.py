"""What a client may call a model, and whom that means (P: arguments in, values out)."""

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

_NAME = re.compile(r"[^\s\x00-\x1f]{1,128}")


def sayable(asked: str) -> str:
    """The name of a model as a log or a refusal may say it: what has blanks or no end may be a misplaced prompt."""
    return asked if _NAME.fullmatch(asked) else "(no name of a model)"


class UnknownModel(Exception):
    """Nobody serves a model of the name `asked`; `nearest` are at most three names that exist, the nearest first."""

    def __init__(self, asked: str, nearest: tuple[str, ...]) -> None:
        super().__init__(asked, nearest)
        self.asked, self.nearest = asked, nearest


@dataclass(frozen=True)
class NamesConfig:
    """Which names of models mean what; keys of the group `routing`."""

    aliases: Mapping[str, str] = field(default_factory=dict)  # asked name -> a name of the network, or auto
    transparent: bool = False  # unknown names, and the engine's own, mean auto: existing clients are routed unchanged


def resolve_model(
    asked: str, network: Collection[str], own: Collection[str], config: NamesConfig, virtual: str
) -> str | None:
    """The name that candidates must serve, or None where anyone may answer. Raises UnknownModel.

    `network` are all names that somebody serves, `own` those of the local engine, and `virtual` is the name that stands
    for "whoever answers best". Transparent: unknown names, and our own engine's, mean `virtual` too.
    """
    name = config.aliases.get(asked, asked)
    if name == virtual or (config.transparent and (name in own or name not in network)):
        return None
    if name in network:
        return name
    known = [*network, *config.aliases, virtual]
    raise UnknownModel(asked, tuple(difflib.get_close_matches(name, known, n=3, cutoff=0.4)))
