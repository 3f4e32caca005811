"""The road to a peer at one address: all that each request there would else find out anew, and how many go at once."""

from typing import NamedTuple
from weakref import WeakValueDictionary

from discovery.connections import Connections
from discovery.records import Address
from discovery.request_auth import Audience
from discovery.room import Room


class Places:
    """How many connections we may have to one address, of all that we may have."""

    def __init__(self, each: int, opening: int, of_all: Room) -> None:
        """`each`: to this address; `opening`: of those, as long as no answer has begun there.

        `of_all`: the places of all addresses together.
        """
        self.opening = Room(opening)
        self._running, self._of_all = Room(each), of_all

    def take(self) -> bool:
        """Whether there is a place at once, which is taken then."""
        if self._of_all.take():
            if self._running.take():
                return True
            self._of_all.leave()
        return False

    async def enter(self) -> None:
        """Take a place, and wait for it where there is none."""
        await self._of_all.enter()
        try:
            await self._running.enter()
        except BaseException:
            self._of_all.leave()
            raise

    def leave(self) -> None:
        """Give the place back."""
        self._running.leave()
        self._of_all.leave()


class PlacesOf:
    """The places of each address, for as long as somebody has a road there, or is on it."""

    def __init__(self, of_all: int, each: int, opening: int) -> None:
        """`of_all`: connections to all addresses together; the others: see Places."""
        self._of_all, self._each, self._opening = Room(of_all), each, opening
        self._places = WeakValueDictionary[Address, Places]()

    def at(self, address: Address) -> Places:
        places = self._places.get(address)
        if places is None:
            places = self._places[address] = Places(self._each, self._opening, self._of_all)
        return places


class Road(NamedTuple):
    """See the module.

    `audience`: to whom requests are signed there; None: to nobody yet, as a hello. `came_of`: what it follows from, by
    which whoever keeps it sees whether it still holds.
    """

    peer: str
    address: Address
    audience: Audience | None
    way: Connections
    places: Places
    came_of: tuple[object, ...] = ()
