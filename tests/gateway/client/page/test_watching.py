"""The page's stream: everything once, then what changes; resumed where it broke off; nothing for who may not see."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from gateway.client.page.watching import AT_ONCE, WATCHERS, TooMany, Watching


class Shown:
    """What a test shows."""

    def __init__(self, **values: object) -> None:
        self.now: dict[str, object] = {key.replace("_", "/"): value for key, value in values.items()}
        self.looks = 0

    def loads(self) -> dict[str, tuple[int, int] | None]:
        return {"me": (1, 0)}

    def values(self) -> Iterator[tuple[str, bytes]]:
        self.looks += 1
        return ((key, json.dumps(value).encode()) for key, value in dict(self.now).items())


@asynccontextmanager
async def watched(shown: Shown) -> AsyncIterator[Watching]:
    watching = Watching(shown, "boot", asyncio.get_running_loop().time)
    running = asyncio.create_task(watching.run())
    try:
        yield watching
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def read(event: bytes) -> tuple[str, str, Any]:
    """(name, id, data)"""
    fields = dict(line.split(": ", 1) for line in event.decode().strip().split("\n"))
    return fields["event"], fields.get("id", ""), json.loads(fields["data"])


async def test_everything_comes_once_and_then_what_changes() -> None:
    shown = Shown(me={"name": "ada"}, peer_b=1, peer_c=1)
    async with watched(shown) as watching:
        stream = watching.stream("", lambda: True)
        past, first = read(await anext(stream)), read(await anext(stream))
        shown.now |= {"peer/b": 2}
        del shown.now["peer/c"]
        second = read(await anext(stream))
        await stream.aclose()  # type: ignore[attr-defined]

    assert ("past", {"me": [[1, 0]]}) == (past[0], past[2])
    assert {"all": True, "set": {"me": {"name": "ada"}, "peer/b": 1, "peer/c": 1}, "gone": []} == first[2]
    assert ("change", "boot-2", {"all": False, "set": {"peer/b": 2}, "gone": ["peer/c"]}) == second


@pytest.mark.parametrize(
    ("last", "is_all"), [("boot-1", False), ("boot-9", True), ("other-1", True), ("boot-x", True), ("²", True)]
)
async def test_a_page_that_was_away_is_told_what_it_missed(last: str, is_all: bool) -> None:
    """By the id of what it had last; of another run of the peer, or of none, it is told everything."""
    shown = Shown(a=1, b=1)
    async with watched(shown) as watching:
        one = watching.stream("", lambda: True)
        [await anext(one) for _ in range(2)]
        shown.now["b"] = 2
        await anext(one)
        again = watching.stream(last, lambda: True)
        await anext(again)
        _, _, change = read(await anext(again))

    assert (is_all, {"b": 2} if not is_all else {"a": 1, "b": 2}) == (change["all"], change["set"])


async def test_others_than_the_owner_are_not_told_of_requests_invitations_and_tabs() -> None:
    shown = Shown(me=1, request_1={"peer": "ben"}, invite_a=1, tab_b=1, rule_c=1)
    async with watched(shown) as watching:
        stream = watching.stream("", lambda: False)
        await anext(stream)
        _, _, change = read(await anext(stream))

    assert {"me": 1} == change["set"]


async def test_a_page_that_is_the_owner_s_no_longer_hears_nothing_more_of_his() -> None:
    shown, is_owner = Shown(request_1=1), True
    async with watched(shown) as watching:
        stream = watching.stream("", lambda: is_owner)
        [await anext(stream) for _ in range(2)]
        is_owner = False
        shown.now["request/2"] = 1
        async with asyncio.timeout(5):
            rest = [event async for event in stream]

    assert [("entry", "", {})] == [read(event) for event in rest]


@pytest.mark.parametrize(("is_owner", "begins"), [(False, "entry"), (True, "past")])
async def test_a_page_with_a_token_of_an_earlier_run_is_told_so_at_once(is_owner: bool, begins: str) -> None:
    """Tokens live in memory: else the tab would keep the owner's buttons, which are refused."""
    async with watched(Shown(me=1)) as watching:
        stream = watching.stream("", lambda: is_owner, says_owner=True)
        name, *_ = read(await anext(stream))
        watching.end()
        rest = [event async for event in stream]

    assert (begins, is_owner) == (name, bool(rest))


async def test_nothing_is_read_while_nobody_watches() -> None:
    shown = Shown(a=1)
    async with watched(shown) as watching:
        await asyncio.sleep(0.05)
        before = shown.looks
        stream = watching.stream("", lambda: True)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]

    assert (0, 1) == (before, shown.looks)


async def test_streams_are_bounded_and_whoever_leaves_makes_room() -> None:
    async with watched(Shown()) as watching:
        streams = [watching.stream("", lambda: True) for _ in range(WATCHERS)]
        for stream in streams:
            await anext(stream)
        with pytest.raises(TooMany):
            await anext(watching.stream("", lambda: True))
        await streams[0].aclose()  # type: ignore[attr-defined]

        assert (await anext(watching.stream("", lambda: True))).startswith(b"event: past")


async def test_a_peer_that_is_stopped_ends_its_streams() -> None:
    async with watched(Shown(a=1)) as watching:
        stream = watching.stream("", lambda: True)
        [await anext(stream) for _ in range(2)]
        rest = asyncio.create_task(anext(stream, None))
        await asyncio.sleep(0)
        watching.end()

        assert await rest is None


async def test_a_bug_in_what_is_shown_ends_no_peer(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Shown):
        def values(self) -> Iterator[tuple[str, bytes]]:
            if self.looks:
                raise ZeroDivisionError
            return super().values()

    async with watched(Broken(a=1)) as watching:
        await anext(watching.stream("", lambda: True))
        assert 0.7 == pytest.approx(await watching._looked_s(), abs=0.1)

    assert "bug=page" in caplog.text


async def test_a_look_at_very_many_gives_way_to_others_again_and_again() -> None:
    shown = Shown(**{f"peer_{n}": n for n in range(AT_ONCE * 10)})
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with watched(shown) as watching:
        counting = asyncio.create_task(count())
        await anext(watching.stream("", lambda: True))
        counting.cancel()

    assert turns >= 10
