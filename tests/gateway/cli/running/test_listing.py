"""Every agent of the network is listed with what it was measured to be best at."""

import json
from typing import Any

import pytest

from gateway.cli.running.listing import _good_words, agents, agents_of
from gateway.home.folder import Home
from tests.gateway.cli.answering import Peer
from tests.gateway.cli.running.test_following import event

CATEGORIES = ["coding", "law", "maths", "small talk", "sport", "translation"]


def agent(name: str, **changed: Any) -> dict[str, Any]:
    said = {"name": name, "model": name, "kind": "model", "base": None, "context_tokens": 4096, "parameters": 32e9}
    return (
        said
        | {"quantisation": "Q4_K_M", "prior": "prior from the name: 32B qwen3", "good": None, "evidence": None}
        | changed
    )


MEASURED = agent("coder", good=[0.884, 0.2, 0.92, None, 1.0, 0.5], evidence=[61, 9, 120, 0, 3, 20])
VALUES = {
    "me": {"name": "ada", "id": "a" * 52, "categories": CATEGORIES},
    "peer/z": {"id": "z", "shown": "zoe", "state": "suspect"},
    "peer/b": {"id": "b", "shown": "ben", "state": "alive"},
    "peer/d": {"id": "d", "shown": "dan", "state": "dead"},
    "good/me": [agent("small", parameters=135e6, quantisation=None)],
    "good/b": [MEASURED, agent("librarian", kind="agent", base="small", context_tokens=0, prior="")],
    "good/z": [],
    "good/d": [agent("gone")],
}


def test_agents_are_listed_ours_first_with_the_best_categories(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A category with three answers is not named, however good they were."""
    peer.body = event("change", all=True, set=VALUES, gone=[])

    agents(home=home.path)

    assert [
        "agent      peer            what                context  good at",
        "small      ada (this one)  135M                   4096  not measured: prior from the name: 32B qwen3",
        "coder      ben             32B Q4_K_M             4096  maths 92 %, coding 88 %, translation 50 %, law 20 %;"
        " of 213 answers",
        "librarian  ben             an agent on small  not told  not measured",
    ] == capsys.readouterr().out.splitlines()


def test_programs_get_each_category_with_its_answers(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.body = event("change", all=True, set=VALUES, gone=[])

    agents(home=home.path, as_json=True)

    small, coder, _ = json.loads(capsys.readouterr().out)
    assert ("a" * 52, None) == (small["id"], small["good"])
    assert ({"right": 1.0, "answers": 3}, 5) == (coder["good"]["sport"], len(coder["good"]))


def test_few_answers_are_said_to_be_few() -> None:
    few = agent("new", good=[None, None, 1.0, None, None, None], evidence=[0, 0, 2, 0, 0, 0])
    (listed,) = agents_of({"me": VALUES["me"], "good/me": [few]})

    assert "too few answers yet: 2" == _good_words(listed)


def test_no_agent_is_said(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.body = event("change", all=True, set={"me": VALUES["me"], "good/me": []}, gone=[])

    agents(home=home.path)

    out, err = capsys.readouterr()
    assert ("", True) == (out, "no agent yet" in err)
