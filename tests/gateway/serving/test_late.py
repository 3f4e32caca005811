"""Another peer that does not begin in time: it is left for somebody better, and hung up on; else it is waited for."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest

from gateway.serving.late import LATE, Leavable
from gateway.upstream import Reply, UpstreamError
from tests.peers import PATIENCE

REPLY = cast(Reply, object())


@dataclass
class Peer:
    """Begins when it is let, or fails with `error`."""

    begins: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    open_now: int = 0

    @asynccontextmanager
    async def open(self, endpoint: str, body: object, headers: Mapping[str, str], **_: object) -> AsyncIterator[Reply]:
        self.open_now += 1
        try:
            await self.begins.wait()
            if self.error is not None:
                raise self.error
            yield REPLY
        finally:
            self.open_now -= 1


@dataclass
class Looks:
    """What each look finds: whether to leave; after the last one nothing changes."""

    found: list[bool]
    made: int = 0
    began: int = 0
    each: Callable[[], object] = lambda: None

    async def look(self) -> bool:
        self.made += 1
        self.each()
        return self.found[min(self.made, len(self.found)) - 1]

    def note(self) -> None:
        self.began += 1


async def asked(peer: Peer, looks: Looks, late_after_s: float = 0.002) -> Reply:
    leavable = Leavable(peer, "ben", late_after_s, looks.look, looks.note)  # type: ignore[arg-type]
    async with leavable.open("chat/completions", (), {}, stream=True, patience=PATIENCE) as reply:
        assert 1 == peer.open_now
        return reply


async def test_who_is_late_is_left_for_somebody_better_and_hung_up_on() -> None:
    peer, looks = Peer(), Looks([False, False, True])

    with pytest.raises(UpstreamError) as left:
        await asked(peer, looks)

    assert (LATE, 503, 0) == (left.value.code, left.value.status, peer.open_now)
    assert (3, 0) == (looks.made, looks.began)


async def test_who_begins_after_all_is_kept_and_no_longer_late() -> None:
    peer = Peer()
    looks = Looks([False], each=lambda: peer.begins.set() if looks.made == 2 else None)

    assert REPLY is await asked(peer, looks)

    assert (2, 1, 0) == (looks.made, looks.began, peer.open_now)
    await asyncio.sleep(0.02)
    assert 2 == looks.made


async def test_who_is_in_time_is_not_looked_away_from() -> None:
    peer, looks = Peer(), Looks([True])
    peer.begins.set()

    assert REPLY is await asked(peer, looks)

    await asyncio.sleep(0.01)
    assert (0, 0) == (looks.made, looks.began)


@pytest.mark.parametrize("error", [UpstreamError("busy", status=503, code="peer_busy"), TimeoutError("its own")])
async def test_what_goes_wrong_there_is_told_as_it_is(error: Exception) -> None:
    peer = Peer(error=error)
    peer.begins.set()

    with pytest.raises(type(error)) as told:
        await asked(peer, Looks([True]))

    assert (error, 0) == (told.value, peer.open_now)


async def test_who_hangs_up_meanwhile_hangs_up_there() -> None:
    peer, looks = Peer(), Looks([False])
    asking = asyncio.create_task(asked(peer, looks))
    while not looks.made:
        await asyncio.sleep(0.001)

    asking.cancel()
    await asyncio.wait([asking])

    made = looks.made
    await asyncio.sleep(0.02)
    assert asking.cancelled()
    assert (0, made) == (peer.open_now, looks.made)
