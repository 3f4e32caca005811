"""A log line shows what others say, and obeys nothing of it."""

import json
import logging
import subprocess
import sys

import pytest

from gateway.telemetry.log_lines import JsonLines, LogLines, json_line


def test_a_line_has_no_character_that_steers_a_terminal() -> None:
    record = logging.LogRecord("peering", logging.WARNING, __file__, 1, "failed peer=%s", ("b\x1b[2Jen\u202e",), None)

    line = LogLines().format(record)

    assert line.endswith("WARNING peering failed peer=b[2Jen")


def test_a_traceback_keeps_its_lines() -> None:
    try:
        raise ValueError("engine said \x1b]0;x\x07")
    except ValueError as error:
        record = logging.LogRecord("x", 40, __file__, 1, "bug", (), (type(error), error, error.__traceback__))

    lines = LogLines().format(record).splitlines()

    assert ("ValueError: engine said ]0;x", True) == (lines[-1], len(lines) > 3)


def record_of(template: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("gateway.peering", logging.WARNING, __file__, 1, template, args, None)


@pytest.mark.parametrize(
    ("template", "args", "event", "fields"),
    [
        ("attempt_failed peer=%s status=%s", ("ben", "failed"), "attempt_failed", {"peer": "ben", "status": "failed"}),
        ("ready after_s=%.1f pid=%d", (0.25, 7), "ready", {"after_s": 0.25, "pid": 7}),
        (
            "bug=request endpoint=%s left_out=3",
            ("chat",),
            "bug",
            {"bug": "request", "endpoint": "chat", "left_out": "3"},
        ),
        ("seed_silent seed=%s:%d: still trying", ("box", 8471), "seed_silent", {"seed": "box"}),
        ("peer event=%s at=100%% for=%s", ("left", "ben"), "peer", {"event": "left", "at": "100", "for": "ben"}),
        ("Cannot connect to %s", ("box",), None, None),
        ("mended", (), "mended", None),
    ],
)
def test_a_json_line_has_each_field_by_its_name(
    template: str, args: tuple[object, ...], event: str | None, fields: dict[str, object] | None
) -> None:
    line = json.loads(JsonLines().format(record_of(template, *args)))

    assert (event, fields) == (line.get("event"), line.get("fields"))
    assert ("warning", "gateway.peering", template % args) == (line["level"], line["logger"], line["message"])
    assert line["at"].endswith("+00:00")


def test_a_json_line_is_one_line_whatever_a_peer_is_called() -> None:
    line = JsonLines().format(record_of("failed peer=%s", 'b"\n\x1b[2J{"level": "error"}\u202e'))

    assert 1 == len(line.splitlines())
    assert {"peer": 'b"\n[2J{"level": "error"}'} == json.loads(line)["fields"]


def test_a_json_line_of_an_error_holds_its_trace() -> None:
    try:
        raise ValueError("engine said so")
    except ValueError as error:
        record = logging.LogRecord("x", 40, __file__, 1, "bug", (), (type(error), error, error.__traceback__))

    assert json.loads(JsonLines().format(record))["trace"].endswith("ValueError: engine said so")


def test_what_a_peer_says_is_a_line_of_the_same_kind_as_what_it_logs() -> None:
    line = json.loads(json_line("serves 100% of http://127.0.0.1:8470"))

    assert ("info", "ppai", "serves 100% of http://127.0.0.1:8470") == (line["level"], line["logger"], line["message"])
    assert {"event", "fields"}.isdisjoint(line)


@pytest.mark.parametrize("kind", ["text", "json"])
def test_the_settings_say_how_lines_on_stderr_are_written(kind: str) -> None:
    code = (
        "import logging; from gateway.telemetry.log_lines import LogConfig, log_to_stderr\n"
        f"log_to_stderr('warning', config=LogConfig({kind!r}))\n"
        "logging.getLogger('gateway').warning('failed peer=%s', 'ben')"
    )
    [line] = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stderr.splitlines()

    if kind == "text":
        assert line.endswith("WARNING gateway failed peer=ben")
    else:
        assert {"peer": "ben"} == json.loads(line)["fields"]
