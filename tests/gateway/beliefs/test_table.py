"""Beliefs side by side: rows, our own jobs, the lengths of answers, and what one reading expects."""

from dataclasses import replace

import pytest
from msgspec import structs

from discovery.records import EngineCounts, PeerId
from gateway.beliefs.belief import FRESH_S, TAUGHT
from gateway.beliefs.columns import FEW
from gateway.beliefs.jobs import Outcome
from gateway.beliefs.table import Beliefs, peer_of
from tests.gateway.beliefs.one_peer import CONFIG, PEER, QUIET, answered, beliefs, expected, pulses, reservation


def test_ten_own_jobs_inside_a_pulse_are_counted_once() -> None:
    table = beliefs()
    for k in range(10):
        table.reserve(reservation(at=0.1 * k))

    before = expected(table, 1.0, "backlog") - expected(beliefs(), 1.0, "backlog")
    table.observe_pulse(replace(QUIET, running=1, waiting=9), birth=1.0)
    inside = expected(table, 1.0, "backlog")
    table.reserve(reservation(at=1.5))

    assert (10, 10, 11) == (
        pytest.approx(before),
        pytest.approx(inside),
        pytest.approx(expected(table, 1.0, "backlog")),
    )


def test_an_own_job_that_ended_is_no_longer_counted() -> None:
    table = beliefs()
    table.observe_load(PEER, 0, 1, "open", birth=0.0)
    job = reservation(at=0.5)
    table.reserve(job)

    before = expected(table, 0.0, "backlog")
    table.observe_outcome(job, Outcome(PEER, "cancelled", None, 0.1, 0), 0.6)

    assert (1.0, 0.0) == (before, expected(table, 0.0, "backlog"))


def test_no_peer_is_believed_to_have_fewer_jobs_than_it_owes_us() -> None:
    """Whatever its pulses say, later ones too: a job of ours that it has not answered is there."""
    table = beliefs()
    for _ in range(5):
        table.reserve(reservation())
    table.observe_pulse(replace(QUIET, running=0, waiting=0), 10.0)

    assert 5.0 == expected(table, 10.0, "backlog")


def test_while_a_job_of_ours_is_late_others_have_all_slots() -> None:
    """Whatever its pulses say: it would have begun else. With two late ones the second waits for the first, too.

    The longer the first is late the longer the line must be that it stands in: a turn for each turn.
    """
    table = beliefs(slots=4)
    first, second = reservation(at=6.0, wait_s=4.0), reservation(at=10.0)
    for job in (first, second):
        table.reserve(job)
    table.observe_pulse(replace(QUIET, slots=4), 10.0)
    found = [expected(table, 10.0, "backlog")]

    for job, is_late in ((first, True), (second, True), (first, False), (second, False)):
        table.observe_late(job, is_late)
        table.observe_late(job, is_late)
        found.append(expected(table, 10.0, "backlog"))

    assert [2.0, 4.0, 5.0, 4.0, 2.0] == found
    table.observe_late(first, True)
    turn_s = expected(table, 11.0, "mean_service_s") / 4
    assert 4.0 + 3.0 / turn_s == pytest.approx(expected(table, 13.0, "backlog"))


def test_a_late_job_that_is_answered_or_left_is_late_no_more() -> None:
    table = beliefs(slots=4)
    job = reservation()
    table.observe_late(job, True)  # it was never sent
    table.reserve(job)
    table.observe_late(job, True)

    table.observe_outcome(job, Outcome(PEER, "cancelled", None, 3.0, 0), 3.0)
    table.observe_late(job, True)

    assert [] == table[PEER].late
    assert 4.0 > expected(table, 3.0, "backlog")


def test_a_second_outcome_of_one_job_changes_nothing() -> None:
    table = beliefs()
    job = reservation()
    table.reserve(job)
    outcome = Outcome(PEER, "failed", None, 1.0, 0)
    table.observe_outcome(job, outcome, 0.0)
    once = expected(table, 0.0, "wait_factor")
    table.observe_outcome(job, outcome, 0.0)

    assert once == expected(table, 0.0, "wait_factor")


