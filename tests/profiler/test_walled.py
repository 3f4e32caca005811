"""The two roles in threads: what assertions may ask of code. test_sandbox.py runs them as processes."""

import os
import threading

import pytest

from profiler.walled import PASSED, answer, judge


def told(code: str, tests: str) -> str:
    (asked, asks), (hears, answers) = os.pipe(), os.pipe()
    with (
        os.fdopen(asked, "rb") as there,
        os.fdopen(asks, "wb") as here,
        os.fdopen(hears, "rb") as back,
        os.fdopen(answers, "wb") as out,
    ):
        answering = threading.Thread(target=answer, args=(code, there, out))
        answering.start()
        found = judge(tests, back, here)
        here.close()
        answering.join()
        return found


@pytest.mark.parametrize(
    ("code", "tests"),
    [
        ("def merge(a, b): return sorted(a + b)", "x = [2]\nassert merge(x, [1]) == [1, 2]\nassert x == [2]"),
        ("def order(a): a.sort()", "x = [2, 1]\nassert order(x) is None\nassert x == [1, 2]"),
        ("def f(n): yield from range(n)", "assert list(f(3)) == [0, 1, 2]\nassert 2 in f(3)"),
        ("def f(x): return -f(-x) if x < 0 else x", "import math\nassert math.isclose(f(-2), -2.0)"),
        ("def f(n):\n    if n < 0: raise ValueError('n')", "try: f(-1)\nexcept ValueError: pass\nelse: assert False"),
        ("class P:\n    def __init__(self, x): self.x = x", "p = P(3)\nassert p.x == 3\nassert isinstance(p, P)"),
        (
            "def f(key, xs): return sorted(xs, key=key)",
            "assert f(lambda x: -x, [1, 3]) == [3, 1]\nassert f(abs, [-2, 1]) == [1, -2]",
        ),
        (
            "from fractions import Fraction\ndef f(): return Fraction(1, 3)",
            "from fractions import Fraction\nassert f() == Fraction(1, 3)",
        ),
        ("from collections import Counter as count", "assert count('aab') == {'a': 2, 'b': 1}"),
        ("def f(x): return x", "def check(candidate):\n    assert candidate([1]) == [1]\ncheck(f)"),
        ("def f(n): return 2 ** n", "assert f(20_000) == 1 << 20_000"),
        ("WORDS = ('a', 'b')", "assert WORDS == ('a', 'b')"),
    ],
)
def test_assertions_are_written_as_if_the_code_were_here(code: str, tests: str) -> None:
    assert PASSED == told(code, tests)


@pytest.mark.parametrize(
    ("code", "tests", "why"),
    [
        ("def f(): return 3", "assert f() == 4, 'not four'", "not four"),
        ("1 / 0", "pass", "ZeroDivisionError"),
        ("import sys; sys.exit()", "pass", "RemoteError"),
        ("def f(): pass", "assert g() is None", "NameError"),
        ("def f(): pass", "assert f( is None", "SyntaxError"),
        ("def len(x): return 3\ndef f(): return []", "assert len(f()) == 3", "AssertionError"),
        ("class E:\n    def __repr__(self): 1 / 0\ndef f(): return E()", "assert f() == 1, f()", "AssertionError"),
    ],
)
def test_why_they_do_not_hold_is_told(code: str, tests: str, why: str) -> None:
    assert why in told(code, tests)
