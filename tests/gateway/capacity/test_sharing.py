"""Whether others may use this machine now, by made-up clocks and batteries."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.capacity.hours import HoursError
from gateway.capacity.rules import USED_S, Activity, AdmissionConfig
from gateway.capacity.sharing import FRESH_S, Sharing

NIGHTS = AdmissionConfig(hours=("mon-fri 18:00-08:00",))
MONDAY_NOON = 1_764_590_400.0  # 2025-12-01 12:00 UTC


NOTHING = Activity()


@dataclass
class Machine:
    """Its clocks and its battery; time passes for both clocks together."""

    wall: float = MONDAY_NOON
    is_on_battery: bool = False
    activity: Activity = NOTHING
    read: list[float] = field(default_factory=list)

    def sharing(self, config: AdmissionConfig = AdmissionConfig(), file: Path | None = None) -> Sharing:  # noqa: B008
        def battery() -> bool:
            self.read.append(self.wall)
            return self.is_on_battery

        clock = lambda: self.wall  # noqa: E731
        return Sharing(
            config, file, on_battery=battery, activity=lambda: self.activity,
            clock=clock, wall_clock=clock, local=time.gmtime,
        )  # fmt: skip


def test_a_pause_ends_by_itself_or_is_ended() -> None:
    machine = Machine()
    sharing = machine.sharing()

    sharing.pause(600)
    said = sharing.why()
    machine.wall += 601
    after = sharing.why()
    sharing.pause(None)
    machine.wall += 10**9
    ever = sharing.why()
    sharing.resume()

    assert ("you paused it for 10 min more: run ppai resume", "") == (said, after)
    assert ("you paused it: run ppai resume", "") == (ever, sharing.why())


@pytest.mark.parametrize("seconds", [3600.0, None])
def test_a_pause_outlives_the_peer_and_a_resume_does_too(tmp_path: Path, seconds: float | None) -> None:
    machine, file = Machine(), tmp_path / "paused.json"

    machine.sharing(file=file).pause(seconds)
    again = machine.sharing(file=file)
    paused = again.why()
    again.resume()

    assert paused.startswith("you paused it")
    assert not file.exists()
    assert "" == machine.sharing(file=file).why()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"until": "soon"}'])
def test_a_pause_that_cannot_be_read_is_one(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "paused.json"
    file.write_bytes(content)

    assert Machine().sharing(file=file).why().startswith("you paused it")
    assert "ppai resume" in caplog.text


def test_others_may_within_the_hours() -> None:
    machine = Machine()
    sharing = machine.sharing(NIGHTS)

    noon = sharing.why()
    machine.wall += 6 * 3600

    assert ("others may use it at mon-fri 18:00-08:00 (admission.hours)", "") == (noon, sharing.why())


@pytest.mark.parametrize(("may", "why"), [(False, "it runs on its battery (admission.on_battery)"), (True, "")])
def test_on_its_battery_others_get_nothing_unless_they_may(may: bool, why: str) -> None:
    machine = Machine(is_on_battery=True)

    assert why == machine.sharing(AdmissionConfig(on_battery=may)).why()


def test_a_drain_goes_before_all_else_until_it_is_taken_back() -> None:
    machine = Machine(is_on_battery=True)
    sharing = machine.sharing()

    sharing.drain()
    draining = sharing.is_draining, sharing.why()
    sharing.resume()

    assert (True, "it ends once the jobs of others have (ppai drain)") == draining
    assert (False, "it runs on its battery (admission.on_battery)") == (sharing.is_draining, sharing.why())


USED, GAME, BUSY = Activity(used_s=USED_S - 1), Activity(is_full_screen=True), Activity(is_gpu_busy=True)


@pytest.mark.parametrize(
    ("activity", "config", "why"),
    [
        (USED, AdmissionConfig(), ""),
        (USED, AdmissionConfig(while_used=False), "somebody uses keyboard or mouse (admission.while_used)"),
        (Activity(used_s=USED_S), AdmissionConfig(while_used=False), ""),
        (GAME, AdmissionConfig(), "a program has the whole screen (admission.while_full_screen)"),
        (GAME, AdmissionConfig(while_full_screen=True), ""),
        (BUSY, AdmissionConfig(), "its graphics card is busy with other work (admission.while_gpu_busy)"),
        (BUSY, AdmissionConfig(while_gpu_busy=True), ""),
        (Activity(), AdmissionConfig(while_used=False), ""),
    ],
)
def test_while_somebody_uses_the_machine_others_get_what_he_lets_them(
    activity: Activity, config: AdmissionConfig, why: str
) -> None:
    """And at once, when he begins: it is not waited until what was read is old."""
    machine = Machine()
    sharing = machine.sharing(config)
    before = sharing.why()
    machine.activity = activity
    kept = sharing.why()
    sharing.look_again()

    assert ("", "", why) == (before, kept, sharing.why())


def test_a_battery_is_read_now_and_then_however_often_is_asked() -> None:
    """But a change is seen within a second."""
    machine = Machine()
    sharing = machine.sharing()

    before = [sharing.why() for _ in range(1000)]
    machine.is_on_battery = True
    machine.wall += FRESH_S

    assert ({""}, 1) == (set(before), len(machine.read))
    assert sharing.why()
    assert FRESH_S <= 1


def test_hours_that_cannot_be_read_are_told_at_the_start() -> None:
    with pytest.raises(HoursError, match="`nights`"):
        Machine().sharing(AdmissionConfig(hours=("nights",)))