def test_of_many_answers_within_a_moment_the_first_teach_and_all_give_their_slot_back() -> None:
    """An engine that answers a thousand times a second is known as well from the first few of each moment."""
    table, whole = beliefs(), beliefs()
    for number in range(3 * TAUGHT):
        answered(table, ttft_s=0.5, now=0.9 * FRESH_S * number / (3 * TAUGHT), tokens=50, decode_s=3.0)
    for number in range(TAUGHT):
        answered(whole, ttft_s=0.5, now=0.9 * FRESH_S * number / (3 * TAUGHT), tokens=50, decode_s=3.0)

    learnt = (whole.output_tokens("chat", None), whole[PEER].row())
    assert learnt == (table.output_tokens("chat", None), table[PEER].row())
    answered(table, ttft_s=0.5, now=FRESH_S, tokens=50, decode_s=3.0)
    assert learnt[0] > table.output_tokens("chat", None)


def test_what_lets_us_down_teaches_however_many_answers_come_and_so_does_the_answer_after_it() -> None:
    table = beliefs()
    for _ in range(3 * TAUGHT):
        answered(table, ttft_s=0.5, tokens=50, decode_s=3.0)
    waits_s, lengths = [expected(table, 0.0, "wait_factor")], [table.output_tokens("chat", None)]

    for status in ("failed", "ok", "refused", "ok"):
        answered(table, ttft_s=0.5, status=status, tokens=50, decode_s=3.0)
        waits_s.append(expected(table, 0.0, "wait_factor"))
        lengths.append(table.output_tokens("chat", None))

    assert waits_s[0] < waits_s[1] > waits_s[2]
    assert lengths[0] == lengths[1] > lengths[2] == lengths[3] > lengths[4]
    assert (0, "soft") == (table[PEER].failures, table[PEER].admission)


def test_news_of_a_forgotten_peer_is_ignored() -> None:
    table = beliefs()
    job = reservation()
    table.reserve(job)
    table.forget(PEER)

    table.observe_pulse(QUIET, 0.0)
    table.observe_load(PEER, 1, 1, "open", 0.0)
    table.observe_rtt(PEER, 0.1)
    table.observe_outcome(job, Outcome(PEER, "ok", 0.1, 0.2, 5), 1.0)

    assert PEER not in table


def test_a_forgotten_row_is_reused_and_others_stay() -> None:
    table = Beliefs(CONFIG)
    ids = [PeerId(f"{k:052d}") for k in range(40)]
    rows = [table.add(peer, slots=k + 1) for k, peer in enumerate(ids)]
    table.forget(ids[7])
    new = table.add(PEER, slots=99)

    slots = table.expect(table.rows([*ids[:7], *ids[8:], PEER]), 0.0).slots

    assert (rows[7], len(set(rows))) == (new, 40)
    assert [*range(1, 8), *range(9, 41), 99] == slots.tolist()


def test_answer_length_is_a_moving_average_per_category_within_the_limit() -> None:
    table = beliefs()
    for at in range(200):
        answered(table, ttft_s=0.1, now=float(at), tokens=50, decode_s=1.0)

    assert 50 == pytest.approx(table.output_tokens("chat", None), rel=0.01)
    assert 10 == table.output_tokens("chat", 10)
    assert CONFIG.prior_output_tokens == table.output_tokens("code", None)


def test_one_answer_moves_what_is_expected_of_its_category_by_half_at_most() -> None:
    """However long it was, or its peer says that it was."""
    table = beliefs()
    answered(table, ttft_s=0.1, tokens=2**31, decode_s=1.0)

    assert CONFIG.prior_output_tokens < table.output_tokens("chat", None) < 1.5 * CONFIG.prior_output_tokens


def test_one_row_expects_what_it_expects_among_others() -> None:
    """A few candidates are reckoned with floats, many with arrays: the same formulas."""
    table, others = beliefs(), [PeerId(f"c{number}") for number in range(FEW)]
    for other in others:
        table.add(other, slots=8)
    for pulse, birth in pulses([(2.0, 6, 5, 1.5)] * 5):
        table.observe_pulse(replace(pulse, running=1, waiting=3), birth)
    table.reserve(reservation(at=9.0))

    alone, among = table.expect(table.rows([PEER]), 17.0), table.expect(table.rows([*others, PEER]), 17.0)

    assert [float(column[0]) for column in alone] == pytest.approx([float(column[-1]) for column in among], rel=1e-12)


