"""What people read of a peer, its network and a decision: all of it, on 80 and 120 columns and in a pipe."""

import pytest

from gateway.cli.pages import WHY_NOT, are_all_measured, duration, peer_lines, route_lines, status_lines
from gateway.routing.candidates import Excluded

STATUS = {
    "name": "ada", "id": "aa2a2" + "a" * 47, "version": "0.1.0", "url": "http://127.0.0.1:8470", "uptime_s": 754.0,
    "missing": [], "say": [],
    "engine": {
        "origin": "vLLM found on port 8000", "not_adopted": ["Ollama is run by `bob`"], "problem": None,
        "models": [{"id": "small-1", "profiled": False}, {"id": "large-1", "profiled": True}],
        "running": 1, "waiting": 2, "slots": 8, "load_source": "metrics", "place": "other host",
    },
    "network": {
        "name": "ppai", "admission": "secret", "addresses": ["192.168.7.2:8471"], "peers": 2,
        "refused": [{"name": "eve", "id": "ee2e2" + "e" * 47, "why": "another secret"}], "identity_in_use": False,
    },
    "measuring": {
        "auto": "idle", "questions": 502,
        "agents": [
            {"name": "small-1", "answers": 78, "published": 60, "stale": False, "asking": True, "why_not": ""},
            {
                "name": "large-1", "answers": 0, "published": 0, "stale": True, "asking": False,
                "why_not": "it sleeps",
            },
        ],
    },
    "gate": {
        "space": "s1", "encoders": ["fast", "full"], "problem": None,
        "lacking": "the full encoder is not there: run ppai pull encoder",
    },
}  # fmt: skip
GGUF = "Qwen2.5-Coder-7B-Instruct-Q4_K_M.gguf"
PEERS = [
    {
        "name": "ben", "id": "bb2b2" + "b" * 47, "state": "suspect", "reason": "no pulse", "rights": [], "path": None,
        "running": 1, "waiting": 2, "slots": 4, "age_s": 3.0, "agents": [],
    },
    {
        "name": "cleo's rig", "id": "cc2c2" + "c" * 47, "state": "alive", "reason": "it pulses",
        "rights": ["answer", "ask"], "path": "192.168.7.12:8471", "running": None, "waiting": None, "slots": 2,
        "age_s": None, "agents": [{"model": GGUF, "spaces": ["s1"]}, {"model": "llama-3.1-8b", "spaces": ["old"]}],
    },
]  # fmt: skip
ROW = {
    "peer": "ben", "agent": "small", "score": 0.5, "profiled": False, "wait_s": 0.0, "service_s": 1.25, "cost_s": 12.5,
    "utility": 0.4, "excluded": None,
}  # fmt: skip
ROUTE = {
    "target": {"peer": "ben", "agent": "small", "model": "small"}, "reason": "best", "problem": None, "familiar": True,
    "category": "law", "candidates": [ROW, {**ROW, "peer": "ada", "profiled": True}], "say": [],
}  # fmt: skip


def test_of_a_personal_agent_it_says_what_its_owner_found_and_what_is_wrong_with_the_questions() -> None:
    """And that a vector is of how it was, where its file changed since."""
    domain = {"questions": 20, "right": 0.95, "right_without": 0.05, "recall": 1.0, "stale": True}
    agent = {
        "name": "porter", "answers": 9, "published": 8, "stale": True, "asking": True, "why_not": "", "base": "small-1",
        "questions_problem": "rooms.tsv:3: expected a question", "domain": domain,
    }  # fmt: skip
    measuring = {"auto": "idle", "questions": 502, "agents": [agent]}

    shown = "\n".join(status_lines({**STATUS, "measuring": measuring}, 200))

    assert "porter: 9 of 502 answered, 8 published; its vector is of how it was configured before" in shown
    assert "porter: rooms.tsv:3: expected a question" in shown
    assert "porter: of 20 questions of yours 95 % right, 5 % by its model alone, as it was configured before" in shown


@pytest.mark.parametrize("columns", [80, 120, None])
def test_a_status_says_each_thing_once(columns: int | None) -> None:
    expected = """\
ada (aa2a2aaaaa), PPAI 0.1.0, up 12 min: ready
endpoint   http://127.0.0.1:8470/v1
engine     vLLM found on port 8000 (other host): ready
load       1 running, 2 waiting, 8 slots (as the engine tells)
not taken  Ollama is run by `bob`
models     small-1 (not measured: run ppai-profile)
           large-1
measured   small-1: 78 of 502 answered, 60 published; it is being asked
           large-1: 0 of 502 answered; its vector is an older model's; it sleeps
network    `ppai`, admission: secret, 2 other peers (ppai peers)
           peers reach us at 192.168.7.2:8471
           1 kept out: see ppai peers
topics     told apart by: fast then full (gate s1)
           the full encoder is not there: run ppai pull encoder
"""

    assert expected.splitlines() == status_lines(STATUS, columns)


