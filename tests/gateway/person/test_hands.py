"""How long nobody has touched keyboard and mouse, by what the systems' commands answer."""

import pytest

from gateway.person.hands import untouched_s

DESK = {"DISPLAY": ":0"}


@pytest.mark.parametrize(
    ("system", "environ", "answers", "seconds"),
    [
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, {"gdbus": "(uint64 61500,)\n"}, 61.5),
        ("linux", DESK, {"xprintidle": "2500\n"}, 2.5),
        ("linux", DESK, {"gdbus": "no such name", "xprintidle": "10"}, 0.01),
        ("linux", DESK, {}, None),
        ("linux", {}, {"xprintidle": "10"}, None),
        ("darwin", {}, {"ioreg": '  | |   "HIDIdleTime" = 3200000000\n'}, 3.2),
        ("darwin", {}, {"ioreg": "no keyboard"}, None),
    ],
)
def test_each_system_tells_it_in_its_own_way_or_not(
    system: str, environ: dict[str, str], answers: dict[str, str], seconds: float | None
) -> None:
    found = untouched_s(system, environ, lambda command, *args: answers.get(command))

    assert found == (None if seconds is None else pytest.approx(seconds))


def test_windows_is_not_asked_elsewhere() -> None:
    assert untouched_s("win32", {}, lambda *command: "9") is None
