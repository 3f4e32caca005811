"""The page's calls: files, a link that works once, the stream, decisions for the owner alone."""

import json
from typing import Any

import pytest

from gateway.client.page.files import GUARDS, page_files
from gateway.client.page.page import ENTRIES_AT_ONCE
from gateway.serving.recording.requests import Decided
from gateway.telemetry.recent import Recorded
from tests.gateway.client.site import OWNER, Site


@pytest.mark.parametrize("path", page_files())
async def test_files_are_served_with_their_guards_and_once(site: Site, path: str) -> None:
    first = await site.http.get(path)
    again = await site.http.get(path, headers={"if-none-match": first.headers["etag"]})

    assert (200, 304, b"") == (first.status_code, again.status_code, again.content)
    for response in (first, again):
        assert GUARDS.items() <= dict(response.headers).items()


async def test_a_link_makes_a_page_the_owner_s_once(site: Site) -> None:
    _, said = await site.post("/ppai/v1/page/ticket", {}, OWNER)
    ticket = said["url"].removeprefix("http://127.0.0.1:8470/#")

    status, entered = await site.post("/page/enter", {"ticket": ticket})
    again, refused = await site.post("/page/enter", {"ticket": ticket})
    events = await site.http.get("/ppai/v1/events", headers={"authorization": f"Bearer {entered['token']}"})

    assert (200, 200, 403, "ticket_not_good") == (status, events.status_code, again, refused["error"]["code"])
    assert "ppai open" in refused["error"]["message"]


async def test_only_the_owner_makes_links(site: Site) -> None:
    status, said = await site.post("/ppai/v1/page/ticket", {})

    assert (401, "not_the_owner") == (status, said["error"]["code"])


async def test_tickets_are_not_guessed_as_fast_as_one_can_ask(site: Site) -> None:
    answered = [(await site.post("/page/enter", {"ticket": str(n)}))[0] for n in range(int(ENTRIES_AT_ONCE) + 1)]

    assert {403} == set(answered[:-1])
    assert 429 == answered[-1]


async def stream_of(site: Site, headers: dict[str, str]) -> dict[str, Any]:
    """The first change that a page is told, with these headers."""
    async with site.http.stream("GET", "/ppai/v1/watch", headers=headers) as response:
        text = (await response.aread()).decode()
    return json.loads(text.split("event: change\ndata: ")[1].split("\n")[0])["set"]


async def test_the_stream_tells_the_owner_of_requests_and_nobody_else(site: Site) -> None:
    site.running.route_log.write({"request": "r1", "peer": "ben"})
    site.watching.end()  # the stream ends with its first events: httpx reads an answer to its end
    seen = [await stream_of(site, headers) for headers in ({}, OWNER)]

    assert [False, True] == ["request/1" in change for change in seen]
    assert ["ada", "ada"] == [change["me"]["name"] for change in seen]


async def test_a_token_that_this_run_did_not_give_out_begins_no_guest_s_stream(site: Site) -> None:
    """Who sends none is a guest, and so is a program that shows an API key, as `has_key` tells."""
    site.watching.end()
    old = await site.http.get("/ppai/v1/watch", headers={"authorization": "Bearer of an earlier run"})
    told = [await stream_of(site, headers) for headers in ({}, OWNER)]

    assert b"event: entry\ndata: {}\n\n" == old.content
    assert [True, True] == ["me" in change for change in told]


async def test_a_request_that_is_not_kept_is_a_404(site: Site) -> None:
    response = await site.http.get("/ppai/v1/decisions/r1", headers=OWNER)

    assert (404, "decision_not_kept") == (response.status_code, response.json()["error"]["code"])


async def test_a_decision_shows_everybody_who_was_judged_and_what_it_was_about(site: Site) -> None:
    body = b'{"model":"auto","messages":[{"role":"user","content":"hi"}]}'
    routed = await site.running.dispatcher.decider.decide("chat/completions", body, {})
    decided = Decided(routed.query, routed.choice, routed.verdict)
    site.running.route_log.recent.add(Recorded(request="r1", decided=decided, candidates=1))

    found = (await site.http.get("/ppai/v1/decisions/r1", headers=OWNER)).json()

    [candidate] = found["candidates"]
    assert ("only_candidate", "ada", None) == (found["reason"], candidate["peer"], candidate["excluded"])
    assert {"score", "wait_s", "service_s", "transit_s", "cost_s", "utility", "basis"} <= candidate.keys()
    assert ({"to", "rule", "told"}, 1) == (found["privacy"].keys(), found["number"])


async def test_decisions_are_the_owner_s(site: Site) -> None:
    assert 401 == (await site.http.get("/ppai/v1/decisions/1")).status_code
