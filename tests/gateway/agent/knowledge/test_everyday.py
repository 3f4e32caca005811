"""Everyday questions come from the gate, of all its subjects."""

from gateway.agent.knowledge.everyday import ASKED, everyday


def test_they_are_of_many_subjects_and_the_same_each_time() -> None:
    found = everyday()

    assert ASKED == len(set(found)) == len(found)
    assert found == everyday()
