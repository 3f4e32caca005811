"""When silence becomes suspicion and suspicion death."""

import random

import pytest

from discovery.detector import DetectorConfig, FailureDetector
from discovery.members import Entry
from tests.cluster import card_of, id_of, pulse_of, signed


def entries(count: int, *, heard_at: float = 0.0, state: str = "alive") -> list[Entry]:
    made = [Entry(signed(card_of(id_of(n))), 0.0, heard_at) for n in range(count)]
    for entry in made:
        entry.state = state  # type: ignore[assignment]
    return made


def verdicts(detector: FailureDetector, live: list[Entry], now: float) -> list[str]:
    """The states given at `now`, taken up by the entries."""
    judged = detector.judge(live, 0, now)
    for verdict in judged:
        verdict.entry.state = verdict.state
    return [verdict.state for verdict in judged]


@pytest.mark.parametrize(
    ("peers", "silent_s", "expected"),
    [
        (1, 5.9, []),
        (1, 6.1, ["suspect"]),
        (100, 5.9, []),
        (100, 6.3, ["suspect"]),
        (1000, 59.0, []),
        (1000, 61.0, ["suspect"]),
    ],
)
def test_three_missed_periods_make_a_suspect(peers: int, silent_s: float, expected: list[str]) -> None:
    """A period is 2 s, and N/50 s in networks above 100."""
    detector = FailureDetector(DetectorConfig())
    live = entries(peers, heard_at=silent_s)
    live[0].heard_at = 0.0

    assert expected == verdicts(detector, live, silent_s)


@pytest.mark.parametrize("far", [0, 20])
def test_that_it_looks_seldom_while_nobody_is_silent_changes_no_verdict(far: int) -> None:
    """Beside a detector that looks each time: peers that pulse, miss some, stop, and come."""
    rng, detector, live = random.Random(far), FailureDetector(DetectorConfig()), entries(20)
    for entry in live[:far]:
        entry.far = True
    looks, times = 0, 1000
    for step in range(times):
        now = step * 0.6
        if step % 100 == 99:
            live.append(entries(1, heard_at=now)[0])
        for entry in live:
            is_quiet = entry is live[-1] and step % 100 in {99, *range(20)}
            if rng.random() < (0.0 if is_quiet else 0.5):
                entry.heard_at = max(entry.heard_at, now - rng.random())
        looks += now >= detector._silent_at

        expected = FailureDetector(DetectorConfig()).judge(live, 0, now, far)
        assert expected == detector.judge(live, 0, now, far)
    assert looks < times / 3


def test_nobody_dies_without_having_been_probed() -> None:
    detector, live = FailureDetector(DetectorConfig()), entries(1)
    assert ["suspect"] == verdicts(detector, live, 20.0)

    rounds = 0
    while live[0].state == "suspect":
        rounds += len(detector.probes_due(live, 20.0 + rounds))
        verdicts(detector, live, 20.5 + rounds)

    assert ("dead", DetectorConfig().dead_probes) == (live[0].state, rounds)


def test_a_peer_may_pulse_more_slowly_but_not_much() -> None:
    """Its own interval counts, up to a minute: a claim of hours would keep a corpse in the list."""
    detector = FailureDetector(DetectorConfig())
    slow, liar = live = entries(2)
    slow.period_s, liar.period_s = 10.0, 10_000.0

    assert [] == verdicts(detector, live, 29.0)
    assert ["suspect"] == verdicts(detector, live, 31.0)
    assert "suspect" == slow.state
    assert ["suspect"] == verdicts(detector, [liar], 181.0)


def test_sleep_is_nobodys_silence() -> None:
    detector, live = FailureDetector(DetectorConfig()), entries(3)
    detector.notice_sleep(0.0)
    detector.notice_sleep(3600.0)

    assert [] == verdicts(detector, live, 3600.0)
    assert 1.5 == detector.awake(3600.0)


def test_half_the_world_is_held_back_for_half_a_minute() -> None:
    detector = FailureDetector(DetectorConfig())
    live = entries(9)
    for now in range(60):
        for entry in live[3:]:
            entry.heard_at = float(now)
        detector.probes_due([e for e in live if e.state == "suspect"], float(now))
        verdicts(detector, [e for e in live if e.state != "dead"], float(now))
        if now == 30:
            assert ["suspect"] * 3 == [entry.state for entry in live[:3]]

    assert ["dead"] * 3 + ["alive"] * 6 == [entry.state for entry in live]


def test_a_suspect_that_pulses_is_probed_ever_more_rarely() -> None:
    """We cannot reach it, others can: one look in half a minute is enough."""
    detector, (entry,) = FailureDetector(DetectorConfig(probe_interval_s=1.0)), entries(1, state="suspect")
    probed_at = []
    for now in range(200):
        entry.heard_at = float(now)
        probed_at += [now] * len(detector.probes_due([entry], float(now)))

    assert [0, 1, 3, 7, 15, 31, 61, 91, 121, 151, 181] == probed_at


def test_probes_are_bounded_and_all_get_their_turn() -> None:
    detector, live = FailureDetector(DetectorConfig()), entries(100, state="suspect")

    rounds = [detector.probes_due(live, now / 10) for now in range(7)]

    assert 16 == max(len(due) for due in rounds)
    assert 100 == len({entry.id for due in rounds for entry in due})


def test_a_period_is_the_owners_own_interval() -> None:
    (entry,) = entries(1)
    for seq, t_ms in ((1, 0), (2, 2000), (4, 8000)):
        record = pulse_of(entry.id, seq=seq, t_ms=t_ms)
        entry.take_pulse(signed(record), record, 0.0)

    assert 3.0 == entry.period_s
