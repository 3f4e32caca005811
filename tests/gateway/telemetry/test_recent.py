"""The last requests in memory: bounded in number and in what their decisions hold together."""

from gateway.telemetry.recent import Recent, Recorded


def decided(recent: Recent, number: int, candidates: int = 1) -> Recorded:
    return recent.add(Recorded(request=f"r{number}", decided=number, candidates=candidates))


def test_a_request_is_there_while_it_runs_and_has_its_line_at_the_end() -> None:
    recent = Recent()
    one = recent.add(Recorded(1.5, "r", "chat/completions", "auto", "best"))
    running, while_running = one.line, recent.lines
    one.peer, one.model = "ben", "m"
    known = {"at": 1.5, "request": "r", "endpoint": "chat/completions", "asked": "auto", "reason": "best"}
    assert (running, one.line) == (
        {**known, "peer": None, "status": "running"},
        {**known, "peer": "ben", "model": "m", "status": "running"},
    )

    recent.ended(b'{"request":"r","status":"ok"}', one)

    assert ([], [{"request": "r", "status": "ok"}]) == (while_running, recent.lines)
    assert (False, [one]) == (one.is_running, recent.all)


def test_the_oldest_goes() -> None:
    recent = Recent(keep=2)
    for number in range(3):
        recent.ended(b'{"request":%d}' % number)

    assert [1, 2] == [line["request"] for line in recent.lines]


def test_decisions_are_bounded_by_their_number() -> None:
    recent = Recent(decisions=2)
    kept = [decided(recent, number) for number in range(3)]

    assert [None, 1, 2] == [one.decided for one in kept]


def test_decisions_are_bounded_by_their_candidates_and_the_newest_stays() -> None:
    recent = Recent(candidates=10)
    kept = [decided(recent, number, candidates) for number, candidates in enumerate((4, 4, 4, 100))]

    assert [None, None, None, 3] == [one.decided for one in kept]


def test_the_last_decision_of_a_request_counts_once() -> None:
    recent = Recent(candidates=10)
    one, other = decided(recent, 0, 5), decided(recent, 1, 5)

    recent.decided(one, "again", 5)

    assert ("again", 1) == (one.decided, other.decided)


def test_a_request_is_found_by_number_and_by_id_and_of_several_the_newest() -> None:
    recent = Recent()
    first, second = recent.add(Recorded(request="same")), recent.add(Recorded(request="same"))

    assert (first, second, None) == (recent.find("1"), recent.find("same"), recent.find("other"))


def test_lines_stand_in_the_order_in_which_requests_ended() -> None:
    recent = Recent()
    slow = recent.add(Recorded(request="slow"))
    recent.ended(b'{"request":"quick"}')
    recent.ended(b'{"request":"slow"}', slow)

    assert ["quick", "slow"] == [line["request"] for line in recent.lines]
    assert ["slow", "quick"] == [one.line["request"] for one in recent.all]
