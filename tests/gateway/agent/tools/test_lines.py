"""Lines come whole or not at all, and cost no more memory than one may have."""

import json
import random

import pytest

from gateway.agent.tools.lines import LineSplitter, TooLong

LIMIT = 1000
LONG = "x" * 5000


def split(data: bytes, size: int) -> list[bytes | TooLong]:
    splitter = LineSplitter(LIMIT)
    return [line for at in range(0, len(data), size) for line in splitter.feed(data[at : at + size])]


@pytest.mark.parametrize("size", [1, 7, 999, 100_000])
def test_lines_are_the_same_however_they_come(size: int) -> None:
    rng = random.Random(size)
    lines = [bytes(rng.choices(b"ab{}", k=rng.randrange(1, LIMIT))) for _ in range(20)]

    assert lines == split(b"\n\n \n".join(lines) + b"\n\r\n", size)


ANSWERS = {
    "id first, as Python's SDK writes it": json.dumps({"jsonrpc": "2.0", "id": 7, "result": {"text": LONG}}),
    "id last, as the other one does": json.dumps({"result": {"text": LONG}, "jsonrpc": "2.0", "id": 7}),
    "id before the version": json.dumps({"result": {"text": LONG}, "id": 7, "jsonrpc": "2.0"}),
    "id alone at the begin": json.dumps({"id": 7, "result": {"text": LONG}}, separators=(",", ":")),
}


@pytest.mark.parametrize("size", [1, 300, 100_000])
@pytest.mark.parametrize("form", ANSWERS)
def test_of_a_long_answer_its_id_is_known(form: str, size: int) -> None:
    assert [TooLong(7), b"{}"] == split(ANSWERS[form].encode() + b"\n{}\n", size)


@pytest.mark.parametrize(
    "line", [LONG, '{"method":"x","params":{"id":7,"y":"' + LONG + '"}}', '{"x":"' + LONG + '\\"id\\": 7}"}']
)
def test_an_id_inside_is_not_the_lines(line: str) -> None:
    assert [TooLong(None)] == split(line.encode() + b"\n", 64)


def test_an_endless_line_is_not_kept() -> None:
    splitter = LineSplitter(LIMIT)
    for _ in range(1000):
        assert [] == splitter.feed(b"x" * 1000)

    assert len(splitter._rest) <= LIMIT