def test_every_column_is_read_under_the_name_that_it_was_written_with() -> None:
    """What a peer and its config say plainly comes out of the table as it went in."""
    table = beliefs(slots=3)
    table.observe_load(PEER, 2, 3, "soft", birth=5.0)
    rates, at_birth = table[PEER].speed.rates(), table.expect(table.rows([PEER]), 5.0)

    assert (3.0, 2.0, 1.0, 0.0) == tuple(
        float(column[0]) for column in (at_birth.slots, at_birth.backlog, at_birth.admission, at_birth.age_s)
    )
    assert (*rates, CONFIG.prior_rtt_s) == tuple(
        float(column[0]) for column in (at_birth.prefill_s, at_birth.step_s, at_birth.stream_s, at_birth.rtt_s)
    )


def test_each_engine_of_a_peer_has_a_belief_of_its_own() -> None:
    """One engine is full, the other idle: the peer as a whole is neither."""
    table = beliefs()
    first, second = table.add_engine(PEER, 0, 1), table.add_engine(PEER, 1, 1)
    told = replace(
        QUIET, running=3, waiting=4, slots=6, engines=(EngineCounts(3, 4, 2, 7, 0, 0), EngineCounts(0, 0, 4, 0, 0, 0))
    )

    table.observe_pulse(told, birth=1.0)
    table.reserve(structs.replace(reservation(at=1.5), queue=second))

    jobs = [
        (table[queue].doing.jobs, table[queue].doing.slots, len(table[queue].reservations))
        for queue in (PEER, first, second)
    ]
    assert [(7, 6, 0), (7, 2, 0), (0, 4, 1)] == jobs
    assert [PEER, PEER] == [peer_of(first), peer_of(second)]


def test_the_engines_of_a_peer_go_with_it() -> None:
    table = beliefs()
    queue = table.add_engine(PEER, 0, 1)

    table.keep([PEER])
    assert queue in table
    table.forget(PEER)

    assert (False, False) == (queue in table, PEER in table)
    table.add(PEER, 1)
    table.observe_pulse(
        replace(QUIET, engines=(EngineCounts(1, 0, 1, 0, 0, 0),)), birth=1.0
    )  # nobody is left to hear it


def test_a_probe_tells_each_engine_its_load_and_a_closed_door_closes_all() -> None:
    table = beliefs()
    first, second = table.add_engine(PEER, 0, 1), table.add_engine(PEER, 1, 1)

    table.observe_load(PEER, 5, 6, "open", 1.0, [(5, 2)])
    assert [(5, 2), (0, 1)] == [(table[queue].doing.jobs, table[queue].doing.slots) for queue in (first, second)]

    table.observe_closed(PEER, 2.0)
    assert ["closed"] * 3 == [table[queue].admission for queue in (PEER, first, second)]


def test_an_engine_s_speed_is_read_off_its_share_of_the_jobs_and_tokens() -> None:
    """Two engines, the second four times as slow: after some pulses both are believed about as fast as they are."""
    table = beliefs()
    fast, slow = table.add_engine(PEER, 0, 1), table.add_engine(PEER, 1, 1)
    for n in range(60):
        one, two = EngineCounts(1, 0, 1, 4 * n, 4 * n, 1000 * n), EngineCounts(1, 0, 1, n, n, 1000 * n)
        whole = replace(
            QUIET, seq=n + 1, running=2, slots=2, arrivals=5 * n, completions=5 * n, busy_ms=2000 * n, t_ms=1000 * n,
            tokens_in=0, tokens_out=5 * 100 * n, engines=(one, two),
        )  # fmt: skip
        table.observe_pulse(whole, birth=float(n))

    steps = [table[queue].speed.rates().step_s + table[queue].speed.rates().stream_s for queue in (fast, slow)]
    assert 0.0025 == pytest.approx(steps[0], rel=0.3)
    assert 0.01 == pytest.approx(steps[1], rel=0.3)