def test_a_peer_that_cannot_answer_says_why_once() -> None:
    problem = "no engine yet: start one, or name it with --engine URL"
    engine = {**STATUS["engine"], "origin": "none", "problem": problem, "models": [], "place": None}

    lines = status_lines({**STATUS, "engine": engine, "missing": [problem]}, 80)

    assert lines[0].endswith("cannot answer yet")
    assert 1 == "\n".join(lines).count(problem)
    assert not any(line.startswith(("load", "models", "missing")) for line in lines)


def test_the_status_of_an_older_peer_is_shown() -> None:
    old = {key: value for key, value in STATUS.items() if key not in ("network", "version")}
    old["engine"] = {**STATUS["engine"], "models": [{"id": "small-1"}]}

    assert "models     small-1" in status_lines(old, 80)


def test_peers_on_80_columns() -> None:
    expected = """\
peer              id          state     rights        run  wait  slots  heard
ada               aa2a2aaaaa  this one                  1     2      8
    192.168.7.2:8471: small-1?, large-1; admission: secret
ben               bb2b2bbbbb  suspect   not approved    1     2      4    3 s
    no pulse; it calls us: no model
'cleo'"'"'s rig'  cc2c2ccccc  alive     answer+ask
    192.168.7.12:8471: Qwen2.5-Coder-7B-Instruct-Q4_K_M.gguf, llama-3.1-8b?
eve               ee2e2eeeee  kept out
    another secret
"""

    assert expected.splitlines() == peer_lines(PEERS, STATUS, 80)


@pytest.mark.parametrize("columns", [160, None])
def test_peers_are_a_line_each_where_there_is_room_and_in_a_pipe(columns: int | None) -> None:
    lines = peer_lines(PEERS, STATUS, columns)

    assert 5 == len(lines)  # its head, three peers and one that was kept out
    assert lines[0].endswith("heard  address: models")
    assert lines[3].endswith(f"192.168.7.12:8471: {GGUF}, llama-3.1-8b?")


@pytest.mark.parametrize("columns", [80, 120])
def test_nothing_is_wider_than_the_terminal(columns: int) -> None:
    long = {
        **PEERS[1],
        "name": "x" * 64,
        "id": "i" * 52,
        "agents": [{"model": f"{GGUF}-{n}", "spaces": []} for n in range(9)],
    }
    rows = [{**ROW, "peer": "p" * 40, "agent": "m" * 60}, {**ROW, "excluded": "not_approved", "agent": GGUF * 2}]
    status = {**STATUS, "missing": ["word " * 60]}

    shown = peer_lines([long], STATUS, columns) + status_lines(status, columns)
    shown += route_lines({**ROUTE, "candidates": rows}, columns)

    assert columns >= max(map(len, shown))


def test_models_that_nobody_measured_are_told() -> None:
    measured = {**STATUS, "engine": {**STATUS["engine"], "models": [{"id": "large-1", "profiled": True}]}}
    known = {**PEERS[1], "agents": PEERS[1]["agents"][:1]}

    assert [True, False, False] == [
        are_all_measured([known], measured), are_all_measured([known], STATUS), are_all_measured(PEERS, measured)
    ]  # fmt: skip


@pytest.mark.parametrize("columns", [80, 120, None])
def test_a_decision_with_its_candidates(columns: int | None) -> None:
    expected = """\
answers    ben with small
because    it promises the most for its cost (best)
topic      law

peer  model   score  wait s  service s  cost s  utility
ben   small  0.500?    0.00       1.25   12.50   0.4000
ada   small  0.500     0.00       1.25   12.50   0.4000
"""

    assert expected.splitlines() == route_lines(ROUTE, columns)


@pytest.mark.parametrize("columns", [120, None])
def test_what_a_score_rests_on_stands_beside_it(columns: int | None) -> None:
    rows = [
        {**ROW, "basis": "prior from the name: 32B qwen3"},
        {**ROW, "peer": "ada", "profiled": True, "basis": "measured on 14 questions of law"},
    ]

    assert [
        "peer  model   score  wait s  service s  cost s  utility  the score is",
        "ben   small  0.500?    0.00       1.25   12.50   0.4000  prior from the name: 32B qwen3",
        "ada   small  0.500     0.00       1.25   12.50   0.4000  measured on 14 questions of law",
    ] == route_lines({**ROUTE, "candidates": rows}, columns)[4:]


