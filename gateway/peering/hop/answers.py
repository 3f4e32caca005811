"""What another peer is answered at once, by the path of its request: all but a delegation, which takes an engine.

Knows nothing of who may ask what: listener.py has seen to it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from discovery.contacts import SYNC_PATH
from discovery.records import PeerId
from discovery.request_auth import Refused
from discovery.transport import Transport
from gateway.capacity.doors import Doors
from gateway.peering.enquiries import AGENTS_PATH
from gateway.peering.given import Given
from gateway.peering.probes import PROBE_PATH, encode_load
from gateway.peering.reach.looks import LOOK_PATH, LooksForOthers
from gateway.peering.reach.punch.punching import PUNCH_PATH, Punching
from gateway.peering.reach.relay import REACH_PATH, Relay
from gateway.peering.settling import TAB_PATH, Settling


@dataclass(frozen=True, slots=True)
class Question:
    """What a peer asks, and where it comes from. `port`: 0 where a relay is between."""

    peer: PeerId
    ip: str
    port: int
    body: bytes


class Answers:
    """The answers of this peer."""

    def __init__(
        self,
        transport: Transport,
        doors: Doors,
        given: Callable[[PeerId], Given],
        details: Callable[[PeerId], bytes],
        settling: Settling,
        looks: LooksForOthers,
        relay: Relay | None,
        punching: Punching | None,
    ) -> None:
        """`given(peer)`: what of our agents this peer may have; `details(peer)`: what we tell it of them.

        `looks` dials back who asks for it. `relay` puts others through, `punching` lets them reach us through our NAT;
        None where this peer does not.
        """
        self._transport, self._doors, self._given, self._details = transport, doors, given, details
        self._settling, self._looks, self._relay, self._punching = settling, looks, relay, punching
        self._by_path: Mapping[str, Callable[[Question], Awaitable[bytes]]] = {
            SYNC_PATH: self._sync,
            PROBE_PATH: self._load,
            AGENTS_PATH: self._agents,
            TAB_PATH: self._tab,
            LOOK_PATH: self._look,
            REACH_PATH: self._reach,
            PUNCH_PATH: self._punch,
        }

    async def to(self, path: str, question: Question) -> bytes:
        """The body of the answer. Raises Refused."""
        return await self._by_path[path](question)

    async def _sync(self, question: Question) -> bytes:
        return self._transport.handle_sync(question.peer, question.body, question.ip)

    async def _load(self, question: Question) -> bytes:
        doors = self._doors
        cold, kept = self._given(question.peer).cold(doors)
        return encode_load(doors.load, doors.admission, cold, doors.loads, kept)

    async def _agents(self, question: Question) -> bytes:
        return self._details(question.peer)

    async def _tab(self, question: Question) -> bytes:
        return self._settling.answer(question.peer, question.body)

    async def _look(self, question: Question) -> bytes:
        if not question.port:  # a relay says where it comes from
            raise Refused(409, "relayed", "who asks through a relay is not dialled back")
        return await self._looks.answer(question.peer, question.ip, question.port, question.body)

    async def _reach(self, question: Question) -> bytes:
        if self._relay is None:
            raise Refused(409, "no_relay", "this peer is no relay: its owner sets `relay.serve`")
        return self._relay.admit(question.peer, question.body)

    async def _punch(self, question: Question) -> bytes:
        if self._punching is None:
            raise Refused(409, "no_punch", "this peer has no relay, or not the extra: pip install 'ppai[punch]'")
        return self._punching.answer(question.peer, question.ip, question.body)
