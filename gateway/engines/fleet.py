"""Our engines: those that the settings name and, where these say `auto`, all that are found on this machine.

Each is watched by itself (local.py), so that one that is broken or slow hides no other. The embedded engine is started
where `auto` finds none and no other is named.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from gateway.engines.address import EngineAddressError, place_of
from gateway.engines.embedded import EmbeddedEngine
from gateway.engines.local import ADOPTABLE_PORTS, EngineConfig, LocalEngine, check


class Fleet:
    """All of them, in the order of the settings; of those that were found, in the order of `ports`."""

    def __init__(
        self,
        configs: Sequence[EngineConfig],
        embedded: Callable[[], EmbeddedEngine],
        ports: Mapping[int, str] = ADOPTABLE_PORTS,
    ) -> None:
        """`ports` are tried where a url is auto, but for those of engines that are named. Raises EngineAddressError."""
        engines: list[LocalEngine] = []
        named = {_port_here(config) for config in configs}
        for config in configs:
            if config.url != "auto":
                engines.append(LocalEngine(config, embedded))
                continue
            for port in (port for port in ports if port not in named):
                found = replace(config, name=ports[port].lower().replace(" ", "-"))
                engines.append(LocalEngine(found, embedded, {port: ports[port]}, embeds=_never))
            if len(configs) == 1:  # who names another engine wants that one, though it may not answer yet
                others = tuple(engines)
                engines.append(LocalEngine(config, embedded, {}, embeds=partial(_found_none, others)))
        self.engines = tuple(engines)

    async def run(self, tasks: asyncio.TaskGroup, seen: Callable[[], None]) -> None:
        """Watch them all until cancelled; `seen` is called after every look that found an engine, or found a change."""
        async with asyncio.TaskGroup() as watching:
            for engine in self.engines:
                watching.create_task(engine.run(tasks, _News(engine, seen)), name=f"engine {engine.name}")

    async def stop(self) -> None:
        """End what we started, and close the connections that are kept."""
        for engine in self.engines:
            await engine.stop()


def check_all(configs: Sequence[EngineConfig]) -> None:
    """Raises EngineAddressError for an engine that cannot be, and for two of one name or address."""
    if len(configs) == 1:
        check(configs[0])
        return
    known: dict[str, int] = {}
    for number, config in enumerate(configs):
        try:
            shown = check(config) or config.url
        except EngineAddressError as error:
            raise EngineAddressError(str(error).replace("engine.", f"engines[{number}].")) from None
        for what in {shown, config.name} - {""}:
            if what in known:
                raise EngineAddressError(
                    f"engines[{known[what]}] and engines[{number}] are both `{what}`: an engine is named once, and has "
                    "a name of its own"
                )
            known[what] = number
        if config.url == "none":
            raise EngineAddressError(f"engines[{number}].url is `none`, among others: remove it, or the others")


class _News:
    """Passes looks at one engine on, but not that a port on which nobody listened is still such a port."""

    def __init__(self, engine: LocalEngine, seen: Callable[[], None]) -> None:
        self._engine, self._seen = engine, seen
        self._last: tuple[object, ...] = ()

    def __call__(self) -> None:
        now = (self._engine.is_there, self._engine.not_adopted, self._engine.state.problem)
        if self._engine.is_there or now != self._last:
            self._last = now
            self._seen()


def _never() -> bool:
    return False


def _port_here(config: EngineConfig) -> int:
    """The port of an engine that is named on this machine; 0 for any other."""
    parts = urlsplit(check(config))
    return parts.port or 0 if parts.hostname and place_of(parts.hostname) == "here" else 0


def _found_none(others: Sequence[LocalEngine]) -> bool:
    """Whether all others were looked for, and none was found."""
    return all(engine.has_looked and not engine.is_there for engine in others)
