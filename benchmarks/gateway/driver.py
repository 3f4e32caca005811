"""A closed-loop load driver: connections that ask again as soon as they have their answer. Checks every answer."""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, repeat

import msgspec

_QUESTION = "Say hello, please, and tell me in one sentence what a gateway does for a team with several machines."
_WORDS = (
    "bread", "rivers", "law", "engines", "music", "trees", "taxes", "cells", "poems", "stars", "ships", "bridges",
    "glass", "horses", "maps", "clouds", "salt", "mirrors", "vaccines", "rhymes", "harbours", "algebra", "winter",
    "pepper", "copper", "opera", "genes", "ladders", "rockets", "wool", "bees", "grammar", "tides", "verbs",
)  # fmt: skip
_NUMBERS = count()  # of new questions
_LONG = 'Lorem ipsum dolor sit amet, "quoted" and\nnew lines. ' * 20


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is asked, by how many at once. `words` > 0: streams of so many words."""

    name: str
    connections: int
    words: int = 0
    turns: int = 1  # of the conversation sent along; 30 make 34 KB
    new: bool = False  # every question is another one, so that each has to be judged
    is_extra: bool = False  # run only where it is named

    def body(self, number: int = 0) -> bytes:
        """The body of the request of this number; all are equal, unless the scenario asks for new ones."""
        history = [{"role": ("user", "assistant")[turn % 2], "content": _LONG} for turn in range(self.turns - 1)]
        question = _new_question(number) if self.new else _QUESTION
        messages = [*history, {"role": "user", "content": question}]
        streamed = {"stream": True} if self.words else {}
        return msgspec.json.encode(
            {"model": "mock-model", "messages": messages, "max_tokens": self.words or 64, **streamed}
        )


def _new_question(number: int) -> str:
    """About as long as the other one, of words drawn by its number."""
    rng = random.Random(number)
    return f"Tell me of {', '.join(rng.sample(_WORDS, 12))}, please."


SCENARIOS = (
    Scenario("c1", 1),
    Scenario("c16", 16),
    Scenario("big16", 16, turns=31),
    Scenario("s1", 1, words=8),
    Scenario("s64", 64, words=32),
    Scenario("new1", 1, new=True, is_extra=True),
    Scenario("new16", 16, new=True, is_extra=True),
    Scenario("c64", 64, is_extra=True),
    Scenario("s512", 512, words=32, is_extra=True),
)


@dataclass(frozen=True, slots=True)
class Load:
    """One cell: latencies in seconds, sorted; of a stream it is the time to its first word."""

    latencies_s: list[float]
    seconds: float

    @property
    def rps(self) -> float:
        return len(self.latencies_s) / self.seconds

    def quantile_s(self, share: float) -> float:
        return self.latencies_s[min(len(self.latencies_s) - 1, int(share * len(self.latencies_s)))]


class WrongAnswer(Exception):
    """A target did not answer as the engine does; its figures would mean nothing."""


async def drive(port: int, scenario: Scenario, seconds: float) -> Load:
    """Ask 127.0.0.1:`port` for so long. Raises WrongAnswer, OSError."""
    requests = _requests(port, scenario)
    ends_at = time.perf_counter() + seconds
    began = time.perf_counter()
    connections = [_connection(port, requests, scenario.words, ends_at) for _ in range(scenario.connections)]
    latencies = [latency for found in await asyncio.gather(*connections) for latency in found]
    return Load(sorted(latencies), time.perf_counter() - began)


def _requests(port: int, scenario: Scenario) -> Iterator[bytes]:
    """Requests without end; no new question was asked before, in this run of the driver or an earlier one."""
    if not scenario.new:
        return repeat(_request(port, scenario.body()))
    return (_request(port, scenario.body(number)) for number in _NUMBERS)


def _request(port: int, body: bytes) -> bytes:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    return f"{head}authorization: Bearer sk-1234\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def _connection(port: int, requests: Iterator[bytes], words: int, ends_at: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    latencies: list[float] = []
    try:
        while not latencies or time.perf_counter() < ends_at:
            request = next(requests)
            began = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b" 200 " not in head.partition(b"\r\n")[0]:
                raise WrongAnswer(head.decode("latin-1") + (await reader.read(500)).decode("utf-8", "replace"))
            if not words:
                _check(b"Good morning" in await _whole(reader, head))
                latencies.append(time.perf_counter() - began)
            else:
                first_at, text = await _streamed(reader)
                _check(text.count(b'" word"') == words and text.rstrip().endswith(b"data: [DONE]"))
                latencies.append(first_at - began)
    finally:
        writer.close()
    return latencies


async def _whole(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if b"content-length:" not in head:
        return (await _streamed(reader))[1]
    return await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))


async def _streamed(reader: asyncio.StreamReader) -> tuple[float, bytes]:
    """(when the first piece came, all of a chunked body)."""
    pieces, first_at = [], 0.0
    while size := int(await reader.readuntil(b"\r\n"), 16):
        pieces.append((await reader.readexactly(size + 2))[:-2])
        first_at = first_at or time.perf_counter()
    await reader.readuntil(b"\r\n")
    return first_at, b"".join(pieces)


def _check(is_right: bool) -> None:
    if not is_right:
        raise WrongAnswer("an answer was not the engine's")
