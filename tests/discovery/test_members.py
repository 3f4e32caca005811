"""What is known of one peer: how old its newest pulse is, on our clock."""

import pytest

from discovery.members import CLOCK_JUMP_S, Entry
from discovery.records import Pulse
from tests.cluster import card_of, id_of, pulse_of, signed


def test_a_pulse_is_as_old_as_the_fastest_one_says() -> None:
    """Each of these was 2 s under way but the first: .1 s."""
    entry = Entry(signed(card_of(id_of(1))), 0.0, 0.0)
    for seq in range(1, 5):
        take(entry, pulse_of(entry.id, seq=seq, t_ms=1000 * seq), seq + (0.1 if seq == 1 else 2.0))

    assert 1.9 == pytest.approx(entry.age_s(6.0))


def test_a_clock_that_jumped_is_measured_anew_after_three_pulses() -> None:
    """The owner slept for a minute, so that its clock stands a minute behind."""
    entry = Entry(signed(card_of(id_of(1))), 0.0, 0.0)
    take(entry, pulse_of(entry.id, seq=1, t_ms=1000), 1.0)
    ages_s = []
    for seq in range(2, 5):
        take(entry, pulse_of(entry.id, seq=seq, t_ms=1000 * seq), seq + 60.0)
        ages_s.append(entry.age_s(seq + 60.0))

    assert 60.0 > CLOCK_JUMP_S
    assert [60.0, 60.0, 0.0] == pytest.approx(ages_s)


def take(entry: Entry, pulse: Pulse, now: float) -> None:
    entry.take_pulse(signed(pulse), pulse, now)
