"""Formulas are written once: a float and an array of that float give the same."""

import inspect
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.beliefs import numbers, queueing
from gateway.beliefs.numbers import exponential, greater, is_any, lesser, root
from gateway.routing import cost

FORMULAS = [
    *(queueing.jobs_ahead, queueing.streams, queueing.turn, queueing.wait, queueing.carried, queueing.backlog_spread),
    queueing.doubt,
    *(cost.service, cost.transit, cost.risk, cost.crowding, cost.cost_of_delegation),
    *(greater, lesser, lambda number: root(number), lambda number: exponential(-number)),
]
ABOVE = {"slots": (1.0, 256.0), "shape": (2.5, 1e3), "mean_service_s": (1e-4, 1e3)}


@pytest.mark.parametrize("formula", FORMULAS)
def test_floats_and_arrays_alike(formula: Callable[..., object]) -> None:
    bounds = [ABOVE.get(name, (0.0, 1e4)) for name in inspect.signature(formula).parameters]

    @settings(max_examples=25)
    @given(st.tuples(*(st.floats(*bound) for bound in bounds)))
    def alike(given: tuple[float, ...]) -> None:
        one = formula(*given)

        many = formula(*(np.array([number] * 3) for number in given))

        assert isinstance(one, float)
        assert [one] * 3 == pytest.approx(np.asarray(many).tolist(), rel=1e-12, abs=1e-12)

    alike()


def test_what_never_was_is_infinitely_long_ago() -> None:
    assert 0.0 == exponential(-np.inf) == numbers.exponential(float("-inf"))


@pytest.mark.parametrize(("numbers", "found"), [([0.0, 0.0], False), ([0.0, 1.0], True)])
def test_any_is_any_of_them(numbers: list[float], found: bool) -> None:
    assert found is is_any(np.array(numbers)) is any(map(is_any, numbers))
