"""Before an agent is shared, its owner sees which of his questions would come to it, and that others would not."""

from collections.abc import Sequence

from gateway.measuring.owned.coming import OTHERS, coming
from profiler.question import Question

QUESTIONS = [Question(f"Room {n}?", "own questions", f"C{n}", "contains") for n in range(16)]


async def rooms(topics: Sequence[str], texts: Sequence[str]) -> Sequence[float]:
    """Whatever names a room but the third comes, and one of the others."""
    return [float(("Room" in text and "3?" not in text) or text == texts[-1]) for text in texts]


async def test_what_would_not_come_and_what_would_stray_is_named() -> None:
    found = await coming(("Rooms",), QUESTIONS, rooms)

    assert found is not None
    assert (16, OTHERS) == (len(found.own), len(found.others))
    assert ("Room 3?", "Room 13?") == found.missed
    assert (found.others[-1][0],) == found.strays


async def test_others_are_of_all_kinds_and_always_the_same() -> None:
    found = [await coming(("Rooms",), QUESTIONS, rooms) for _ in range(2)]

    assert found[0] == found[1] and found[0] is not None
    assert OTHERS == len({text for text, _ in found[0].others})


async def test_without_an_encoder_nothing_is_claimed() -> None:
    async def none(topics: Sequence[str], texts: Sequence[str]) -> None:
        return None

    assert await coming(("Rooms",), QUESTIONS, none) is None
