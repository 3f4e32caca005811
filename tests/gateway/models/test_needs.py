"""What none of some models can do, and only that."""

import pytest

from gateway.models.needs import NobodyTakes, TooLong, unmet

TEXT, IMAGE, AUDIO = frozenset({"text"}), frozenset({"text", "image"}), frozenset({"text", "audio"})


def test_one_model_that_takes_all_is_enough() -> None:
    assert unmet(IMAGE, 100, [TEXT, IMAGE], [0, 0]) is None


def test_a_need_that_no_model_meets_is_named() -> None:
    assert NobodyTakes(frozenset({"audio"})) == unmet(IMAGE | AUDIO, 100, [TEXT, IMAGE], [0, 0])


def test_needs_that_no_model_meets_together_are_named_together() -> None:
    needs = frozenset({"image", "audio"})

    assert NobodyTakes(needs) == unmet(needs, 100, [IMAGE, AUDIO], [0, 0])


@pytest.mark.parametrize(
    ("contexts", "found"),
    [
        ([2048, 4096], TooLong(4500, 4096)),
        ([2048, 4500], None),  # the estimate errs by a factor of two at most
        ([2048, 0], None),  # an unknown context may be large
    ],
)
def test_a_prompt_is_too_long_where_it_fits_no_context_at_half_its_estimate(
    contexts: list[int], found: TooLong | None
) -> None:
    assert found == unmet(TEXT, 9000, [TEXT, TEXT], contexts)


def test_the_context_of_a_model_that_lacks_another_need_does_not_count() -> None:
    assert TooLong(4500, 4096) == unmet(IMAGE, 9000, [TEXT, IMAGE], [0, 4096])


def test_without_a_model_nothing_is_unmet() -> None:
    assert unmet(IMAGE, 9000, [], []) is None
