"""Who may call, with which key, and how the answer says it: before any endpoint hears of the request."""

import asyncio
import gzip
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.client.api_keys import ApiKeys
from gateway.client.app import ClientApp, ClientConfig
from gateway.server.answering import AsgiClient
from gateway.serving.headers import Wishes
from gateway.wire.errors import InvalidRequest
from gateway.wire.reading.elsewhere import Elsewhere

CHAT = "/v1/chat/completions"


class Serving:
    """Stands where the Dispatcher does: notes what it is asked, and answers or fails as it is told."""

    def __init__(self, failure: Exception | None = None, first: bytes = b"") -> None:
        """It fails with `failure`, after it has sent `first`, if that is not empty."""
        self.asked: list[tuple[str, bytes, str]] = []
        self._failure, self._first = failure, first
        self.keys: list[str] = []
        self.read: Elsewhere | None = None

    async def answer(
        self,
        endpoint: str,
        body: bytes,
        headers: Mapping[str, str],
        client: AsgiClient,
        request_id: str,
        key: str,
        read: Elsewhere | None,
        wishes: Wishes | None,
    ) -> None:
        self.asked.append((endpoint, body, request_id))
        self.keys.append(key)
        self.read = read
        if self._first:
            await client.start(200, "text/event-stream", {})
            await client.send(self._first, more=True)
        if self._failure:
            raise self._failure
        await client.answer(200, "application/json", b"{}")


async def a_page(scope: Any, receive: Any, send: Any) -> None:
    client = AsgiClient(send, {})
    await client.answer(200, "application/json", b'{"page":true}')


def side(
    home: Path, serving: Serving | None = None, base_url: str = "http://localhost", **config: Any
) -> httpx.AsyncClient:
    keys = ApiKeys(home / "api_keys.json", count().__next__)  # a request a second: each looks at the file
    app = ClientApp(serving or Serving(), a_page, ClientConfig(**config), keys, "tok".__eq__)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url)  # type: ignore[arg-type]


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_a_generating_request_goes_to_serving_and_all_others_to_the_pages(tmp_path: Path) -> None:
    serving = Serving()
    async with side(tmp_path, serving) as http:
        answered = await http.post(CHAT, content=b"{1}", headers={"x-request-id": "r1"})
        page = await http.get("/ppai/v1/status")

    assert [("chat/completions", b"{1}", "r1")] == serving.asked
    assert (200, "r1", {"page": True}) == (answered.status_code, answered.headers["x-request-id"], page.json())
    assert len(page.headers["x-request-id"]) == 32  # made, where none is given


async def test_a_generating_endpoint_wants_a_post(tmp_path: Path) -> None:
    async with side(tmp_path) as http:
        response = await http.get(CHAT)

    assert ((405, "method_not_allowed"), "POST") == (code_of(response), response.headers["allow"])


async def test_a_name_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    serving = Serving()
    async with side(tmp_path, serving, "http://evil.example") as http:
        refused = await http.post(CHAT, content=b"{}")
    async with side(tmp_path, serving, "http://box.lan", allowed_hosts=("box.lan",)) as http:
        allowed = await http.post(CHAT, content=b"{}")

    assert ((403, "bad_host"), 200, 1) == (code_of(refused), allowed.status_code, len(serving.asked))


async def test_a_foreign_page_is_refused_and_an_allowed_one_may_read_our_headers(tmp_path: Path) -> None:
    async with side(tmp_path, cors_origins=("https://chat.example",)) as http:
        refused = await http.post(CHAT, headers={"origin": "https://evil.example"})
        allowed = await http.post(CHAT, headers={"origin": "https://chat.example"})
        preflight = await http.options(CHAT, headers={"origin": "https://chat.example"})

    assert (403, "bad_origin") == code_of(refused)
    assert not [name for name in refused.headers if name.startswith("access-control")]
    assert ("https://chat.example", 204) == (allowed.headers["access-control-allow-origin"], preflight.status_code)
    assert "x-ppai-peer" in allowed.headers["access-control-expose-headers"]
    assert "authorization" in preflight.headers["access-control-allow-headers"]


async def test_the_first_key_closes_everything_but_what_monitors_ask(tmp_path: Path) -> None:
    key = ApiKeys(tmp_path / "api_keys.json").add("phone")
    async with side(tmp_path) as http:
        refused = [code_of(await http.post(CHAT)), code_of(await http.get("/v1/models"))]
        sent = [{"authorization": f"Bearer {key}"}, {"x-api-key": key}, {"authorization": "Bearer tok"}]
        allowed = [(await http.post(CHAT, headers=headers)).status_code for headers in sent]
        probes = [(await http.get(path)).status_code for path in ("/health", "/ready")]

    assert ([(401, "invalid_api_key")] * 2, [200] * 3, [200] * 2) == (refused, allowed, probes)


