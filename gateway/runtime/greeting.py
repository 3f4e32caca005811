"""What a peer says of itself when it begins to serve."""

from collections.abc import Iterable, Iterator

from discovery.names import is_taken, looks_like_id
from gateway.config import Config


def greeting(config: Config, name: str, url: str, addresses: Iterable[object], admission: str) -> Iterator[str]:
    """Lines for the owner; `name`: the one that the peer goes by, `url`: of its client side, `admission`: its mode."""
    yield f"PPAI peer `{name}` serves {url}/v1"
    if config.name not in ("", name):
        yield f"the name is `{name}`: at most 64 characters that can be printed are kept of it"
    if is_taken(name) or looks_like_id(name):
        yield f"nobody can ask this peer by the name `{name}`, which means something else: give --name NAME"
    reached = ", ".join(map(str, addresses))
    yield f"peers reach it at {reached} (network `{config.network.name}`, admission: {admission})"
    yield _names_rule(config)
    yield _MEASURING[config.profile.auto]


_MEASURING = {
    "idle": "your models are measured while nobody uses their engine (profile.auto: off ends that)",
    "off": "models are measured only by hand: `ppai-profile` (profile.auto: off)",
}


def _names_rule(config: Config) -> str:
    if config.routing.transparent:
        return "model names: unknown ones and the engine's own are routed like `auto` (--transparent)"
    return "model names: `auto` lets PPAI choose; unknown ones are refused (route them too with --transparent)"
