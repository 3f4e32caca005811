"""A route log that is bounded and never in the way."""

import json
from pathlib import Path

from gateway.telemetry.route_log import LINE_LIMIT_BYTES, TEXT_CHARS, RouteLog


def test_the_log_is_lines_of_json_for_its_owner_alone(tmp_path: Path) -> None:
    log = RouteLog(tmp_path / "route.jsonl")
    for number in range(3):
        log.write({"request": number, "score": float("nan")})
    log.close()

    assert [{"request": number, "score": None} for number in range(3)] == log.tail
    assert [0, 1, 2] == [json.loads(line)["request"] for line in (tmp_path / "route.jsonl").read_text().splitlines()]
    assert 0o600 == (tmp_path / "route.jsonl").stat().st_mode & 0o777


def test_the_log_goes_on_after_a_restart(tmp_path: Path) -> None:
    for number in range(2):
        log = RouteLog(tmp_path / "route.jsonl")
        log.write({"request": number})
        log.close()

    assert 2 == len((tmp_path / "route.jsonl").read_text().splitlines())


def test_the_tail_is_the_newest_lines(tmp_path: Path) -> None:
    log = RouteLog(tmp_path / "route.jsonl", keep=3)
    for number in range(5):
        log.write({"request": number})
    log.close()

    assert [2, 3, 4] == [line["request"] for line in log.tail]


def test_a_long_log_is_set_aside_and_one_older_kept(tmp_path: Path) -> None:
    log = RouteLog(tmp_path / "route.jsonl", limit_bytes=100)
    for number in range(40):
        log.write({"request": number})
    log.close()

    files = sorted(path.name for path in tmp_path.iterdir())
    newest = [
        json.loads(line)["request"] for name in reversed(files) for line in (tmp_path / name).read_text().splitlines()
    ]
    assert {"route.jsonl", "route.1.jsonl"} >= set(files)
    assert sum((tmp_path / name).stat().st_size for name in files) < 300
    assert 39 in newest
    assert (tmp_path / "route.1.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_line_is_bounded_on_disk_and_in_memory_whatever_others_called_themselves(tmp_path: Path) -> None:
    log = RouteLog(tmp_path / "route.jsonl")
    log.write({"request": "r1", "asked": "\x00" * 2**20, "considered": [{"peer": "p" * 2**20}], "status": "ok"})
    log.write({f"key {number}": "x" * 4096 for number in range(2**10)})
    log.close()

    lines = (tmp_path / "route.jsonl").read_bytes().splitlines()
    assert {"request": "r1", "asked": "\x00" * TEXT_CHARS, "status": "ok"} == json.loads(lines[0])
    assert max(map(len, lines)) <= LINE_LIMIT_BYTES
    assert [json.loads(line) for line in lines] == log.tail
