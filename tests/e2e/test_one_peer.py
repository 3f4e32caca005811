"""One real peer process in front of a scripted engine: the API from outside, and every row of the bad-input list."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path

import aiohttp
import openai
import psutil
import pytest

from tests.e2e.peer import PeerProcess, ppai
from tests.fakes import ScriptedEngine, held_port

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def one_engine() -> Iterator[ScriptedEngine]:
    with ScriptedEngine().serving_beside() as engine:
        yield engine


@pytest.fixture(scope="module")
def one_peer(one_engine: ScriptedEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeerProcess]:
    with PeerProcess(tmp_path_factory.mktemp("one") / "home", "--engine", one_engine.url) as peer:
        yield peer


@pytest.fixture
async def engine(one_engine: ScriptedEngine) -> ScriptedEngine:
    """One for all tests here, as if new."""
    await one_engine.until(lambda engine: engine.active == 0)
    return one_engine.begin_again()


@pytest.fixture
def peer(engine: ScriptedEngine, one_peer: PeerProcess) -> PeerProcess:
    """One for all tests here, before `engine`. Who stops it or counts its memory starts a peer of its own."""
    return one_peer.wait_ready()


@pytest.fixture
def own_peer(engine: ScriptedEngine, tmp_path: Path) -> Iterator[PeerProcess]:
    with PeerProcess(tmp_path / "home", "--engine", engine.url) as peer:
        yield peer.wait_ready()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


def client_of(peer: PeerProcess) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=peer.url + "/v1", api_key="any", max_retries=0)


@pytest.fixture
async def sdk(peer: PeerProcess) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_of(peer) as client:
        yield client


async def test_the_sdk_is_answered_whole_and_streamed(sdk: openai.AsyncOpenAI) -> None:
    whole = await sdk.chat.completions.with_raw_response.create(model="auto", **HELLO)
    stream = await sdk.chat.completions.create(
        model="auto", stream=True, stream_options={"include_usage": True}, **HELLO
    )
    chunks = [chunk async for chunk in stream]

    assert "one two three four" == whole.parse().choices[0].message.content
    assert "scripted-1" == whole.headers["x-ppai-model"]
    assert "only_candidate" == whole.headers["x-ppai-reason"]
    assert "one two three four" == "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert 4 == chunks[-1].usage.completion_tokens


async def test_bytes_reach_the_engine_unchanged(
    peer: PeerProcess, engine: ScriptedEngine, http: aiohttp.ClientSession
) -> None:
    body = b'{ "model":"scripted-1", "messages":[{"role":"user","content":"h\xc3\xa9"}], "x_new": [1.50, {"a":null}] }'

    async with http.post(peer.url + CHAT, data=body) as response:
        assert 200 == response.status

    assert [body] == engine.bodies


async def test_models_are_listed_and_retrieved(sdk: openai.AsyncOpenAI) -> None:
    assert ["auto", "scripted-1"] == [model.id async for model in sdk.models.list()]
    assert "scripted-1" == (await sdk.models.retrieve("scripted-1")).id
    with pytest.raises(openai.NotFoundError):
        await sdk.models.retrieve("nope")


async def test_status_health_and_metrics(
    peer: PeerProcess, sdk: openai.AsyncOpenAI, http: aiohttp.ClientSession
) -> None:
    async def counted() -> tuple[float, float]:
        async with http.get(peer.url + "/metrics") as response:
            samples = dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines() if line[0] != "#")
        names = 'ppai_requests_total{status="ok",target="local"}', 'ppai_tokens_total{kind="completion",target="local"}'
        return float(samples.get(names[0], 0)), float(samples.get(names[1], 0))

    before = await counted()
    await sdk.chat.completions.create(model="auto", **HELLO)
    async with http.get(peer.url + "/ppai/v1/status") as response:
        status = await response.json()

    assert (before[0] + 1, before[1] + 4) == await counted()
    assert (["scripted-1"], []) == ([model["id"] for model in status["engine"]["models"]], status["missing"])


async def test_the_route_log_has_a_line_and_no_words_of_the_prompt(peer: PeerProcess, sdk: openai.AsyncOpenAI) -> None:
    log = peer.home / "route.jsonl"
    prompt = {"messages": [{"role": "user", "content": "my secret plan"}]}

    def lines() -> list[str]:
        """Those of this request; they are written soon after the answer."""
        return [line for line in log.read_text().splitlines() if "of-the-plan" in line] if log.exists() else []

    await sdk.chat.completions.create(model="auto", extra_headers={"x-request-id": "of-the-plan"}, **prompt)

    peer.wait(lines, "to log")
    (line,) = lines()
    assert ("ok", "scripted-1", 4) == tuple(json.loads(line)[key] for key in ("status", "model", "tokens"))
    assert "secret" not in line + peer.output


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "says"),
    [
        (CHAT, b"{oops", 400, "invalid_json", "not valid JSON"),
        (CHAT, b"{}", 400, None, "missing required field `messages`"),
        (CHAT, b'{"messages":[]}', 400, None, "`messages` is empty"),
        (CHAT, {**HELLO, "temperature": "hot"}, 400, None, "$.temperature"),
        (CHAT, {**HELLO, "model": "scripted-2"}, 404, "model_not_found", "Did you mean `scripted-1`"),
        (CHAT, b" " * (40 << 20), 413, "body_too_large", "client.body_limit_bytes"),
        (CHAT, {"messages": [{"role": "user", "content": "word " * 4500}]}, 400, "too_long", "5000 tokens"),
        (CHAT, {"messages": [{"role": "user", "content": "word " * 40000}]}, 400, "context_length_exceeded", "is 4096"),
        ("/v1/nonsense", {}, 404, "not_found", "/v1/nonsense"),
    ],
)
async def test_bad_input_is_a_clear_openai_error(
    peer: PeerProcess, engine: ScriptedEngine, http: aiohttp.ClientSession, path: str, body: object, status: int,
    code: str | None, says: str,
) -> None:  # fmt: skip
    if code == "too_long":  # the engine's own verdict passes unchanged: it alone can count its tokens
        engine.status, engine.error = 400, b'{"error":{"message":"over 5000 tokens","type":"x","code":"too_long"}}'
    data = BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())

    async with http.post(peer.url + path, data=data) as response:
        answer = await response.json()

    assert (status, code) == (response.status, answer["error"]["code"])
    assert says in answer["error"]["message"]


async def test_wrong_method_and_foreign_callers_are_refused(peer: PeerProcess, http: aiohttp.ClientSession) -> None:
    async with http.get(peer.url + CHAT) as response:
        assert (405, "method_not_allowed") == (response.status, (await response.json())["error"]["code"])
        assert "POST" == response.headers["allow"]
    async with http.post(peer.url + CHAT, json=HELLO, headers={"host": "evil.example"}) as response:
        assert (403, "bad_host") == (response.status, (await response.json())["error"]["code"])
    async with http.post(peer.url + CHAT, json=HELLO, headers={"origin": "https://evil.example"}) as response:
        assert (403, "bad_origin") == (response.status, (await response.json())["error"]["code"])
    async with http.post(peer.url + CHAT, json=HELLO, headers={"origin": "http://localhost:3000"}) as response:
        assert "http://localhost:3000" == response.headers["access-control-allow-origin"]
        assert "x-ppai-peer" in response.headers["access-control-expose-headers"]


@pytest.mark.parametrize("path", ["approve", "revoke", "profile"])
async def test_the_owners_calls_need_the_owners_token(
    peer: PeerProcess, http: aiohttp.ClientSession, path: str
) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}):
        async with http.post(f"{peer.url}/ppai/v1/{path}", json={"who": "ben"}, headers=headers) as response:
            assert (401, "not_the_owner") == (response.status, (await response.json())["error"]["code"])


async def test_with_a_key_made_only_its_bearers_and_the_owner_are_served(
    peer: PeerProcess, http: aiohttp.ClientSession
) -> None:
    home = ("--home", str(peer.home))
    key = (await asyncio.to_thread(ppai, "key", "add", "phone", *home)).stdout.strip()

    asked = {
        name: await _status(http, peer, headers)
        for name, headers in {
            "none": {},
            "wrong": {"authorization": "Bearer sk-ppai-wrong"},
            "openai": {"authorization": f"Bearer {key}"},
            "anthropic": {"x-api-key": key},
        }.items()
    }
    owner = await asyncio.to_thread(ppai, "ask", "hi", *home)
    async with http.get(peer.url + "/health") as health:
        assert 200 == health.status
    assert 0 == (await asyncio.to_thread(ppai, "key", "remove", "phone", *home)).returncode

    refused = (401, "invalid_api_key")
    assert {"none": refused, "wrong": refused, "openai": (200, None), "anthropic": (200, None)} == asked
    assert 0 == owner.returncode
    assert (200, None) == await _status(http, peer, {})


async def _status(http: aiohttp.ClientSession, peer: PeerProcess, headers: dict[str, str]) -> tuple[int, str | None]:
    async with http.post(peer.url + CHAT, json=HELLO, headers=headers) as response:
        return response.status, (await response.json()).get("error", {}).get("code")


def test_off_loopback_a_peer_without_keys_does_not_start(tmp_path: Path) -> None:
    refused = ppai("serve", "--home", str(tmp_path), "--host", "0.0.0.0", "--port", "0")

    assert 1 == refused.returncode
    assert "ppai key add NAME" in refused.stderr


@pytest.mark.alone
@pytest.mark.parametrize("window", ["before the first token", "mid-stream", "not streamed"])
async def test_a_client_that_leaves_cancels_the_engine_within_a_second(
    peer: PeerProcess, engine: ScriptedEngine, http: aiohttp.ClientSession, window: str
) -> None:
    engine.delay_s = 0 if window == "mid-stream" else 60
    engine.token_s = 60

    request = asyncio.create_task(_post(http, peer, {**HELLO, "stream": window != "not streamed"}))
    await engine.until(lambda e: e.active == 1)
    if window == "mid-stream":
        (await request).close()
    else:
        request.cancel()

    await engine.until(lambda e: e.active == 0 and e.hung_up == 1, timeout_s=1)


async def _post(http: aiohttp.ClientSession, peer: PeerProcess, body: object) -> aiohttp.ClientResponse:
    return await http.post(peer.url + CHAT, json=body)


async def test_an_engine_that_is_not_there_is_waited_for(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    with held_port() as port, PeerProcess(tmp_path / "home", "--engine", f"http://127.0.0.1:{port}") as peer:
        peer.wait(lambda: "does not answer" in peer.output, "to say so")
        async with http.get(peer.url + "/ready") as response:
            assert 503 == response.status
            assert "start it, or name another with --engine URL" in (await response.json())["missing"][0]
        async with http.post(peer.url + CHAT, json=HELLO) as response:
            assert (503, "not_ready") == (response.status, (await response.json())["error"]["code"])
            assert "retry-after" in response.headers
        async with ScriptedEngine().serving(port):
            await asyncio.to_thread(peer.wait_ready)
            async with client_of(peer) as sdk:
                assert (await sdk.chat.completions.create(model="auto", **HELLO)).choices


async def test_an_engine_that_dies_in_mid_stream_is_told_in_band(
    sdk: openai.AsyncOpenAI, engine: ScriptedEngine
) -> None:
    engine.cut_after = 3
    stream = await sdk.chat.completions.create(model="auto", stream=True, **HELLO)

    with pytest.raises(openai.APIError, match="too early"):
        async for _ in stream:
            pass


async def test_transparent_peers_route_any_name_and_give_it_back(engine: ScriptedEngine, tmp_path: Path) -> None:
    with PeerProcess(tmp_path / "home", "--engine", engine.url, "--transparent") as peer:
        peer.wait_ready()

        async with client_of(peer) as sdk:
            answer = await sdk.chat.completions.create(model="gpt-4o", **HELLO)

    assert "gpt-4o" == answer.model
    assert "scripted-1" == engine.asked[-1]["model"]


async def test_the_commands_see_the_running_peer(peer: PeerProcess) -> None:
    home = ("--home", str(peer.home))

    asked = await asyncio.to_thread(ppai, "ask", "hi", *home)
    told = await asyncio.to_thread(ppai, "status", *home, "--json")

    assert (0, "one two three four\n") == (asked.returncode, asked.stdout)
    assert "answered by" in asked.stderr
    assert "scripted-1" == json.loads(told.stdout)["engine"]["models"][0]["id"]


def test_stopping_is_clean_and_the_log_stays(own_peer: PeerProcess) -> None:
    """`ppai stop` returns when the peer has ended; what it said is read afterwards."""
    stopped = ppai("stop", "--home", str(own_peer.home))

    assert (0, f"the peer of {own_peer.home} has ended\n") == (stopped.returncode, stopped.stderr)
    assert (0, False) == (own_peer.stop(), (own_peer.home / "running.json").exists())
    shown = ppai("logs", "--home", str(own_peer.home)).stdout
    assert [True, True] == [words in shown for words in (f"serves {own_peer.url}/v1\n", "stopping: ")]


@pytest.mark.slow
def test_port_in_use_home_in_use_and_home_not_writable_say_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = ppai("serve", "--home", str(tmp_path / "a"), "--port", port)
    unwritable = ppai("serve", "--home", "/dev/null/home", "--port", "0")
    with PeerProcess(tmp_path / "b", "--engine", "http://127.0.0.1:9"):
        twice = ppai("serve", "--home", str(tmp_path / "b"), "--port", "0")

    for result, says in ((refused, "--port"), (unwritable, "--home DIR or PPAI_HOME"), (twice, "already running")):
        assert 1 == result.returncode
        assert says in result.stderr
        assert "Traceback" not in result.stderr


def test_half_downloaded_weights_name_the_command(tmp_path: Path) -> None:
    weights = tmp_path / "weights" / "smollm2"
    weights.mkdir(parents=True)
    (weights / "smollm2-135m-instruct-q4_1.gguf").write_bytes(b"GGUF" + b"\0" * 1000)
    with PeerProcess(
        tmp_path / "home", "--engine", "embedded", env={"PPAI_WEIGHTS": str(tmp_path / "weights")}
    ) as peer:
        peer.wait(lambda: "ppai pull smollm2" in peer.output, "to name the command")

        assert 503 == peer.get("/ready")[0]


def test_no_peer_running_says_how_to_start_one(tmp_path: Path) -> None:
    result = ppai("status", "--home", str(tmp_path))

    assert 1 == result.returncode
    assert f"ppai serve --home {tmp_path}" in result.stderr


def test_an_idle_peer_is_small_and_loads_nothing_heavy(own_peer: PeerProcess) -> None:
    process = psutil.Process(own_peer.pid)

    assert process.memory_info().rss < 150 << 20
    mapped = " ".join(mapping.path for mapping in process.memory_maps())
    assert not [name for name in ("torch", "sentence_transformers", "litellm", "sklearn") if f"/{name}/" in mapped]


@pytest.mark.slow  # answers in progress have 5 s to end
async def test_a_stop_in_mid_answer_is_told_to_clients_and_is_no_traceback(tmp_path: Path) -> None:
    engine = ScriptedEngine(token_s=1.0, answer=lambda body: "word " * 60)
    with engine.serving_beside(), PeerProcess(tmp_path / "home", "--engine", engine.url) as peer:
        await asyncio.to_thread(peer.wait_ready)
        async with aiohttp.ClientSession() as http:

            async def asked(**fields: bool) -> str:
                async with http.post(peer.url + CHAT, json={**HELLO, **fields}) as response:
                    return await response.text()

            answers = [asyncio.create_task(asked(stream=stream)) for stream in (True, False)]
            await engine.until(lambda engine: engine.active == 2)
            code = await asyncio.to_thread(peer.stop)
            streamed, whole = await asyncio.gather(*answers)

    assert (0, "stopping") == (code, json.loads(whole)["error"]["code"])
    assert "stopping" == json.loads(streamed.strip().rpartition("data: ")[2])["error"]["code"]
    assert 2 == peer.output.count("answer_ended_by_stop")
    assert "Traceback" not in peer.output


async def test_the_doctor_finds_nothing_wrong_with_it(peer: PeerProcess) -> None:
    """And looks at its engine, its ports and its network through its pages."""
    quiet = {"PPAI_NETWORK_MDNS": "false"}
    told = await asyncio.to_thread(ppai, "doctor", "--json", "--home", str(peer.home), env=quiet)

    found = {one["id"]: one["ok"] for one in json.loads(told.stdout)}
    assert (0, []) == (told.returncode, [name for name, ok in found.items() if ok is False])
    assert {"peer", "port-peer", "engine-found", "engine-token", "identity"} <= {name for name in found if found[name]}
