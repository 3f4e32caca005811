"""Questions to the running peer: what is sent, what a person reads, and what a program reads."""

import io
import json

import pytest
import typer

from gateway.cli import main
from gateway.cli.asking import ask, feedback, models, privacy_test, route, status
from gateway.cli.pages import privacy_lines, status_lines
from gateway.home.folder import Home
from tests.gateway.cli.answering import Peer

WORDS = [{"choices": [{"delta": {"content": word}}]} for word in ("one ", "two")]
STREAM = "".join(f"data: {said}\n\n" for said in (*map(json.dumps, WORDS), "[DONE]")).encode()
ROW = {
    "peer": "ben", "agent": "small", "score": 0.5, "profiled": False, "wait_s": 0.0, "service_s": 1.0, "cost_s": 1.0,
    "utility": 0.4, "excluded": None,
}  # fmt: skip
ROUTE = {
    "target": {"peer": "ben", "agent": "small", "model": "small-1"}, "reason": "best", "familiar": False,
    "candidates": [ROW], "waiting": [], "say": [],
}  # fmt: skip
STATUS = {
    "name": "ada", "id": "aa2a2" + "a" * 47, "url": "http://127.0.0.1:8470", "uptime_s": 7.0, "missing": ["no engine"],
    "engine": {
        "origin": "vLLM found on port 8000", "not_adopted": ["Ollama is run by `bob`"],
        "problem": None, "models": [{"id": "small-1"}], "running": 1, "waiting": 2,
        "slots": 8, "load_source": "metrics", "place": "other host",
    },
    "gate": {"space": "s1", "encoders": ["fast", "full"], "problem": None, "lacking": "run ppai pull encoder"},
}  # fmt: skip


def test_words_go_to_stdout_and_who_said_them_to_stderr(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.body = STREAM

    ask("hi", route="ben", max_tokens=9, home=home.path)

    out, err = capsys.readouterr()
    method, path, headers, body = peer.asked[0]
    assert ("one two\n", "POST", "/v1/chat/completions", "ben") == (out, method, path, headers["x-ppai-route"])
    assert {
        "model": "auto", "messages": [{"role": "user", "content": "hi"}], "stream": True, "max_tokens": 9,
    } == json.loads(body)  # fmt: skip
    assert err.startswith("answered by ben")


def test_an_answer_as_json_has_what_the_headers_say_numbers_as_numbers(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.body = STREAM
    peer.headers = {
        "x-ppai-score": "0.4700",
        "x-ppai-cost-s": "5.3900",
        "x-ppai-attempts": "1",
        "x-ppai-reason": "best",
    }

    ask("hi", home=home.path, as_json=True)

    assert {
        "answer": "one two", "request": None, "peer": "ben", "reason": "best", "score": 0.47, "cost_s": 5.39,
        "attempts": 1,
    } == json.loads(capsys.readouterr().out)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["ask", ""], "write what you ask"),
        (["ask", " \n"], "write what you ask"),
        (["ask", "-"], "write what you ask"),
        (["route", ""], "write what you ask"),
        (["ask", "hi", "--route", ""], "ppai peers"),
        (["ask", "hi", "--model", " "], "ppai models"),
        (["route", "hi", "--model", ""], "ppai models"),
        (["ask", "hi", "--max-tokens", "0"], "--max-tokens"),
        (["route", "hi", "--max-tokens", "-1"], "--max-tokens"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_asked_is_a_matter_of_usage(
    words: list[str], remedy: str, home: Home, peer: Peer, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """An empty text, name or standard input, and a bound that leaves no word. Nobody is asked."""
    monkeypatch.setattr("sys.argv", ["ppai", *words, "--home", str(home.path)])
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))

    with pytest.raises(SystemExit) as ended:
        main()

    said = " ".join(capsys.readouterr().err.split())
    assert (2, [], True) == (ended.value.code, peer.asked, remedy in said), said


def test_standard_input_that_is_no_text_is_told_so(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), "utf-8"))

    with pytest.raises(typer.BadParameter, match="UTF-8"):
        ask("-", home=home.path)


