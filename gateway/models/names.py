"""What a client may call a model, and whom that means (P: arguments in, values out)."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from gateway.wire.request import VIRTUAL_MODEL, InvalidRequest


@dataclass(frozen=True)
class NamesConfig:
    """Which names of models mean what; keys of the group `routing`."""

    aliases: Mapping[str, str] = field(default_factory=dict)  # asked name -> a name of the network, or auto
    transparent: bool = False  # unknown names, and the engine's own, mean auto: existing clients are routed unchanged


def resolve_model(asked: str, network: Collection[str], own: Collection[str], config: NamesConfig) -> str | None:
    """The name that candidates must serve, or None where anyone may answer.

    `network` are all names that somebody serves, `own` those of the local engine. Raises InvalidRequest (404) with the
    nearest names. Transparent: unknown names, and our own engine's, are routed like `auto`.
    """
    name = config.aliases.get(asked, asked)
    if name == VIRTUAL_MODEL or (config.transparent and (name in own or name not in network)):
        return None
    if name in network:
        return name
    near = difflib.get_close_matches(name, [*network, *config.aliases, VIRTUAL_MODEL], n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(f'`{match}`' for match in near)}? " if near else ""
    raise InvalidRequest(
        f"The model `{asked}` does not exist on this network. {hint}Ask for `auto` to let PPAI choose, "
        "see GET /v1/models for what is served, or start the peer with --transparent.",
        status=404, param="model", code="model_not_found",
    )  # fmt: skip
