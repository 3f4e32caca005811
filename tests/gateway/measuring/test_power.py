"""On battery, plugged in, without one, and where the system does not say."""

from types import SimpleNamespace

import pytest

from gateway.measuring.power import is_on_battery


@pytest.mark.parametrize(
    ("battery", "expected"),
    [
        (None, False),
        (SimpleNamespace(power_plugged=True), False),
        (SimpleNamespace(power_plugged=False), True),
        (SimpleNamespace(power_plugged=None), True),
    ],
)
def test_a_battery_counts_as_used_unless_it_is_plugged_in(battery: object, expected: bool) -> None:
    assert expected == is_on_battery(lambda: battery)


def test_this_machine_says_something() -> None:
    assert is_on_battery() in (True, False)
