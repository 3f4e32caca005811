"""Every module has a test file of its name, and every test file its module; what has none says why."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("discovery", "profiler", "gateway", "benchmarks")
DATA = "recorded outcomes go in; tests/benchmarks/simulator/test_main.py runs it on a few"
UNTESTED = {
    "profiler/__main__.py": "two lines, which tests/profiler/test_cli.py runs",
    "gateway/own_agents.py": "wires parts together; tests/e2e/test_personal_agents.py asks them",
    "gateway/runtime/opening.py": "opens what is configured; every test in tests/e2e starts it",
    "gateway/runtime/peer.py": "builds a whole peer; every test in tests/e2e starts it",
    "gateway/runtime/running.py": "runs a whole peer; every test in tests/e2e starts it",
    "gateway/client/running.py": "a record, no code",
    "gateway/beliefs/jobs.py": "records, which beliefs are tested with",
    "gateway/serving/deciding/targets.py": "records and a protocol, no code",
    "gateway/agent/settings.py": "records, no code",
    "gateway/agent/parts.py": "protocols, no code",
    "gateway/agent/material.py": "records, no code",
    "gateway/agent/tools/stdio.py": "one process; test_server.py runs it with servers that misbehave",
    "gateway/agent/tools/warden.py": "a process of its own; test_server.py starts it",
    "gateway/agent/tools/descriptions.py": "a table of names, which test_builtin.py runs",
    "gateway/topics/wordings/changing.py": "patterns, which tests/gateway/topics/test_forms.py goes through",
    "gateway/topics/wordings/finding.py": "patterns, which tests/gateway/topics/test_forms.py goes through",
    "gateway/topics/wordings/names.py": "patterns, which tests/gateway/topics/test_forms.py goes through",
    "gateway/topics/wordings/writing.py": "patterns, which tests/gateway/topics/test_forms.py goes through",
    "gateway/workers/process.py": "the process that tests/gateway/workers/test_crew.py starts",
    "benchmarks/progress.py": "one print",
    "benchmarks/gateway/attacker.py": "the process that tests/benchmarks/gateway/test_flood.py starts",
    "benchmarks/gateway/watched.py": "the process that test_stall.py, test_steps.py and test_main.py there start",
    "benchmarks/gossip/picture.py": "one plot of half an hour of measure.py",
    "benchmarks/gossip/real.py": "`--real`: real peers for a minute",
    "benchmarks/routing/quality.py": "trains gates for minutes, on recorded outcomes",
    "benchmarks/routing/unfamiliar.py": "asks texts that are not in this repository",
    "benchmarks/simulator/asks.py": "two records, no code",
    "benchmarks/simulator/calibrate.py": "measures a real engine for minutes",
    "benchmarks/simulator/live.py": "runs real peers for minutes",
    "benchmarks/simulator/experiments.py": "a table of names; test_main.py runs each",
    "benchmarks/simulator/pictures.py": "test_main.py draws what each experiment prints",
    "benchmarks/simulator/disturbed.py": DATA,
    "benchmarks/simulator/fleet.py": DATA,
    "benchmarks/simulator/recorded.py": DATA,
    "benchmarks/simulator/scale.py": DATA,
    "benchmarks/simulator/tables.py": DATA,
}
WITHOUT_MODULE = {
    "benchmarks/theory.py": "theorems of docs/game.md, about no single file",
    "discovery/bounds.py": "thousands of made-up ids, and every collection in all of discovery",
    "discovery/fuzz.py": "a million damaged records through all of discovery",
    "discovery/guards.py": "takes each guard of the room out, and its test must fail",
    "gateway/agent/injections.py": "30 texts against prompt, documents, tools and steps together",
    "gateway/peering/guards.py": "takes guards of several rooms out, and their tests must fail",
    "gateway/peering/hop/bad_replies.py": "of PeerReply: what reaches no client",
    "gateway/peering/reach/bad_ways.py": "tunnels and the relay together",
    "gateway/peering/reach/guards.py": "takes guards of relays and looks out, and their tests must fail",
    "gateway/privacy/guards.py": "takes each guard of the rules out, and its test must fail",
    "gateway/server/guards.py": "takes each guard of the transport out, and its test must fail",
    "gateway/trust/guards.py": "takes guards of several rooms out, and their tests must fail",
    "gateway/capacity/door_closed.py": "of Door: when it is closed to others",
    "gateway/capacity/door_counts.py": "of Door: what it counts",
    "gateway/capacity/door_own_line.py": "of Door: our own line",
    "gateway/capacity/door_spare.py": "of Door: spare turns",
    "gateway/serving/forward_going_on.py": "of Forwarder: a stream that breaks off",
    "gateway/serving/forward_streams.py": "of Forwarder: how a stream passes",
    "gateway/serving/forward_whole.py": "of Forwarder: how an answer in one piece passes",
    "gateway/serving/no_room.py": "decider, attempts, course and doors together, where everybody is busy",
    "gateway/routing/herding.py": "many nodes together",
    "gateway/routing/bandwidth.py": "a node and the links to its peers",
    "gateway/routing/first_hour.py": "names, worth, costs, beliefs and policy together",
    "gateway/measuring/asking_while_idle.py": "of IdleMeasuring: when it asks",
    "profiler/cli_peer.py": "of the command: before a peer that runs",
    "profiler/cli_shown.py": "of the command: what it shows and draws",
    "profiler/builtin.py": "the built-in questions: data",
    "profiler/form_prompts.py": "the prompts of form categories: data",
    "profiler/everyday_prompts.py": "our own prompts on all subjects: data",
    "gateway/routing/node_scores.py": "of Node: what it expects of each agent, and whom it believes",
    "gateway/routing/node_topics.py": "of Node: agents with topics of their own",
    "gateway/routing/node_warmth.py": "of Node: where conversations and models are warm",
}


def modules() -> set[str]:
    found = {path for room in ROOMS for path in (ROOT / room).rglob("*.py") if path.name != "__init__.py"}
    return {str(path.relative_to(ROOT)) for path in found}


def module_of(test: Path) -> str:
    """`tests/a/b/test_c.py` is for `a/b/c.py`, `test_main.py` for `__main__.py`."""
    name = test.name.removeprefix("test_")
    return str(test.relative_to(ROOT / "tests").with_name("__main__.py" if name == "main.py" else name))


def covered() -> set[str]:
    folders = [ROOT / "tests" / room for room in ROOMS]
    return {module_of(test) for folder in folders for test in folder.rglob("test_*.py")}


def test_every_module_has_its_test_file_or_says_why_not() -> None:
    assert modules() - covered() == set(UNTESTED)


def test_every_test_file_has_its_module_or_says_why_not() -> None:
    assert covered() - modules() == set(WITHOUT_MODULE)


@pytest.mark.parametrize("listed", [UNTESTED, WITHOUT_MODULE])
def test_every_exception_has_its_reason(listed: dict[str, str]) -> None:
    assert all(reason for reason in listed.values())
