"""Every page's errors have one form."""

import pytest

from tests.gateway.client.site import Site


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/models/gpt-4o", 404, "model_not_found"),
        ("/v1/files", 404, "not_found"),
        ("/docs", 404, "not_found"),
        ("/api/tags", 404, "not_found"),
        ("/v1/models/", 404, "not_found"),
        ("/ppai/v1/route", 405, "method_not_allowed"),
    ],
)
async def test_an_error_has_openai_s_form(site: Site, path: str, status: int, code: str) -> None:
    answered, body = await site.get(path)

    assert (status, code) == (answered, body["error"]["code"])
    assert {"message", "type", "param", "code"} == body["error"].keys()


@pytest.mark.parametrize("path", ["/v1//models", "/v1/models/", "/models", "/v1/v1/models", "/api/tags"])
async def test_who_asks_beside_a_path_is_told_which_one_it_is(site: Site, path: str) -> None:
    _, body = await site.get(path)

    assert "did you mean http://localhost/v1/models?" in body["error"]["message"]


async def test_a_path_of_anthropic_s_that_is_not_here_is_told_in_its_form(site: Site) -> None:
    for path in ("/v1/messages/batches", "/v1/v1/messages"):
        status, body = await site.get(path)

        assert (404, "error", "not_found_error") == (status, body["type"], body["error"]["type"])
