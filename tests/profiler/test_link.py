"""Two ends in two threads over real pipes: what one may do with the other's functions and objects."""

import io
import json
import operator
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from profiler.link import LINE_BYTES, OPERATIONS, Link, LinkBroken, Remote, RemoteError

CODE = """
import itertools

class Stack:
    size = 0
    def __init__(self): self.items = []
    def push(self, item): self.items.append(item)
    def pop(self): return self.items.pop()
    def __len__(self): return len(self.items)
    def __getitem__(self, at): return self.items[at]
    def __eq__(self, other): return True
    def __contains__(self, item): return True
    def __lt__(self, other): return True
    def __iter__(self): return iter(self.items)
    def __add__(self, other): return self.items + other.items
    def __float__(self): return 1.5
    def __str__(self): return "a stack"

class Odd(ValueError): pass
class Own(BaseException): pass

def double_all(numbers): numbers[:] = [2 * n for n in numbers]
def twice(function, value): return function(function(value))
def same(value): return value
def fails(error): raise {"odd": Odd, "own": Own, "exit": SystemExit, "assert": AssertionError}[error]("no")
def count(): return itertools.count()
def huge(): return "x" * 2**20
def deep():
    nest = []
    for _ in range(100_000): nest = [nest]
    return nest
def add(a, *, b=0): return a + b
"""


@contextmanager
def linked(code: str = CODE) -> Iterator[tuple[dict[str, Any], Link]]:
    """What `code` defines, as the other end sees it."""
    space: dict[str, Any] = {}
    exec(code, space)
    (to_code, asks), (hears, from_code) = os.pipe(), os.pipe()
    with (
        os.fdopen(to_code, "rb") as there,
        os.fdopen(asks, "wb") as here,
        os.fdopen(hears, "rb") as back,
        os.fdopen(from_code, "wb") as out,
    ):
        offers = {**OPERATIONS, "named": space.__getitem__}
        answering = threading.Thread(target=Link(there, out, offers, lambda value: True).serve)
        answering.start()
        link = Link(back, here, {"__call__": OPERATIONS["__call__"]}, names=callable)
        yield {name: link.ask("named", name) for name in space if not name.startswith("__")}, link
        here.close()
        answering.join()


def test_functions_and_objects_are_used_where_they_are() -> None:
    with linked() as (space, _):
        stack = space["Stack"]()
        stack.push(3)
        stack.push("x")

        assert 5 == space["add"](2, b=3)
        assert (2, "x", 3, [3, "x"]) == (len(stack), stack[1], stack.items[0], list(stack))
        assert "x" == stack.pop()
        assert ([3, 3], 1.5, "a stack") == (stack + stack, float(stack), str(stack))
        assert isinstance(stack, space["Stack"])
        stack.size = 4
        assert 4 == stack.size


def test_an_argument_is_changed_in_place() -> None:
    with linked() as (space, _):
        numbers = [1, 2]

        assert space["double_all"](numbers) is None
        assert [2, 4] == numbers
        assert space["same"](numbers) is numbers


def test_a_function_of_ours_is_called_back() -> None:
    with linked() as (space, _):
        assert 12 == space["twice"](lambda n: n + 5, 2)
        with pytest.raises(ZeroDivisionError):
            space["twice"](lambda n: n / 0, 2)


def test_an_object_never_equals_a_value() -> None:
    with linked() as (space, _):
        stack = space["Stack"]()

        assert 42 not in (stack, [stack])
        assert [False, False] == [operator.eq(stack, 42), operator.eq(42, stack)]
        assert [stack] != [42]
        assert stack == space["Stack"]()
        assert 42 not in stack
        with pytest.raises(TypeError):
            assert stack < 42


@pytest.mark.parametrize(
    ("error", "raised"), [("odd", ValueError), ("own", RemoteError), ("exit", RemoteError), ("assert", AssertionError)]
)
def test_what_is_raised_there_is_raised_here_as_its_builtin_class(error: str, raised: type[Exception]) -> None:
    with linked() as (space, _), pytest.raises(raised, match="no"):
        space["fails"](error)


def test_only_as_much_as_is_asked_for_is_fetched() -> None:
    with linked() as (space, _):
        assert [0, 1, 2] == [number for number, _ in zip(space["count"](), range(3), strict=False)]


@pytest.mark.parametrize("name", ["huge", "deep"])
def test_a_value_beyond_bounds_is_an_error_there(name: str) -> None:
    with linked() as (space, _):
        with pytest.raises((ValueError, RecursionError)):
            space[name]()
        assert 1 == space["add"](1)


@pytest.mark.parametrize("value", [object(), slice(1), iter([1])])
def test_an_object_of_ours_is_not_handed_over(value: object) -> None:
    """Whoever holds a name may use what it names: of an object everything, of a function the call."""
    with linked() as (space, _), pytest.raises(TypeError, match="cannot be handed over"):
        space["same"](value)


def told(*lines: bytes) -> tuple[Link, io.BytesIO]:
    """An end whose other side says these lines; and what this end said."""
    said = io.BytesIO()
    return Link(io.BytesIO(b"".join(lines)), said, {"__call__": OPERATIONS["__call__"]}, names=callable), said


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"[1]\n",
        b'["said", 1]\n',
        b'["raised", 1, 2]\n',
        b"[" * 100_000,
        b" " * LINE_BYTES,
    ],
)
def test_what_is_no_message_breaks_the_link(line: bytes) -> None:
    link, _ = told(line)

    with pytest.raises(LinkBroken):
        link.ask("run")


@pytest.mark.parametrize(
    "asked",
    [
        ["ask", "__getattr__", ["tuple", ["yours", 0], "__globals__"], ["dict"]],
        ["ask", "exec", ["tuple", "raise SystemExit"], ["dict"]],
        ["ask", "__call__", ["tuple", ["yours", 1]], ["dict"]],
        ["ask", "__call__", ["tuple", "os.system", "true"], ["dict"]],
        ["ask", "__call__"],
        ["ask", ["list"], ["tuple"], ["dict"]],
    ],
)
def test_the_other_side_may_call_what_it_was_given_and_nothing_else(asked: list[Any]) -> None:
    link, said = told(json.dumps(asked).encode() + b"\n", b'["said", 7, []]\n')

    assert 7 == link.ask("__call__", lambda: 1)

    assert "raised" == json.loads(said.getvalue().splitlines()[1])[0]


def test_a_name_for_nothing_is_no_value() -> None:
    link, _ = told(b'["said", ["yours", 5], []]\n')

    with pytest.raises(ValueError, match="a name for nothing"):
        link.ask("run")


def test_a_remote_is_hashable() -> None:
    with linked() as (space, _):
        stack = space["Stack"]()

        assert isinstance(stack, Remote)
        assert 1 == len({stack, stack})
