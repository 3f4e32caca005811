"""Answers that an engine keeps: asked of ours alone, and a clear 404 where none has them."""

from typing import Any

import pytest

from gateway.upstream import UpstreamError
from tests.gateway.client.site import Site

KEPT = {"id": "resp_1", "object": "response", "store": True}


def keep(site: Site, *known: str, failure: Exception | None = None) -> list[tuple[str, str]]:
    """Has the site's engine keep an answer of these paths; what it is asked is noted."""
    asked: list[tuple[str, str]] = []

    async def stored(method: str, path: str) -> tuple[int, str, bytes]:
        asked.append((method, path))
        if failure:
            raise failure
        found = path.partition("?")[0] in known
        return (200, "application/json", b'{"id":"resp_1"}') if found else (404, "application/json", b"{}")

    site.engine.stored = stored  # type: ignore[attr-defined]
    return asked


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/responses/resp_1"),
        ("GET", "/v1/responses/resp_1?include[]=usage&stream=true"),
        ("DELETE", "/v1/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("GET", "/v1/responses/resp_1/input_items"),
    ],
)
async def test_our_engine_is_asked_as_the_client_asks(site: Site, method: str, path: str) -> None:
    asked = keep(site, path.partition("?")[0])

    answer = await site.http.request(method, path)

    assert (200, {"id": "resp_1"}) == (answer.status_code, answer.json())
    assert method == asked[0][0]
    assert asked[0][1].replace("%5B%5D", "[]") == path


@pytest.mark.parametrize("failure", [None, UpstreamError("gone")])
async def test_what_nobody_keeps_is_a_clear_404(site: Site, failure: Exception | None) -> None:
    keep(site, failure=failure)

    status, said = await site.get("/v1/responses/resp_2")

    error: dict[str, Any] = said["error"]
    assert (404, "response_not_found", "response_id") == (status, error["code"], error["param"])
    assert "`resp_2`" in error["message"]


@pytest.mark.parametrize("name", ["..", "%2e%2e", "a%20b", "x" * 257])
async def test_no_other_page_of_the_engine_is_reached(site: Site, name: str) -> None:
    asked = keep(site)

    status, _ = await site.get(f"/v1/responses/{name}")

    assert (True, []) == (status in (400, 404), asked)
