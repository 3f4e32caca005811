"""What a request asks for: under which names models are meant, and what the client wishes of PPAI itself."""

import json
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from msgspec import structs

from gateway.models.names import NamesConfig
from gateway.models.same import NAME_CHARS
from gateway.serving.deciding.queries import KINDS_KEPT
from gateway.wire.bodies import ENDPOINTS
from gateway.wire.errors import InvalidRequest
from tests.fakes import ScriptedEngine
from tests.gateway.serving.desk import CHAT, desk

# --- names ---


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (NamesConfig(), {"auto": "mine", "mine": "mine"}),
        (NamesConfig(aliases={"gpt-4o": "auto", "o1": "mine"}), {"gpt-4o": "gpt-4o", "o1": "o1"}),
        (NamesConfig(transparent=True), {"gpt-4o": "gpt-4o", "mine": "mine"}),
    ],
    ids=["plain", "aliases", "transparent"],
)
async def test_names(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, names: NamesConfig, shown: dict[str, str]
) -> None:
    """The engine is asked by its own name, and the reply bears the one the client knows."""
    async with desk(tmp_path, mine, theirs, names) as ada:
        replies = {asked: json.loads((await ada.ask(model=asked)).body)["model"] for asked in shown}

    assert shown == replies
    assert {"mine"} == {body["model"] for body in mine.asked}


