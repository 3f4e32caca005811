"""Who may go on with an answer that broke off, and when nobody may."""

import json

import pytest
from msgspec import structs

from gateway.routing.choice import Choice
from gateway.routing.query import Query
from gateway.serving.deciding.going_on import is_hopeless, query_of
from gateway.wire.request import read_request
from tests.gateway.routing.test_course import candidate

REST = read_request(
    "chat/completions", json.dumps({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}).encode()
)
BY = structs.replace(candidate("ben"), model="qwen2.5:7b-instruct")
SERVED = ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5:7b-instruct", "llama3.1:8b")


@pytest.mark.parametrize(
    ("asked", "others"),
    [
        (Query(), set()),
        (Query(models=frozenset({"coder"})), {"coder"}),
        (Query(models=frozenset({"a", "b"}), chain=(frozenset({"a"}), frozenset({"b"}))), {"a", "b"}),
        (Query(chain=(frozenset({"a"}), None)), {"a"}),
    ],
    ids=["anyone", "a model", "a chain", "a chain that ends with anyone"],
)
def test_the_rest_is_for_the_same_model_by_any_name_and_for_those_that_were_named(
    asked: Query, others: set[str]
) -> None:
    rest = query_of(REST, asked, BY, SERVED)

    assert {*SERVED[:2], *others} == rest.models
    assert ((), 9, REST.prompt_tokens) == (rest.chain, rest.max_tokens, rest.prompt_tokens)


@pytest.mark.parametrize(
    ("who", "why", "model", "is_over"),
    [
        ("ada", "closed", "m", False),
        ("ada", "field", "m", True),
        ("ada", "closed", "another", True),
        ("ben", "suspect", "m", True),
    ],
    ids=["its door is closed for now", "it never may", "it has no such model", "it broke off itself"],
)
def test_nobody_goes_on_where_nobody_can_soon(who: str, why: str, model: str, is_over: bool) -> None:
    rest = structs.replace(candidate(who), model=model, excluded=why)
    query = Query(models=frozenset({"m"}))

    assert is_over == is_hopeless(Choice("none", 1.0, (), True, (rest,)), query, BY)
    assert not is_hopeless(Choice("best", 1.0, (candidate("ada"),), True, (rest,)), query, BY)
