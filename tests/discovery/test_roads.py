"""How many connections we may have to one address, of all that we may have."""

import asyncio
import gc

from discovery.records import Address
from discovery.roads import PlacesOf

HERE, THERE = Address("127.0.0.1", 1), Address("127.0.0.1", 2)


async def test_who_finds_no_place_at_an_address_keeps_nobody_from_another() -> None:
    of_all = PlacesOf(of_all=3, each=2, opening=1)
    here, there = of_all.at(HERE), of_all.at(THERE)

    assert [True, True, False] == [here.take() for _ in range(3)]
    assert there.take()
    assert not there.take()  # of all


async def test_who_waits_gets_the_place_that_is_given_back_and_who_gives_up_takes_none() -> None:
    places = PlacesOf(of_all=2, each=1, opening=1).at(HERE)
    assert places.take()
    waiting, leaving = asyncio.create_task(places.enter()), asyncio.create_task(places.enter())
    await asyncio.sleep(0)

    leaving.cancel()
    await asyncio.wait([leaving])
    places.leave()
    await waiting

    assert not places.take()
    places.leave()
    assert places.take()


def test_places_are_those_of_their_address_for_as_long_as_somebody_has_them() -> None:
    of_all = PlacesOf(of_all=2, each=1, opening=1)
    places = of_all.at(HERE)

    assert places is of_all.at(HERE)
    assert places is not of_all.at(THERE)
    del places
    gc.collect()
    assert 0 == len(of_all._places)
