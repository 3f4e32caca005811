"""A log line shows what others say, and obeys nothing of it."""

import logging

from gateway.telemetry.log_lines import LogLines


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
