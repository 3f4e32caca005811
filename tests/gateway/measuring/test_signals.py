"""What a failing program says is recognised where a program says it, and nowhere else."""

import json
import time
from typing import Any

import pytest

from gateway.measuring.signals import LAST_CHARS, hashed, reports_failure
from gateway.wire.request import Request, read_request


def request(*turns: Any) -> Request:
    messages = [{"role": "user", "content": turn} if isinstance(turn, str | list) else turn for turn in turns]
    return read_request("chat/completions", json.dumps({"model": "auto", "messages": messages}).encode())


FAILS = {
    "python": 'It says:\nTraceback (most recent call last):\n  File "a.py", line 1\nKeyError: 1',
    "node": "TypeError: x is not a function\n    at main (/a.js:3:1)",
    "java": 'Exception in thread "main" java.lang.NullPointerException',
    "rust": "error[E0382]: borrow of moved value: `x`\n  --> src/main.rs:4:9",
    "rust at run time": "thread 'main' panicked at src/main.rs:2:5:",
    "go": "panic: runtime error: index out of range [3]",
    "gcc": "main.c:3:5: error: expected ';' before 'return'",
    "c": "Segmentation fault (core dumped)",
    "shell": "run.sh: line 3: foo: command not found",
    "pytest": "FAILED tests/test_a.py::test_b - assert 1 == 2",
    "a tool's exit": "(no output)\nexit code: 1",
}
WORKS = (
    "What is a TypeError in Python?",
    "How do I handle errors: with exceptions or results?",
    "Explain what a traceback is.",
    "The process ended with exit code 0",
    "My sourdough failed again, what went wrong?",
    "Write a story in which the engineer panics: at the end all is well.",
    "",
)


@pytest.mark.parametrize("text", FAILS.values(), ids=FAILS)
def test_a_failure_is_seen_in_the_users_turn_and_in_a_tools(text: str) -> None:
    tool = {"role": "tool", "tool_call_id": "1", "content": text}

    assert reports_failure(request("write it", text))
    assert reports_failure(request("write it", [{"type": "text", "text": text}]))
    assert reports_failure(request("write it", {"role": "assistant", "content": "done"}, tool))


@pytest.mark.parametrize("text", WORKS)
def test_who_only_speaks_of_failures_reports_none(text: str) -> None:
    assert not reports_failure(request(text or " "))


def test_only_the_newest_turn_counts() -> None:
    assert not reports_failure(request(FAILS["python"], "thanks, it works now"))


def test_of_a_long_paste_both_ends_are_read() -> None:
    paste = "x = 1\n" * LAST_CHARS

    assert reports_failure(request(paste + FAILS["python"]))
    assert reports_failure(request(f"{FAILS['python']}\n{paste}"))


def test_hostile_text_is_read_in_milliseconds() -> None:
    """Of a text of any length 8,000 characters are read, and no pattern goes back over a run of them in each line."""
    began = time.process_time()
    for unit in ("Error: \n", "a.", ": ", "error: \n", "\n", "a:1:", "x"):
        assert not reports_failure(request(unit * 9999))

    assert time.process_time() - began < 1.0


def test_only_who_knows_the_key_tells_equal_texts() -> None:
    assert hashed(b"k", "a", "b") == hashed(b"k", "a", "b")
    assert 4 == len({hashed(b"k", "a", "b"), hashed(b"k", "b", "a"), hashed(b"l", "a", "b"), hashed(b"k", "ab")})
    assert 16 == len(hashed(b"k", "\ud800"))


def test_a_request_without_messages_has_its_text() -> None:
    body = json.dumps({"model": "auto", "prompt": FAILS["python"]}).encode()

    assert reports_failure(read_request("completions", body))