def test_a_decision_is_shown_with_its_candidates(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.pages["/ppai/v1/route"] = ROUTE

    route("hi", home=home.path)

    out, err = capsys.readouterr()
    assert out.startswith("answers    ben with small-1\n")
    assert "0.500?" in out
    assert "not measured yet" in err


def test_nobody_is_a_failure_with_its_reason(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    nobody = {**ROUTE, "target": None, "problem": "everybody is busy", "candidates": [], "say": ["1 peer waits"]}
    peer.pages["/ppai/v1/route"] = nobody

    with pytest.raises(typer.Exit) as ended:
        route("hi", home=home.path)
    out, err = capsys.readouterr()
    with pytest.raises(typer.Exit):
        route("hi", home=home.path, as_json=True)

    assert (1, "answers    nobody: everybody is busy\n") == (ended.value.exit_code, out.splitlines(keepends=True)[0])
    assert "1 peer waits" in err
    assert nobody == json.loads(capsys.readouterr().out)


def test_models_are_listed_with_who_serves_them(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    entries = [
        {"id": "auto", "max_model_len": None, "ppai": {"peers": ["ada", "ben"]}},
        {"id": "small-1", "max_model_len": 4096, "ppai": {"peers": ["ben"]}},
    ]
    told = {"kind": "agent", "peers": ["ben"], "models": ["small-1"], "tools": ["clock"]}
    peer.pages["/v1/models"] = {"data": [{"id": "porter", "max_model_len": None, "ppai": told}]}
    models(home=home.path)
    assert "ben; an agent on small-1 with clock" in capsys.readouterr().out
    peer.pages["/v1/models"] = {"data": entries}

    models(home=home.path)
    listed = capsys.readouterr().out.splitlines()
    models(home=home.path, as_json=True)

    assert ["model     context  peers", "auto", "small-1"] == [listed[0], *(line.split()[0] for line in listed[1:])]
    assert ["not told  ada, ben", "4096  ben"] == [line[8:].strip() for line in listed[1:]]
    assert entries == json.loads(capsys.readouterr().out)


def test_status_names_the_peer_its_engine_and_what_is_missing(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.pages["/ppai/v1/status"] = STATUS

    status(home=home.path)
    shown = capsys.readouterr().out
    status(home=home.path, as_json=True)

    assert shown.splitlines() == status_lines(STATUS, None)
    assert STATUS == json.loads(capsys.readouterr().out)


def test_what_peers_engines_and_models_say_steers_no_terminal(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names, problems and answers, wherever a person reads them; a program gets every character, as an escape."""
    evil = "\x1b]0;x\x07\u202e\ud800"
    words = json.dumps({"choices": [{"delta": {"content": f"a{evil}\n\tb\r"}}]})
    peer.body = f"data: {words}\n\ndata: [DONE]\n\n".encode()
    peer.pages |= {
        "/v1/models": {"data": [{"id": evil, "max_model_len": None, "ppai": {"peers": [evil]}}]},
        "/ppai/v1/status": {**STATUS, "name": evil, "missing": [evil], "engine": {**STATUS["engine"], "problem": evil}},
        "/ppai/v1/route": {**ROUTE, "candidates": [{**ROW, "peer": evil, "agent": evil}], "say": [evil]},
    }

    ask("hi", home=home.path)
    ask("hi", stream=False, home=home.path)
    for command in (models, status):
        command(home=home.path)
    route("hi", home=home.path)

    out, err = capsys.readouterr()
    assert out.startswith("a]0;x\n\tb\na]0;x\n\tb\n")
    assert (out + err).replace("\n", "").replace("\t", "").isprintable()
    models(home=home.path, as_json=True)
    assert evil == json.loads(capsys.readouterr().out)[0]["id"]


def test_a_grade_is_sent_with_the_request_that_ask_names(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.body, peer.headers = STREAM, {"x-request-id": "r7"}
    ask("hi", home=home.path)
    said = capsys.readouterr().err
    peer.pages["/ppai/v1/feedback"] = {"request": "r7", "counted": True}

    for grade in ("good", "bad"):
        feedback("r7", grade, home=home.path)
    counted = capsys.readouterr().err
    peer.pages["/ppai/v1/feedback"] = {"request": "r7", "counted": False}
    feedback("r7", "good", home=home.path)

    assert said.endswith("; request r7\n")
    assert [{"request": "r7", "score": 1}, {"request": "r7", "score": -1}] == [
        json.loads(body) for _, path, _, body in peer.asked if path == "/ppai/v1/feedback"
    ][:2]
    assert ("it counts", "it changes nothing") == (counted[:9], capsys.readouterr().err[:18])


# --- what may leave ---

PRIVACY = {
    "to": "my machines",
    "rule": "secrets",
    "told": True,
    "rules": [
        {"name": "secrets", "to": "my machines", "holds": True, "when": "with what looks like card"},
        {"name": "health", "to": "this machine", "holds": None, "when": "about medicine"},
        {"name": "phone", "to": "approved", "holds": False, "when": "asked with the key phone"},
    ],
}


def test_how_far_a_text_may_go_is_shown_with_every_rule(
    home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.pages["/ppai/v1/privacy"] = PRIVACY

    privacy_test("my card", model="coder", key="phone", header=["X-Team: red"], home=home.path)

    asked = {"text": "my card", "model": "coder", "key": "phone", "headers": {"X-Team": "red"}}
    assert [("/ppai/v1/privacy", asked)] == [(one[1], json.loads(one[3])) for one in peer.asked]
    assert (
        """\
may go to  my machines: the rule secrets holds

rule     holds     lets it go to  it holds for requests
secrets  yes       my machines    with what looks like card
health   not told  this machine   about medicine
phone    no        approved       asked with the key phone
"""
        == capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"to": "anyone", "rule": None, "told": True, "rules": []}, "may go to  anyone: no rule holds"),
        (
            {"to": "this machine", "rule": "health", "told": False, "rules": []},
            "may go to  this machine: whether the rule health holds cannot be told",
        ),
    ],
)
def test_why_is_said_in_one_line(found: dict[str, object], said: str) -> None:
    assert [said] == privacy_lines(found, None)


def test_without_rules_that_is_said(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.pages["/ppai/v1/privacy"] = {"to": "anyone", "rule": None, "told": True, "rules": []}

    privacy_test("hi", home=home.path)

    assert "`privacy.rules` is empty" in capsys.readouterr().err


def test_a_program_gets_all_of_it(home: Home, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.pages["/ppai/v1/privacy"] = PRIVACY

    privacy_test("hi", home=home.path, as_json=True)

    assert PRIVACY == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("header", ["x-team", ": red"])
def test_a_header_without_a_name_or_value_is_a_mistake(home: Home, header: str) -> None:
    with pytest.raises(typer.BadParameter, match="NAME: VALUE"):
        privacy_test("hi", header=[header], home=home.path)
