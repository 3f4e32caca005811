"""A loaded peer serves its owner first, and tells the others before they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capacity.rules import (
    AdmissionConfig,
    EngineLoad,
    Room,
    admission_state,
    calm_limit,
    may_start_remote,
    remote_slots,
    retry_after_s,
)

CONFIG = AdmissionConfig(reserve=1, queue_per_slot=2.0)


@pytest.mark.parametrize(
    ("load", "state"),
    [
        (EngineLoad(4, 0, 0, 0, 0), "open"),
        (EngineLoad(4, 3, 2, 0, 0), "open"),
        (EngineLoad(4, 3, 3, 0, 0), "soft"),  # the last slot is the owner's
        (EngineLoad(4, 3, 0, 1, 1), "soft"),  # the owner's request goes first
        (EngineLoad(4, 4, 1, 7, 0), "soft"),
        (EngineLoad(4, 4, 1, 8, 0), "closed"),
        (EngineLoad(4, 3, 3, 8, 0), "closed"),  # nor does remote work queue without end for the owner's slot
        (EngineLoad(1, 0, 0, 0, 0), "open"),  # a single slot is shared
        (EngineLoad(1, 1, 0, 0, 0), "soft"),
        (EngineLoad(1, 1, 0, 2, 0), "closed"),
    ],
)
def test_admission_states(load: EngineLoad, state: str) -> None:
    assert state == admission_state(load, CONFIG)


loads = st.builds(
    lambda slots, running, remote, waiting, local: EngineLoad(
        slots, running, min(remote, running), waiting, min(local, waiting)
    ),
    *(st.integers(1, 64), st.integers(0, 64), st.integers(0, 64), st.integers(0, 300), st.integers(0, 300)),
)


@given(loads, st.integers(0, 8))
def test_remote_work_never_takes_the_reserve_nor_passes_the_owner(load: EngineLoad, reserve: int) -> None:
    if may_start_remote(load, AdmissionConfig(reserve=reserve)):
        assert load.remote_running < remote_slots(load.slots, reserve)
        assert load.running < load.slots
        assert 0 == load.local_waiting


@given(loads)
def test_an_open_door_means_starting_at_once(load: EngineLoad) -> None:
    assert admission_state(load, CONFIG) != "open" or may_start_remote(load, CONFIG)


@pytest.mark.parametrize(
    ("room", "limit"),
    [
        (Room(8), 8),  # a ninth would wait
        (Room(8, is_elastic=True), 23),  # with a 24th the line would be full
        (Room(8, elsewhere=14), 8),
        (Room(8, elsewhere=20), 3),
        (Room(8, elsewhere=40), -1),  # it is full already
        (Room(8, is_ready=False), -1),
    ],
)
def test_a_line_is_calm_while_our_own_start_at_once_and_keep_nobody_out(room: Room, limit: int) -> None:
    assert limit == calm_limit(room, CONFIG)


def test_retry_after_is_the_time_the_queue_needs() -> None:
    """Limit 12 jobs; 4 leave every 8 s."""
    assert 1 == retry_after_s(EngineLoad(4, 4, 3, 4, 0), CONFIG, mean_service_s=8.0)
    assert 2 == retry_after_s(EngineLoad(4, 4, 3, 8, 0), CONFIG, mean_service_s=8.0)
    assert 22 == retry_after_s(EngineLoad(4, 4, 3, 18, 0), CONFIG, mean_service_s=8.0)
