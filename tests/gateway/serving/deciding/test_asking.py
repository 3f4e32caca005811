"""What a candidate is asked, and what the headers of its answer say of it."""

import json
from dataclasses import replace

import pytest
from msgspec import structs

from gateway.capacity.doors import Served
from gateway.privacy.fields import may_travel
from gateway.serving.deciding.asking import of_ours, of_peer
from gateway.serving.deciding.decider import Routed
from gateway.serving.headers import NOTHING
from gateway.wire.request import read_request
from tests.gateway.capacity.jobs import door_of
from tests.gateway.routing.ada import MATHS
from tests.gateway.routing.test_course import candidate, choice

OWN = candidate("own", local=True, agent="small")


def routed(**fields: object) -> Routed:
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], **fields}).encode()
    request = read_request("chat/completions", body)
    return Routed(request, NOTHING, None, structs.replace(MATHS, session=request.session), choice("own"))


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, "small"),
        ({"model": "auto"}, "small"),
        ({"model": "Small:latest"}, "Small:latest"),
        ({"model": "large", "models": ["small"]}, "small"),
    ],
)
def test_an_answer_calls_its_model_as_it_was_asked_for_if_one_was(fields: dict[str, object], shown: str) -> None:
    target = of_ours(routed(**fields), OWN, "best", Served(0, door_of(1), "small-id"), 3.0)

    assert ("small", shown, 3.0) == (target.model, target.shown_model, target.began)
    assert "small-id" == json.loads(b"".join(target.body))["model"]


@pytest.mark.parametrize(("last_resort", "reason"), [(False, "best"), (True, "last_resort")])
def test_headers_say_who_answers_and_why(last_resort: bool, reason: str) -> None:
    asked = structs.replace(OWN, last_resort=last_resort, score=0.25, cost_s=1 / 3)
    told = of_ours(routed(), asked, "best", Served(0, door_of(1), "small"), 3.0).headers

    assert {
        "x-ppai-peer": "own", "x-ppai-model": "small", "x-ppai-score": "0.2500", "x-ppai-cost-s": "0.3333",
        "x-ppai-reason": reason,
    } == told  # fmt: skip


def test_another_peer_gets_what_may_travel_and_none_of_our_engines_headers() -> None:
    asks = structs.replace(routed(user="me"), wishes=replace(NOTHING, passed={"anthropic-version": "1"}))
    travel = may_travel(asks.request, trusted=True)

    target = of_peer(asks, travel, candidate("ben", agent="small"), "best", door_of(1).engine, 3.0)

    assert {} == target.upstream_headers
    assert b'"me"' not in b"".join(target.body) and b"hi" in b"".join(target.body)
