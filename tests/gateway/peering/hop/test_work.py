"""How a request of another peer stands, and what ends its answer."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from gateway.peering.frames import Receipt
from gateway.peering.hop.work import Work
from gateway.upstream import UpstreamError

RECEIPT = Receipt("aa", "bb", "m", prompt_tokens=7, tokens=4, queued_ms=0, served_ms=12)


def work(*sent: bytes) -> Work:
    nothing = cast(Any, None)
    made = Work(nothing, nothing, "aa", nothing, lambda said: b"signed", lambda: 5.0)
    for frame in sent:
        made.note_sent(frame)
    return made


@pytest.mark.parametrize(
    "end", [lambda made: made.failed(UpstreamError("busy", status=429, code="busy")) or made.last, Work.stopped]
)
def test_what_cannot_be_answered_is_refused_and_what_has_begun_breaks(end: Callable[[Work], bytes]) -> None:
    assert end(work()).startswith(b"event: refused\n")
    assert end(work(b"data: {}\n\n")).startswith(b"event: broke\n")


def test_only_what_the_asking_peer_did_makes_it_vain() -> None:
    hung_up, unacceptable, failed, whole = work(), work(), work(), work(b"data: {}\n\n")
    unacceptable.refused("it holds too much")
    failed.failed(UpstreamError("busy", status=429, code="busy"))
    whole.answered(RECEIPT)

    assert [True, True, False, False] == [each.is_in_vain for each in (hung_up, unacceptable, failed, whole)]
    assert ["cancelled", "refused", "refused", "ok"] == [each.status for each in (hung_up, unacceptable, failed, whole)]


def test_a_whole_answer_ends_with_its_signed_receipt() -> None:
    whole = work()
    whole.last = b"event: reply\ndata: {}\n\n"
    whole.answered(RECEIPT)

    reply, receipt, rest = whole.last.split(b"\n\n")
    assert (b"event: reply", b"event: receipt", b"") == (reply.split(b"\n")[0], receipt.split(b"\n")[0], rest)
    assert b"signed".hex().encode() in receipt