def test_the_peers_say_what_is_expected_of_a_model_that_nobody_measured() -> None:
    agents = [
        {"model": "qwen3:32b", "spaces": [], "prior": "prior from the name: 32B qwen3"},
        {"model": "llama-3.1-8b", "spaces": ["s1"], "prior": "prior from the name: 8B llama3.1"},
    ]

    [line] = [line for line in peer_lines([{**PEERS[1], "agents": agents}], STATUS, None) if "cleo" in line]

    assert line.endswith("192.168.7.12:8471: qwen3:32b? (prior from the name: 32B qwen3), llama-3.1-8b")


def test_a_form_that_was_seen_is_named_under_the_topic() -> None:
    lines = route_lines({**ROUTE, "category": "summarising", "forms": ["summarising", "translation"]}, None)

    assert ["topic      summarising", "form       summarising and translation, by the wording"] == lines[2:4]


def test_nobody_and_why() -> None:
    rows = [{**ROW, "excluded": "not_approved"}, {**ROW, "peer": "cleo", "excluded": "field:user"}]
    expected = """\
answers    nobody: everybody is busy
topic      unlike all that the gate knows: general ability and load decide

not asked  model  why
ben        small  it is not approved: run ppai approve (not_approved)
cleo       small  the request stays on this machine (field:user)
"""
    nobody = {**ROUTE, "target": None, "familiar": False, "problem": "everybody is busy", "candidates": rows}

    assert expected.splitlines() == route_lines({**nobody, "reason": "none"}, 80)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (59.6, "60 s"), (754, "12 min"), (11100, "3 h 5 min"), (172800, "2 days"), (172799, "47 h 59 min")],
)
def test_durations_are_as_exact_as_a_reader_wants(seconds: float, said: str) -> None:
    assert said == duration(seconds)


def test_a_peer_that_does_not_take_our_requests_says_so_in_its_row_and_in_the_status() -> None:
    refusing = {**PEERS[1], "refuses_us": "it does not take our requests"}
    status = {**STATUS, "network": {**STATUS["network"], "refusing": ["cleo"]}}

    assert "it does not take our requests; 192.168.7.12:8471" in "\n".join(peer_lines([refusing], status, None))
    assert "1 not taking our requests: see ppai peers" in "\n".join(status_lines(status, 80))


def test_every_reason_of_routing_has_words() -> None:
    """But those that are shown with the request's own: which field, or which rule."""
    assert {code.word for code in Excluded} - {"pinned_local", "field"} == WHY_NOT.keys()


def test_a_route_says_that_a_candidate_is_an_agent_of_whom_and_with_what() -> None:
    target = {"peer": "ben", "agent": "librarian", "model": "librarian", "kind": "agent", "base": "qwen3:8b"}
    target["tools"] = ["documents", "clock"]
    times = {"score": 0.5, "profiled": True, "wait_s": 0.0, "service_s": 1.0, "cost_s": 1.0, "utility": 0.4}
    row = {**target, **times, "basis": "prior from the name: 8B qwen3", "excluded": None}
    found = {"target": target, "reason": "best", "familiar": True, "candidates": [row]}

    text = "\n".join(route_lines(found, None))

    assert "ben with librarian" in text
    assert text.count("an agent on qwen3:8b with documents, clock; ") == 2


def test_a_peers_personal_agents_are_told_from_its_models() -> None:
    agents = [
        {"model": "qwen3:8b", "kind": "model", "base": None, "tools": [], "spaces": []},
        {"model": "librarian", "kind": "agent", "base": "qwen3:8b", "tools": ["documents"], "spaces": []},
    ]
    peer = {"name": "ben", "id": "b" * 52, "state": "alive", "reason": "", "rights": ["ask"], "path": "127.0.0.1:1"}
    peer |= {"running": 0, "waiting": 0, "slots": 1, "age_s": 1.0, "agents": agents}

    (row,) = [line for line in peer_lines([peer], STATUS, None) if line.startswith("ben")]

    assert row.endswith("127.0.0.1:1: qwen3:8b?, librarian (an agent on qwen3:8b with documents)")


def test_workers_are_told_where_there_are_some() -> None:
    told = "\n".join(status_lines({**STATUS, "workers": {"wanted": 4, "running": 3, "ended": 2}}, 120))

    assert "3 of 4 processes pass answers on; 2 ended and were replaced" in told
    assert "workers" not in "\n".join(status_lines(STATUS, 120))