async def test_the_page_s_files_need_no_key_and_what_they_show_does(tmp_path: Path) -> None:
    """A browser cannot send one before a script of ours runs; a page that was let in is the owner."""
    ApiKeys(tmp_path / "api_keys.json").add("phone")
    async with side(tmp_path) as http:
        files = [(await http.get(path)).status_code for path in ("/", "/page/app.js")]
        entered = (await http.post("/page/enter", content=b"{}")).status_code
        shown = [(await http.get(path)).status_code for path in ("/ppai/v1/watch", "/ppai/v1/status", "/pages")]

    assert ([200, 200], 200, [401] * 3) == (files, entered, shown)


@pytest.mark.parametrize(
    ("key", "told"),
    [("tok", (False, False)), ("phone's", (False, True)), ("wrong", (True, False)), ("", (True, False))],
)
async def test_pages_are_told_whether_who_asks_has_shown_a_key(
    tmp_path: Path, key: str, told: tuple[bool, bool]
) -> None:
    """(whether he is a stranger, whether he has an API key)"""
    made = ApiKeys(tmp_path / "api_keys.json").add("phone")
    key, seen = made if key == "phone's" else key, []

    async def pages(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["state"]["is_stranger"], scope["state"]["has_key"]))
        await a_page(scope, receive, send)

    app = ClientApp(Serving(), pages, ClientConfig(), ApiKeys(tmp_path / "api_keys.json"), "tok".__eq__)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:  # type: ignore[arg-type]
        await http.get("/ready", headers={"authorization": f"Bearer {key}"} if key else {})

    assert [told] == seen


@pytest.mark.parametrize(("host", "answered"), [("127.0.0.1", 200), ("::1", 200), ("0.0.0.0", 401), ("box.lan", 401)])
async def test_the_last_key_s_end_opens_no_door_that_others_reach(tmp_path: Path, host: str, answered: int) -> None:
    """Whether a key is asked for is decided at each request; a list that is empty by now admits nobody off loopback."""
    keys = ApiKeys(tmp_path / "api_keys.json")
    keys.add("phone")
    async with side(tmp_path, host=host) as http:
        with_a_key = (await http.post(CHAT)).status_code
        keys.remove("phone")
        without_keys = (await http.post(CHAT)).status_code
        (tmp_path / "api_keys.json").unlink()
        without_a_file = (await http.post(CHAT)).status_code
        owner = (await http.post(CHAT, headers={"authorization": "Bearer tok"})).status_code

    assert (401, answered, answered, 200) == (with_a_key, without_keys, without_a_file, owner)


async def test_where_keys_are_open_nobody_needs_one(tmp_path: Path) -> None:
    ApiKeys(tmp_path / "api_keys.json").add("phone")
    async with side(tmp_path, api_keys="open", host="0.0.0.0") as http:
        assert 200 == (await http.post(CHAT)).status_code


async def test_unreadable_keys_keep_everybody_out(tmp_path: Path) -> None:
    (tmp_path / "api_keys.json").write_text("{oops")
    async with side(tmp_path) as http:
        assert (503, "keys_unreadable") == code_of(await http.post(CHAT))


async def test_a_body_over_the_limit_reaches_nobody(tmp_path: Path) -> None:
    serving = Serving()
    async with side(tmp_path, serving, body_limit_bytes=1024) as http:
        response = await http.post(CHAT, content=b"x" * 1025)

    assert ((413, "body_too_large"), []) == (code_of(response), serving.asked)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (InvalidRequest("no such model", status=404, code="model_not_found"), (404, "model_not_found")),
        (RuntimeError("oops"), (500, "internal_error")),
    ],
    ids=["the client's mistake", "a bug"],
)
async def test_a_failure_has_openai_s_form(tmp_path: Path, failure: Exception, expected: tuple[int, str]) -> None:
    async with side(tmp_path, Serving(failure)) as http:
        response = await http.post(CHAT)

    assert expected == code_of(response)
    assert "oops" not in response.text


@pytest.mark.parametrize(
    ("path", "last"),
    [
        (CHAT, b'data: {"error":'),
        ("/v1/messages", b'event: error\ndata: {"type":"error","error":{"type":"api_error",'),
        ("/v1/responses", b'event: error\ndata: {"type":"error","sequence_number":1,'),
    ],
)
async def test_a_bug_after_the_first_event_ends_the_stream_with_an_error_event(
    tmp_path: Path, path: str, last: bytes
) -> None:
    async with side(tmp_path, Serving(RuntimeError("oops"), first=b"data: {}\n\n")) as http:
        response = await http.post(path)

    first, second, rest = response.content.split(b"\n\n")
    assert (200, b"data: {}", b"") == (response.status_code, first, rest)
    assert second.startswith(last) and b"which is a bug" in second and b"oops" not in second