async def test_the_same_model_under_another_name_is_asked_by_its_own_name(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    asked = "hf.co/somebody/Scripted-1-GGUF:Q4_K_M"
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask(model=asked)

    assert ("ben", asked) == (client.headers["x-ppai-peer"], json.loads(client.body)["model"])
    assert (0, ["scripted-1"]) == (len(mine.asked), [body["model"] for body in theirs.asked])


@pytest.mark.parametrize(
    ("names", "asked", "shown"),
    [
        (NamesConfig(aliases={"coder": ("mine", "scripted-1")}), {"model": "coder"}, "coder"),
        (NamesConfig(), {"model": "mine", "models": ["nobody-s", "scripted-1"]}, "scripted-1"),
        (NamesConfig(), {"model": None, "models": ["mine", "auto"]}, "scripted-1"),
    ],
    ids=["alias", "models", "models alone"],
)
async def test_the_next_wish_is_asked_for_where_the_first_fails(
    tmp_path: Path,
    mine: ScriptedEngine,
    theirs: ScriptedEngine,
    names: NamesConfig,
    asked: dict[str, object],
    shown: str,
) -> None:
    """A list of models is not sent on: who answers was decided here."""
    async with desk(tmp_path, mine, theirs, names) as ada:
        at_once = await ada.ask(**asked)
        mine.status = 500
        failed_over = await ada.ask(**asked)

    assert ("ben", shown) == (failed_over.headers["x-ppai-peer"], json.loads(failed_over.body)["model"])
    assert "mine" == at_once.headers["x-ppai-model"]
    assert {"model", "models"} & theirs.asked[0].keys() == {"model"}


async def test_an_unknown_name_is_a_404_and_nobody_is_asked(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        with pytest.raises(InvalidRequest, match="`scripted-1`") as caught:
            await ada.ask(model="scripted-2")

        assert (404, "model_not_found") == (caught.value.status, caught.value.code)
        assert ([], ["refused"]) == (ada.node.reserved, [line["status"] for line in ada.route_log.tail])


async def test_another_s_model_is_asked_there(tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask(model="scripted-1")

    assert ("ben", "scripted-1") == (client.headers["x-ppai-peer"], json.loads(client.body)["model"])
    assert (0, ["scripted-1"]) == (len(mine.asked), [body["model"] for body in theirs.asked])


# --- wishes ---


async def test_the_client_s_word_counts(tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine) -> None:
    said: list[tuple[dict[str, str], dict[str, object], str, str]] = [
        ({"x-ppai-route": "ben"}, {}, "ben", "pinned"),
        ({"x-ppai-route": "local"}, {}, "ada", "pinned"),
        ({"x-ppai-route": "ada"}, {}, "ada", "pinned"),
        ({"x-ppai-local-only": "1"}, {}, "ada", "client"),
        ({"x-ppai-local-only": "0", "x-ppai-route": "ben"}, {}, "ben", "pinned"),
        ({}, {"best_of": 2}, "ada", "field:best_of"),
        ({}, {"chat_template": "x"}, "ada", "field:chat_template"),
    ]
    async with desk(tmp_path, mine, theirs) as ada:
        for headers, fields, peer, reason in said:
            client = await ada.ask(headers, **fields)

            assert (peer, reason) == (client.headers["x-ppai-peer"], client.headers["x-ppai-reason"])
    assert [sum(peer == name for _, _, peer, _ in said) for name in ("ada", "ben")] == [
        len(mine.asked),
        len(theirs.asked),
    ]


async def test_what_one_request_wishes_is_not_the_next_one_s(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Though both ask for the same model, whom its name means is looked up once, and of the last models alone."""
    async with desk(tmp_path, mine, theirs, NamesConfig(transparent=True)) as ada:
        decide, queries = ada.dispatcher.decider.decide, ada.dispatcher.decider.queries
        plain = (await decide("chat/completions", json.dumps(CHAT).encode(), {})).query
        for headers in ({"x-ppai-local-only": "1"}, {"x-ppai-route": "ben"}, {"x-ppai-beta": "0.5"}):
            asked = (await decide("chat/completions", json.dumps(CHAT).encode(), headers)).query
            again = (await decide("chat/completions", json.dumps(CHAT).encode(), {})).query

            assert structs.asdict(plain) != structs.asdict(asked)
            assert structs.asdict(plain) == structs.asdict(again)
        for number in range(KINDS_KEPT):
            await decide("chat/completions", json.dumps(CHAT | {"model": f"m{number}"}).encode(), {})

        assert KINDS_KEPT == len(queries._known)


async def test_a_model_s_name_that_is_longer_than_any_is_not_remembered(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """It may be a prompt in the wrong place, as long as a body can be, and means `auto` where names are transparent."""
    async with desk(tmp_path, mine, theirs, NamesConfig(transparent=True)) as ada:
        decider = ada.dispatcher.decider
        await decider.decide("chat/completions", json.dumps(CHAT | {"model": "m" * (NAME_CHARS + 1)}).encode(), {})
        assert 0 == len(decider.queries._known)

        await decider.decide("chat/completions", json.dumps(CHAT | {"model": "m" * NAME_CHARS}).encode(), {})
        assert 1 == len(decider.queries._known)


async def test_what_must_stay_on_this_machine_goes_to_no_engine_elsewhere(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Ada's own engine runs on another host. A pin to it alone is a wish for it, wherever it is."""
    async with desk(tmp_path, mine, theirs) as ada:
        ada.node.serve([replace(agent, place="other host") for agent in ada.node.own_agents])
        for mark in ("x-ppai-local-only", "x-ppai-local"):
            refused = await ada.ask({mark: "1"})
            pinned = await ada.ask({mark: "1", "x-ppai-route": "local"})

            assert (422, 422) == (refused.status, pinned.status)
            assert b"`engine.place: here`" in refused.body
        assert "ada" == (await ada.ask({"x-ppai-route": "local"})).headers["x-ppai-peer"]

    assert (1, 0) == (len(mine.asked), len(theirs.asked))


DEEP = {
    "chat/completions": b'{"messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"x":%s}}',
    "completions": b'{"prompt":"x","response_format":%s,"n":1}',
    "embeddings": b'{"input":"x","z":%s}',
    "responses": b'{"input":%s,"instructions":%s}',
    "messages": b'{"messages":[%s],"system":%s}',
    "messages/count_tokens": b'{"messages":[{"role":"user","content":%s}]}',
}


async def test_a_body_that_is_nested_deeply_is_a_400_or_read_at_any_depth_and_nothing_between(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Whatever the depth at which one of several readers of a body gives up."""
    refused = Counter[str]()
    async with desk(tmp_path, mine, theirs) as ada:
        for endpoint, depth in product(ENDPOINTS, (*range(890, 990), 100_000, 100_001)):
            nested = (b"[" * depth + b"]" * depth, b'{"content":' * depth + b'"x"' + b"}" * depth)[depth % 2]
            try:
                await ada.dispatcher.decider.decide(endpoint, DEEP[endpoint].replace(b"%s", nested), {})
            except InvalidRequest as error:
                assert (400, "invalid_json") == (error.status, error.code)
                refused[endpoint] += 1

    assert {*ENDPOINTS} == {endpoint for endpoint, times in refused.items() if times > 1}


async def test_a_pin_that_cannot_be_followed_says_why(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Nobody else answers instead: the client named one."""
    asked: list[tuple[str, dict[str, str], dict[str, object], int, str, str]] = [
        ("", {"x-ppai-route": "ben"}, {"best_of": 2}, 422, "peer_field:best_of", "your own engine alone"),
        ("", {"x-ppai-route": "ben", "x-ppai-local-only": "1"}, {}, 422, "peer_client", "may not be sent there"),
        ("", {"x-ppai-route": "ben"}, {"model": "mine"}, 404, "peer_model", "see `ppai models`"),
        ("revoke", {"x-ppai-route": "ben"}, {}, 403, "peer_not_approved", "ppai approve "),
        ("suspect", {"x-ppai-route": "ben"}, {}, 503, "peer_suspect", "try again, or ask `auto`"),
    ]
    async with desk(tmp_path, mine, theirs) as ada:
        for prepare, headers, fields, status, code, said in asked:
            if prepare == "revoke":
                ada.me.admission.revoke(ada.ben.id)
            if prepare == "suspect":
                ada.me.transport.suspect(ada.ben.id, "test")
            client = await ada.ask(headers, **fields)

            assert (status, code, "none") == (client.status, client.error["code"], client.headers["x-ppai-reason"])
            assert said in client.error["message"]
    assert ([], []) == (mine.asked, theirs.asked)


async def test_a_pin_to_nobody_is_a_404(tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine) -> None:
    """An empty one, too, as of a variable that is not set: it does not mean anybody."""
    async with desk(tmp_path, mine, theirs) as ada:
        for nobody in ("", " ", "zoe"):
            with pytest.raises(InvalidRequest, match="see `ppai peers`") as caught:
                await ada.ask({"x-ppai-route": nobody})

            assert (404, "peer_not_found") == (caught.value.status, caught.value.code)


async def test_a_beta_that_is_no_price_is_refused(tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        for beta in ("", "many", "-1", "nan", "inf", "1e10"):
            with pytest.raises(InvalidRequest, match="x-ppai-beta") as caught:
                await ada.ask({"x-ppai-beta": beta})

            assert (400, "x-ppai-beta") == (caught.value.status, caught.value.param)


async def test_beta_and_session_reach_the_decision(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        headers = {"x-ppai-beta": "0.25", "x-conversation-id": "c1"}
        routed = await ada.dispatcher.decider.decide("chat/completions", json.dumps(CHAT).encode(), headers)

    assert (0.25, "c1") == (routed.choice.beta_per_s, routed.query.session)
