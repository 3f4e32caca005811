"""Which cards are passed on, and how often."""

import pytest

from discovery.rumours import Rumours
from tests.cluster import id_of


@pytest.mark.parametrize(("living", "times"), [(3, 4), (50, 8), (500, 12)])
def test_a_card_is_passed_on_more_often_where_there_are_more(living: int, times: int) -> None:
    rumours = Rumours(limit=2, factor=4)
    rumours.start(id_of(1), living)

    rumours.count(times - 1)
    assert [id_of(1)] == list(rumours)
    rumours.count(1)
    assert not rumours


def test_of_many_new_cards_some_are_passed_on() -> None:
    rumours = Rumours(limit=2, factor=4)

    for number in range(5):
        rumours.start(id_of(number), 10)

    assert [id_of(0), id_of(1)] == list(rumours)


def test_a_card_that_nobody_was_there_for_is_not_kept_for_ever() -> None:
    rumours = Rumours(limit=2, factor=1)
    rumours.start(id_of(1), 0)

    rumours.count(0)

    assert not rumours
