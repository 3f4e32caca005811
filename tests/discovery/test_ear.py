"""An ear tells who was heard, by a clock that it is given; with real multicast in test_mdns.py."""

from discovery.ear import HEARD_LIMIT, SERVICE, SETTLING_S, Ear, label_of
from tests.cluster import id_of


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_an_ear_knows_nothing_until_it_has_listened_for_a_while() -> None:
    clock = Clock()
    ear = Ear(clock)
    ear.heard([f"{label_of(id_of(2))}.{SERVICE}"])
    assert await ear.hears(id_of(2), 0.0, 0.0) is None

    ear.open(lambda: None)
    assert await ear.hears(id_of(2), 0.0, 0.0) is None
    clock.now = SETTLING_S + 1
    ear.heard([f"{label_of(id_of(2))}.{SERVICE}", "printer._ipp._tcp.local."])

    assert await ear.hears(id_of(2), SETTLING_S, 0.0) is True
    assert await ear.hears(id_of(3), SETTLING_S, 0.0) is False
    ear.close()
    assert await ear.hears(id_of(2), SETTLING_S, 0.0) is None


async def test_the_peers_heard_last_are_remembered() -> None:
    clock = Clock()
    ear = Ear(clock)
    ear.open(lambda: None)
    clock.now = SETTLING_S

    for number in range(HEARD_LIMIT + 1):
        ear.heard([f"{label_of(id_of(number))}.{SERVICE}"])

    assert await ear.hears(id_of(HEARD_LIMIT), SETTLING_S, 0.0) is True
    assert await ear.hears(id_of(0), SETTLING_S, 0.0) is False


def test_an_ear_announces_only_while_somebody_listens_for_it() -> None:
    said = list[str]()
    ear = Ear(Clock())

    ear.announce()
    ear.open(lambda: said.append("here"))
    ear.announce()
    ear.close()
    ear.announce()

    assert ["here"] == said
