"""Every page's errors have one form."""

import pytest

from tests.gateway.client.site import Site


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/models/gpt-4o", 404, "model_not_found"),
        ("/v1/files", 404, "not_found"),
        ("/docs", 404, "not_found"),
        ("/ppai/v1/route", 405, "method_not_allowed"),
    ],
)
async def test_an_error_has_openai_s_form(site: Site, path: str, status: int, code: str) -> None:
    answered, body = await site.get(path)

    assert (status, code) == (answered, body["error"]["code"])
    assert {"message", "type", "param", "code"} == body["error"].keys()
