"""What a peer says about itself, as programs and people read it."""

import json

import numpy as np

from discovery.names import id_shown, with_id
from discovery.records import Agent
from gateway.capacity.rules import EngineLoad
from gateway.client.views import candidate_rows, engine_status, model_entries, model_entry, waiting_lines
from gateway.engines.engine_state import EngineModel, EngineState
from gateway.routing.choice import Choice
from gateway.routing.decision import Decision
from gateway.routing.query import Query
from tests.cluster import id_of
from tests.gateway.routing.ada import MATHS, Ada, agent


def everybody(decision: Decision) -> Choice:
    return decision.choice(len(decision.order), everybody=True)


def ids(ada: Ada) -> list[str]:
    return [entry["id"] for entry in model_entries(ada.node.roster)]


def test_models_are_auto_and_what_somebody_serves() -> None:
    """One entry a model, with everybody who serves it; the widest context and modalities count."""
    ada = Ada()
    ada.meet(1, Agent("own", "own", 8192, ("text", "image")), Agent("b", "b", 512))

    auto, own, other = model_entries(ada.node.roster)

    assert ["auto", "own", "b"] == ids(ada)
    assert (["ada", "peer-1"], ["peer-1"]) == (own["ppai"]["peers"], other["ppai"]["peers"])
    assert (8192, ["image", "text"]) == (own["max_model_len"], own["architecture"]["input_modalities"])
    assert (8192, ["ada", "peer-1"]) == (auto["max_model_len"], auto["ppai"]["peers"])
    assert {"model", "ppai"} == {entry[key] for entry in (auto, own, other) for key in ("object", "owned_by")}


def test_one_model_under_several_names_is_one_entry() -> None:
    """By our own engine's name, else by the one that most of its servers use."""
    ada = Ada()
    ada.node.serve([Agent("llama3.2:latest", "llama3.2:latest", 4096)])
    ada.meet(1, Agent("llama3.2", "llama3.2", 8192), Agent("Qwen/Qwen3-8B-AWQ", "Qwen/Qwen3-8B-AWQ", 512))
    ada.meet(2, Agent("qwen3:8b", "qwen3:8b", 512))
    ada.meet(3, Agent("qwen3:8b", "qwen3:8b", 512))

    auto, llama, qwen = model_entries(ada.node.roster)

    assert ["auto", "llama3.2:latest", "qwen3:8b"] == ids(ada)
    assert (["virtual", "model", "model"]) == [entry["ppai"]["kind"] for entry in (auto, llama, qwen)]
    assert (["llama3.2:latest", "llama3.2"], ["ada", "peer-1"]) == (llama["ppai"]["names"], llama["ppai"]["peers"])
    assert (8192, ["peer-1", "peer-2", "peer-3"]) == (llama["context_length"], qwen["ppai"]["peers"])
    assert qwen == model_entry("qwen3-8b", ada.node.roster) == model_entry("qwen3:8b", ada.node.roster)
    assert model_entry("qwen3-4b", ada.node.roster) is None


def test_a_model_called_auto_hides_nobody() -> None:
    ada = Ada()
    ada.node.serve([Agent("auto", "auto", 4096), Agent("own", "own", 512)])

    assert ["auto", "own"] == ids(ada)


def test_what_an_engine_does_not_tell_is_listed_apart_from_what_it_can() -> None:
    """It may be tried there, so a client may ask; but nobody said that the model can."""
    ada = Ada()
    ada.node.serve([Agent("own", "own", 4096, ("text", "tools"), untold=("image", "embeddings"))])

    auto, own = model_entries(ada.node.roster, ada.node.untold)

    for entry in (auto, own):
        assert (["text"], ["tools"]) == (entry["architecture"]["input_modalities"], entry["ppai"]["abilities"])
        assert ["embeddings", "image"] == entry["ppai"]["untold"]


def test_an_unknown_context_is_no_number() -> None:
    ada = Ada()
    ada.node.serve([Agent("own", "own", 0)])

    assert [None, None] == [entry["max_model_len"] for entry in model_entries(ada.node.roster)]


def test_the_engine_s_status_is_plain_data() -> None:
    model = EngineModel("m", 4096, parameters=8, quantisation="Q4_K_M")
    state = EngineState(None, "vllm", (model,), 4, 3, 0, "metrics", place="cloud")
    load = EngineLoad(slots=4, running=3, remote_running=1, waiting=0, local_waiting=0)

    told = ("Ollama is run by `bob`",)
    status = engine_status("vllm", "vLLM found on port 8000", told, state, 1, load, "open", ["m"])

    assert status == json.loads(json.dumps(status))
    expected = {
        "origin": "vLLM found on port 8000",
        "not_adopted": ["Ollama is run by `bob`"],
        "problem": None,
        "place": "cloud",
        "slots": 4,
        "running": 3,
        "in_flight": 1,
        "remote_running": 1,
        "admission": "open",
        "models": [
            {
                "id": "m",
                "context_tokens": 4096,
                "loaded": True,
                "loading": None,
                "abilities": ["text"],
                "profiled": True,
                "parameters": 8,
                "quantisation": "Q4_K_M",
            }
        ],
    }
    assert expected.items() <= status.items()


def test_candidates_are_shown_best_first_and_the_excluded_last() -> None:
    ada = Ada()
    ada.node.serve([agent("own", capability=(100, 100))])
    ada.meet(1, agent(capability=(120, 0)), admission="closed")
    ada.meet(2, agent(capability=(255, 0)))

    rows = candidate_rows(everybody(ada.decide(MATHS)))

    assert [("peer-2", None), ("ada", None), ("peer-1", "closed")] == [(row["peer"], row["excluded"]) for row in rows]
    assert rows == json.loads(json.dumps(rows))
    assert "measured on 18 questions" == rows[0]["basis"]
    assert all(isinstance(row[key], float) for row in rows for key in ("score", "wait_s", "cost_s", "utility"))


def test_nobody_makes_no_rows() -> None:
    ada = Ada()
    ada.node.serve([])

    assert [] == candidate_rows(everybody(ada.decide(Query(relevance=np.array([1.0, 0.0])))))


def test_who_waits_is_said_with_the_command_and_the_ids_to_give_it() -> None:
    """A name is the stranger's own choice: it may be another's, and words for a shell."""
    bob, evil = id_of(1), id_of(2)

    (one,) = waiting_lines({bob: "bob"})
    (two,) = waiting_lines({bob: "bob", evil: "$(touch x)"})
    (many,) = waiting_lines({id_of(number): "bob" for number in range(6)})

    assert one == f"1 peer waits to be approved: run `ppai approve ID` for whom you trust: bob ({id_shown(bob)})"
    assert two.endswith(f"for whom you trust: '$(touch x)' ({id_shown(evil)}), bob ({id_shown(bob)})")
    assert ("6 peers wait", 4, True) == (many[:12], many.count("bob"), many.endswith(", ..."))
    assert [] == waiting_lines({})


def test_two_peers_of_one_name_are_two_and_a_model_called_auto_is_not_listed_twice() -> None:
    ada = Ada()
    twins = [ada.meet(number, Agent("b", "b", 512), name="twin") for number in (1, 2)]
    ada.meet(3, Agent("auto", "auto", 512), name="local")

    auto, own, other = model_entries(ada.node.roster)

    assert ["auto", "own", "b"] == [auto["id"], own["id"], other["id"]]
    assert [with_id("twin", peer) for peer in twins] == other["ppai"]["peers"]
    assert with_id("local", id_of(3)) in auto["ppai"]["peers"]
