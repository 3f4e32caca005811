"""What one other peer is given of our agents: which it may use, how much at once, and whether a model is loaded for it.

Decides none of it: `use` of a personal agent (agent/owned/consent.py), the owner's limits (capacity/limits.py), and the
engine's `load_for_others` do. What is refused is said in words that the asking peer's owner understands (frames.py).
"""

from collections.abc import Callable

from discovery.records import PeerId
from gateway.capacity.door import Turn
from gateway.capacity.doors import Doors, Served
from gateway.capacity.limits import Limits
from gateway.engines.engine_state import EngineModel
from gateway.peering.frames import LIMITED, NO_AGENT, NOT_GIVEN, NOT_LOADED
from gateway.upstream import UpstreamError

LIMITED_S = 1.0  # after which a peer may ask again that has all it may: it knows itself when one of its own has ended


class Given:
    """What one peer has."""

    def __init__(
        self,
        peer: PeerId,
        limits: Limits,
        may_use: Callable[[str, PeerId], bool] = lambda agent, peer: True,
    ) -> None:
        """`may_use(agent, peer)`: whether the peer may use the agent of this name; else it is not there for it."""
        self.peer, self._limits, self._may_use = peer, limits, may_use

    def agent_of(self, doors: Doors, agent: str) -> tuple[Served, EngineModel]:
        """Which of our engines answers for this agent, and its model.

        Raises UpstreamError, the same for one that is not there as for one that the peer may not use.
        """
        served = doors.of(agent, lambda one: self._answers(agent, one)) if self._may_use(agent, self.peer) else None
        if served is not None:
            state = served.door.engine.state
            for model in state.models:
                if model.name == served.model:
                    if not model.is_loaded and not self._answers(agent, served):
                        raise UpstreamError("its model is not loaded", status=404, code=NOT_LOADED)
                    return served, model
        raise UpstreamError("no such agent", status=404, code=NO_AGENT)

    def enters(self, served: Served, now: float) -> Turn | None:
        """A turn inside the engine, as `turn` gives it, where it need not wait; None: it has to ask for one."""
        return None if self._limits else served.door.enters(now, self.peer)

    async def turn(self, served: Served, agent: str) -> Turn:
        """A turn inside the engine, within what the peer may have at once: left by `with`. Raises UpstreamError."""
        said, gone = self._limits.take(self.peer, agent)
        if said == "none":
            raise UpstreamError("it may have nothing of it", status=403, code=NOT_GIVEN)
        if said == "all":
            raise UpstreamError("it has all that it may", status=429, code=LIMITED, retry_after_s=LIMITED_S)
        try:
            turn = await served.door.remote_turn(self.peer)
        except BaseException:
            gone()
            raise
        turn.gives_back = gone
        return turn

    def cold(self, doors: Doors) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of the agents that it may use and whose model is not loaded: those for which it is, and those where not."""
        cold, kept = list[str](), list[str]()
        for agent in doors.cold:
            if self._may_use(agent, self.peer):
                loads = self._limits.loads(self.peer, agent, doors.loads_for_others(agent))
                (cold if loads else kept).append(agent)
        return tuple(cold), tuple(kept)

    def _answers(self, agent: str, served: Served) -> bool:
        return not served.is_cold or self._limits.loads(self.peer, agent, served.door.loads_for_others)
