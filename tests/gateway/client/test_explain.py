"""Who would answer, and why, without a model being asked."""

import pytest

from gateway.client.calls import BODY_LIMIT_BYTES
from gateway.engines.engine_state import EngineState
from tests.gateway.client.site import OWNER, Site


async def test_a_decision_is_explained_without_being_carried_out(site: Site) -> None:
    status, said = await site.post("/ppai/v1/route", {"text": "what is a prime?"})

    target = {"peer": "ada", "agent": "org/small", "model": "org/small", "kind": "model", "base": None, "tools": []}
    assert (200, target) == (status, said["target"])
    assert ("only_candidate", None, None) == (said["reason"], said["relevance"], said["category"])
    assert ["ada"] == [row["peer"] for row in said["candidates"]]
    assert [] == (await site.http.get("/ppai/v1/events", headers=OWNER)).json()


async def test_an_explained_decision_takes_the_headers_of_a_real_one(site: Site) -> None:
    _, said = await site.post("/ppai/v1/route", {"text": "hi"}, {"x-ppai-beta": "0.5", "x-ppai-local-only": "1"})

    assert (0.5, "client") == (said["beta_per_s"], said["reason"])


async def test_where_nobody_would_answer_the_reason_is_told(site: Site) -> None:
    site.node.serve([])
    site.engine.state = EngineState("no engine yet")

    status, said = await site.post("/ppai/v1/route", {"text": "what is a prime?"})

    assert (200, None, "no engine yet") == (status, said["target"], said["problem"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"hello", 400),
        (b'{"text":7}', 400),
        (b'{"text":"\xff"}', 400),
        (b'{"text":"hi","model":"gpt-4o"}', 404),
        (b'{"text":"hi","max_tokens":-1}', 400),
        (b" " * (BODY_LIMIT_BYTES + 1), 413),
    ],
    ids=["empty", "no JSON", "no text", "no UTF-8", "unknown model", "negative", "too large"],
)
async def test_a_malformed_question_is_told_so(site: Site, body: bytes, status: int) -> None:
    answered, said = await site.post("/ppai/v1/route", body)

    assert status == answered
    assert said["error"]["message"]


async def test_rules_are_explained_to_the_owner_alone(site: Site) -> None:
    status, said = await site.post("/ppai/v1/privacy", {"text": "hi"})

    assert (401, "not_the_owner") == (status, said["error"]["code"])


async def test_a_rule_that_holds_is_shown_in_both_explanations(site_with_rules: Site) -> None:
    """Though all runs on this machine, where nothing would be looked at. What it found is not said."""
    asked = {"text": "4242 4242 4242 4242", "headers": {"X-Team": "red"}}

    _, route = await site_with_rules.post("/ppai/v1/route", asked)
    status, said = await site_with_rules.post("/ppai/v1/privacy", asked, OWNER)

    assert {"to": "my machines", "rule": "cards", "told": True} == route["privacy"]
    assert (200, "my machines", "cards") == (status, said["to"], said["rule"])
    assert {"cards": True, "team": True, "key": False, "mail": False} == {
        rule["name"]: rule["holds"] for rule in said["rules"]
    }
    assert "4242" not in str(said) + str(route)
