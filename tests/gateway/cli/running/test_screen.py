"""The screen says how this peer is, who else is there, and what became of the last requests, in the rows it has."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from gateway.cli.running.screen import news, request_line, screen_lines

ROW = {
    "at": 1795668739.358, "request": "78160a", "endpoint": "chat/completions", "peer": "ben", "model": "qwen3:32b",
    "reason": "best", "attempts": 1, "status": "ok", "latency_s": 1.2345, "tokens": 212,
}  # fmt: skip
WHEN = datetime.fromtimestamp(1795668739.358).strftime("%H:%M:%S")
ENGINE = {
    "origin": "vLLM found on port 8000", "problem": None, "running": 2, "waiting": 0, "slots": 8,
    "models": [{"id": "qwen3:32b"}, {"id": "coder"}],
}  # fmt: skip
ME = {"name": "ada", "url": "http://127.0.0.1:8470", "missing": [], "say": [], "identity_in_use": False}


def peer(name: str, **changed: Any) -> dict[str, Any]:
    row = {"id": name * 4, "name": name, "shown": name, "state": "alive", "slots": 4, "refuses_us": None}
    return row | {"rights": ["answer", "ask"], "trust": None} | changed


def request(**changed: Any) -> dict[str, Any]:
    return {**ROW, "is_running": False, "is_explained": True, **changed}


def values(**changed: Any) -> dict[str, Any]:
    said = {"me": ME, "sharing": {"kept_shut": None}, "engine/auto": ENGINE, "peer/ben": peer("ben")}
    return said | {"load/benbenbenben": [1, 2, "open", 3.0], "good/benbenbenben": [{"model": "small"}]} | changed


def texts(said: dict[str, Any], rows: int = 40) -> list[str]:
    return [line.text for line in screen_lines(said, rows)]


def test_everything_is_on_one_screen() -> None:
    shown = texts(values(**{"request/1": request(), "request/2": request(status="running", tokens=0, latency_s=None)}))

    assert [
        "ada: ready, http://127.0.0.1:8470/v1",
        "engine     vLLM found on port 8000: 2 running, 0 waiting, 8 slots: qwen3:32b, coder",
        "",
        "peer  state      jobs  answers us  models",
        "ben   alive  1+2 of 4  yes         small",
        "",
        "asked     answers  with       how it went               why",
        f"{WHEN}  ben      qwen3:32b  running                   it promises the most for its cost",
        f"{WHEN}  ben      qwen3:32b  ok in 1.23 s, 212 tokens  it promises the most for its cost",
    ] == shown


def test_a_peer_that_cannot_answer_says_what_it_waits_for() -> None:
    waiting = {**ME, "missing": ["the embedded engine is starting"]}
    engine = {**ENGINE, "problem": "the embedded engine is starting"}

    shown = texts(values(me=waiting, **{"engine/auto": engine}))

    assert ["ada: cannot answer yet, http://127.0.0.1:8470/v1", "waits for  the embedded engine is starting"] == shown[
        :2
    ]
    assert ["the peer is starting"] == texts({})


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"sharing": {"kept_shut": "paused until 18:00"}}, "others     get nothing now: paused until 18:00"),
        ({"me": {**ME, "say": ["1 peer waits"]}}, "           1 peer waits"),
        ({"me": {**ME, "identity_in_use": True}}, "identity   another machine runs with a copy of this home"),
        ({"peer/ben": peer("ben", rights=[])}, "not approved"),
        ({"peer/ben": peer("ben", refuses_us="another secret")}, "another secret"),
        ({"peer/ben": peer("ben", trust={"words": "worse than it claims"})}, "small; worse than it claims"),
    ],
)
def test_what_is_not_as_it_should_be_is_said(changed: dict[str, Any], expected: str) -> None:
    assert expected in "\n".join(texts(values(**changed)))


def test_who_is_there_stands_before_who_is_not_in_another_colour() -> None:
    peers = [peer("dan", state="dead"), peer("zoe"), peer("cleo", state="suspect")]

    lines = screen_lines(values(**{f"peer/{one['name']}": one for one in peers}), 40)

    assert [("ben", "green"), ("zoe", "green"), ("cleo", "yellow"), ("dan", "dim")] == [
        (line.text.split()[0], line.style) for line in lines[4:8]
    ]


@pytest.mark.parametrize(("peers", "requests"), [(200, 200), (2, 200), (200, 2), (0, 0)])
@pytest.mark.parametrize("rows", [12, 24, 50])
def test_a_screen_is_full_and_no_fuller(peers: int, requests: int, rows: int) -> None:
    """Rows that one part does not need are the other's, and what is left out is counted."""
    said = {"me": ME, "sharing": {}, "engine/auto": ENGINE}
    said |= {f"peer/{n}": peer(f"p{n:03}") for n in range(peers)}
    said |= {f"request/{n}": request() for n in range(requests)}

    shown = texts(said, rows)

    assert len(shown) <= rows
    if peers + requests > rows:
        assert len(shown) >= rows - 1
    whole = peers + requests + 7 <= rows
    assert whole or any(line.startswith("and ") and " more: ppai " in line for line in shown) or not peers + requests


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "ben  qwen3:32b  ok in 1.23 s, 212 tokens  best"),
        ({"attempts": 3}, "ben  qwen3:32b  ok in 1.23 s, 212 tokens, 3 tries  best"),
        ({"peer": None, "model": None, "status": "refused", "latency_s": None, "tokens": 0}, "nobody  refused  best"),
    ],
)
def test_a_request_is_one_line_for_people(changed: dict[str, object], expected: str) -> None:
    assert f"{WHEN}  {expected}" == request_line(json.dumps({**ROW, **changed}))


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '{"at": 1}', '{"at": "x", "peer": 1}', '{"at": 1e99}'])
def test_a_line_that_is_no_request_stays_as_it_is(line: str) -> None:
    """A disk that was full leaves half lines."""
    assert line == request_line(line)


NEWS: list[tuple[Callable[[dict[str, Any]], object], list[str]]] = [
    (lambda said: None, []),
    (lambda said: said.update({"request/1": request(is_running=True)}), []),
    (lambda said: said.update({"request/1": request()}), [f"{WHEN}  ben  qwen3:32b  ok in 1.23 s, 212 tokens  best"]),
    (lambda said: said.update({"peer/ben": peer("ben", state="suspect")}), ["ben: suspect"]),
    (lambda said: said.update({"peer/cleo": peer("cleo")}), ["cleo: alive"]),
    (lambda said: said.pop("peer/ben"), ["ben: gone"]),
    (lambda said: said.update({"me": {**ME, "missing": ["no engine"]}}), ["ada: no engine"]),
    (lambda said: said.update({"load/benbenbenben": [3, 0, "open", 1.0]}), []),
]


@pytest.mark.parametrize(("change", "expected"), NEWS)
def test_a_pipe_gets_a_line_for_each_piece_of_news(change, expected: list[str]) -> None:
    before = values()
    after = dict(before)
    change(after)

    assert expected == news(before, after)
