"""The ledger: each sample has one stage, the stages add up, and what they name is there."""

import ast
from pathlib import Path

import pytest

from benchmarks.gateway.ledger import REST, STAGES, spent, stage_of

ROOT = Path(__file__).parents[3]
LOOP = "/usr/lib/asyncio/runners.py:run /home/ada/gateway/runtime/running.py:run_peer"
ASK = f"/ppai/gateway/serving/forward.py:run /ppai/gateway/serving/dispatch.py:_ask {LOOP}"


@pytest.mark.parametrize(
    ("stack", "stage"),
    [
        (LOOP, REST),
        (ASK, "relay"),
        (f"/ppai/gateway/beliefs/belief.py:observe_outcome /ppai/gateway/serving/attempts.py:observe {ASK}", "record"),
        (f"/ppai/gateway/serving/attempts.py:next {ASK}", "dispatch"),
        (f"/ppai/discovery/connection.py:ask /ppai/discovery/connections.py:post {ASK}", "upstream write"),
        (f"/ppai/discovery/connection.py:asked {LOOP}", "relay"),
        (f"/ppai/gateway/serving/dispatch.py:_ask /ppai/gateway/client/app.py:_generate {LOOP}", "lead"),
        (f"/ppai/gateway/client/app.py:__call__ {LOOP}", "let in"),
        (f"/lib/numpy/_core/numeric.py:full /ppai/gateway/serving/deciding/decider.py:choose {LOOP}", "plan"),
        (f"/ppai/gateway/server/exchange.py:take /ppai/gateway/server/connection.py:on_body {LOOP}", "let in"),
    ],
)
def test_a_sample_counts_for_the_stage_that_it_works_for(stack: str, stage: str) -> None:
    assert stage == stage_of(stack)


def test_stages_share_what_a_request_cost() -> None:
    found = spent([LOOP, ASK, ASK, ASK], 200.0)

    assert {*STAGES, REST} == set(found)
    assert (150.0, 50.0, 200.0) == (found["relay"], found[REST], sum(found.values()))


def test_nobody_sampled_costs_nothing() -> None:
    assert {0.0} == set(spent([], 200.0).values())


@pytest.mark.parametrize("mark", [mark for marks in STAGES.values() for mark in marks])
def test_every_function_of_a_stage_is_there(mark: str) -> None:
    """A function that was renamed would silently count as REST."""
    name, _, function = mark.partition(":")
    path = ROOT / name

    assert path.exists()
    if function:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        assert function in {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
