"""The page says what the peer does: every endpoint, every body as it is decoded, every error in one form."""

import re
from typing import Any, cast

import msgspec
import pytest

from gateway.client.entrance.paths import ENDPOINT_PATHS, OTHER_PATHS
from gateway.client.openapi import openapi_page
from gateway.client.page.watching import Watching
from gateway.client.pages import pages_app
from gateway.client.running import RunningPeer
from gateway.privacy.others import read_other
from gateway.wire.bodies import BODIES, FORM, FORMS, OTHERS
from gateway.wire.errors import InvalidRequest, whole_error
from gateway.wire.request import read_request

PAGE = openapi_page("0")


def test_every_endpoint_of_the_client_side_stands_there_and_no_other() -> None:
    pages = cast(Any, pages_app(cast(RunningPeer, None), cast(Watching, None)).routes)
    served = {(route.method.lower(), route.path) for route in pages if route.include_in_schema}
    served |= {("post", path) for path in (*ENDPOINT_PATHS, *OTHER_PATHS)}

    told = {(method, path) for path, methods in PAGE["paths"].items() for method in methods}
    assert {(method, path.replace("{name:path}", "{name}")) for method, path in served} == told


def test_the_page_wants_the_owner_s_token_where_the_call_does() -> None:
    pages = cast(Any, pages_app(cast(RunningPeer, None), cast(Watching, None)).routes)
    owners = {
        (route.method.lower(), route.path)
        for route in pages
        if route.needs is not None and route.needs.__qualname__.startswith("owner_only.")
    }

    told = {
        (method, path)
        for path, methods in PAGE["paths"].items()
        for method, call in methods.items()
        if call.get("security") == [{"bearer": []}]
    }
    assert owners and owners == told


def test_references_lead_somewhere() -> None:
    text = msgspec.json.encode(PAGE).decode()
    referred = {piece.partition('"')[0] for piece in text.split("#/components/schemas/")[1:]}

    assert referred <= PAGE["components"]["schemas"].keys()
    assert {"Error", "Model", "ChatBody", "Message", "Part"} <= referred


@pytest.mark.parametrize("endpoint", BODIES)
def test_the_page_requires_what_the_decoder_requires(endpoint: str) -> None:
    """Of an empty object the decoder misses one field, or none: an engine judges `responses` by itself."""
    body = PAGE["paths"][f"/v1/{endpoint}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    schema = PAGE["components"]["schemas"][body["$ref"].rpartition("/")[2]]

    try:
        read_request(endpoint, b"{}")
        missed = []
    except InvalidRequest as refused:
        missed = [refused.param]

    assert missed == schema["required"]


@pytest.mark.parametrize("endpoint", FORMS)
def test_the_page_requires_of_a_form_what_its_reader_requires(endpoint: str) -> None:
    schema = PAGE["paths"][OTHERS[endpoint]]["post"]["requestBody"]["content"][FORM]["schema"]

    with pytest.raises(InvalidRequest) as refused:
        read_other(endpoint, f"{FORM}; boundary=x", b"--x--\r\n")

    assert [refused.value.param] == schema["required"]


@pytest.mark.parametrize(
    ("name", "is_one"), [("resp_1", True), (".:-r", True), ("..", False), ("ä", False), ("", False)]
)
def test_an_id_of_a_response_is_what_the_page_says(name: str, is_one: bool) -> None:
    """What it says otherwise the peer refuses, by the same pattern (test_stored.py)."""
    for path in (path for path in PAGE["paths"] if path.startswith("/v1/responses/")):
        call = next(iter(PAGE["paths"][path].values()))

        assert is_one == bool(re.search(call["parameters"][0]["schema"]["pattern"], name))


@pytest.mark.parametrize("endpoint", BODIES)
def test_an_error_has_the_form_that_the_page_says(endpoint: str) -> None:
    said = msgspec.json.decode(whole_error(endpoint, "r1", status=502, message="no", code="broken")[1])
    schema = PAGE["paths"][f"/v1/{endpoint}"]["post"]["responses"]["5XX"]["content"]["application/json"]["schema"]
    fields = PAGE["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]

    assert said.keys() == fields.keys()
    assert said["error"].keys() == fields["error"]["properties"].keys()