async def test_anthropic_s_clients_are_told_in_their_form_whoever_refuses_them(tmp_path: Path) -> None:
    """A key, a body, a method, a path that is none, a mistake that serving finds, a bug."""
    ask, read = "/v1/messages", {"x-request-id": "r1"}
    tries: list[tuple[Exception | None, str, str, dict[str, str], tuple[int, str]]] = [
        (None, "POST", ask, {"x-api-key": "no"}, (401, "authentication_error")),
        (None, "POST", ask, {"content-encoding": "br"}, (415, "invalid_request_error")),
        (None, "POST", ask, {"origin": "https://evil.example"}, (403, "permission_error")),
        (None, "GET", ask, {}, (405, "invalid_request_error")),
        (None, "DELETE", f"{ask}/count_tokens", {}, (405, "invalid_request_error")),
        (InvalidRequest("no", status=404, code="x"), "POST", ask, {}, (404, "not_found_error")),
        (InvalidRequest("no", status=413, code="x"), "POST", f"{ask}/count_tokens", {}, (413, "request_too_large")),
        (RuntimeError("oops"), "POST", ask, {}, (500, "api_error")),
    ]
    key = ApiKeys(tmp_path / "api_keys.json").add("phone")
    for failure, method, path, headers, expected in tries:
        async with side(tmp_path, Serving(failure)) as http:
            response = await http.request(method, path, headers={"x-api-key": key, **read, **headers})

        said = response.json()
        assert {"type", "error", "request_id"} == said.keys()
        assert ("error", "r1", expected) == (
            said["type"], said["request_id"], (response.status_code, said["error"]["type"])
        )  # fmt: skip


@pytest.mark.parametrize("path", [CHAT, "/health", "/ready"])
async def test_who_shows_no_key_is_not_answered_as_fast_as_he_can_ask(tmp_path: Path, path: str) -> None:
    """Off loopback, where strangers reach us."""
    ApiKeys(tmp_path / "api_keys.json").add("laptop")
    app = ClientApp(Serving(), a_page, ClientConfig(host="0.0.0.0"), ApiKeys(tmp_path / "api_keys.json"), "tok".__eq__)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 1))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://192.0.2.1") as http:
        answered = {(await http.get(path)).status_code for _ in range(32)}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await http.get(path)

    assert answered == ({401} if path == CHAT else {200})


@pytest.mark.parametrize(("encoding", "status"), [("gzip", 200), ("br", 415)])
async def test_a_compressed_body_is_unpacked_or_refused_by_its_encoding(
    tmp_path: Path, encoding: str, status: int
) -> None:
    serving = Serving()
    async with side(tmp_path, serving) as http:
        packed = gzip.compress(b"{1}")
        response = await http.post(CHAT, content=packed, headers={"content-encoding": encoding})

    assert (status, [b"{1}"] if status == 200 else []) == (response.status_code, [body for _, body, _ in serving.asked])


async def test_a_packed_body_in_another_charset_is_read(tmp_path: Path) -> None:
    serving = Serving()
    async with side(tmp_path, serving) as http:
        await http.post(CHAT, content="{1}".encode("utf-16"))
        await http.post(CHAT, content=gzip.compress("{1}".encode("utf-8-sig")), headers={"content-encoding": "gzip"})

    assert [b"{1}"] * 2 == [body for _, body, _ in serving.asked]


async def test_a_head_is_answered_as_a_get(tmp_path: Path) -> None:
    async with side(tmp_path) as http:
        assert 200 == (await http.head("/health")).status_code == (await http.head("/v1/models")).status_code


@pytest.mark.parametrize(
    ("version", "headers", "status"), [("1.0", [], 200), ("1.1", [], 403), ("1.0", [b"evil"], 403)]
)
async def test_only_http_1_0_may_leave_our_name_out(
    tmp_path: Path, version: str, headers: list[bytes], status: int
) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "http_version": version, "method": "GET", "path": "/health", "query_string": b""}
    app = ClientApp(Serving(), a_page, ClientConfig(), ApiKeys(tmp_path / "api_keys.json"), "tok".__eq__)  # type: ignore[arg-type]
    await app({**scope, "headers": [(b"host", host) for host in headers], "client": ("127.0.0.1", 1)}, receive, send)

    assert status == sent[0]["status"]
