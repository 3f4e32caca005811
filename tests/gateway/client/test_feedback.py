"""Grades of answers: by whom they are remembered, and what is no grade."""

import json
from pathlib import Path

import pytest

from discovery.records import PeerId
from tests.gateway.client.site import Site, opened

ASKED = ("r1", PeerId("ben"), "small", "food", 1.0)


async def test_a_grade_is_laid_to_who_answered(site: Site) -> None:
    site.feedback.remember(*ASKED)

    graded = await site.post("/ppai/v1/feedback", {"request": "r1", "score": 1})
    again = await site.post("/ppai/v1/feedback", {"request": "r1", "score": 1})

    assert (200, {"request": "r1", "counted": True}) == graded
    assert (200, {"request": "r1", "counted": False}) == again
    assert [("ben", "small", "food", 1.0, 0.5, 0.0)] == site.observed


async def test_a_request_that_nobody_remembers_is_a_404(site: Site) -> None:
    status, said = await site.post("/ppai/v1/feedback", {"request": "r2", "score": 1})

    assert (404, "request_not_found", "request") == (status, said["error"]["code"], said["error"]["param"])
    assert "x-request-id" in said["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"7", b"\xff", b"[" * 100_000, b'{"request":"r1"}', b'{"score":1}', b'{"request":1,"score":1}',
        b'{"request":"r1","score":1.1}', b'{"request":"r1","score":-2}', b'{"request":"r1","score":NaN}',
        b'{"request":"r1","score":"1"}', b'{"request":"r1","score":true}', b'{"request":"r1","score":1,"why":"x"}',
    ],
)  # fmt: skip
async def test_what_is_no_grade_changes_nothing(site: Site, body: bytes) -> None:
    site.feedback.remember(*ASKED)

    status, said = await site.post("/ppai/v1/feedback", body)

    assert (400, []) == (status, site.observed), json.dumps(said)


async def test_where_feedback_is_off_it_is_said_so(tmp_path: Path) -> None:
    async with opened(tmp_path, feedback=False) as site:
        status, said = await site.post("/ppai/v1/feedback", {"request": "r1", "score": 1})

    assert (409, True) == (status, "learning.feedback" in said["error"]["message"])
