"""Two processes that use each other's functions: one runs code that a model wrote, the other the assertions about it.

A message is a line of JSON. Who asks waits for the answer, and meanwhile answers what the other side asks, so that a
function may be handed over and called back. Values cross as plain.py says; an object of the other side is a `Remote`.
"""

import builtins
import json
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from profiler.plain import packed, unpacked

LINE_BYTES = 2**20  # of one message, which is one value or the arguments of one call

Function = Callable[..., Any]

OPERATIONS: Mapping[str, Function] = {  # what Python calls on an object, and what does it where the object is
    "__call__": lambda function, *args, **keywords: function(*args, **keywords),
    "__getattr__": getattr,
    "__setattr__": setattr,
    "__iter__": iter,
    "__next__": next,
    "__len__": len,
    "__bool__": bool,
    "__str__": str,
    "__repr__": repr,
    "__int__": int,
    "__float__": float,
    "__enter__": lambda context: context.__enter__(),
    "__exit__": lambda context, *_: context.__exit__(None, None, None),
    "__instancecheck__": lambda kind, value: isinstance(value, kind),
    **{f"__{name}__": getattr(operator, name) for name in ("getitem", "setitem", "delitem", "neg", "abs")},
    **{f"__{name}__": getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")},
    **{f"__{name}__": getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
}


class LinkBroken(BaseException):
    """The other side ended, or said what is no message. No `except Exception` of an assertion catches it."""


class RemoteError(Exception):
    """The other side raised what has no built-in class."""


class Link:
    """One end. `offers` are the functions that the other side may call, by name.

    `names` tells which of our objects that are no plain values the other side may get a name for, to use with them.
    """

    def __init__(
        self, reading: BinaryIO, writing: BinaryIO, offers: Mapping[str, Function], names: Callable[[Any], bool]
    ) -> None:
        self._reading, self._writing, self._offers, self._names = reading, writing, offers, names
        self._mine: list[Any] = []  # what the other side has names for

    def ask(self, name: str, *args: Any, **keywords: Any) -> Any:
        """What the other side's function returns. Raises what it raised, as a built-in class where it is one."""
        self._write(_line(["ask", name, self._packed(args), self._packed(keywords)]))
        while (message := self._receive())[0] == "ask":
            self._answer(message)
        match message:
            case ["said", said, list(after)]:
                for mine, changed in zip(args, after, strict=False):
                    _write_back(mine, self._unpacked(changed))
                match said:
                    case ["argument", int(at)] if 0 <= at < len(args):
                        return args[at]
                return self._unpacked(said)
            case ["raised", list(classes), str(text)]:
                raise _error(classes, text)
        raise LinkBroken("a message of no known kind")

    def serve(self) -> None:
        """Answer until the other side ends."""
        while True:
            try:
                message = self._receive()
            except LinkBroken:
                return
            self._answer(message)

    def _answer(self, message: list[Any]) -> None:
        try:
            _, name, packed_args, packed_keywords = message
            args, keywords = self._unpacked(packed_args), self._unpacked(packed_keywords)
            result = self._offers[name](*args, **keywords)
            own = [at for at, arg in enumerate(args) if arg is result and _may_change(arg)]
            said = ["argument", own[0]] if own else self._packed(result)
            line = _line(["said", said, [self._packed(arg) if _may_change(arg) else None for arg in args]])
        except LinkBroken:
            raise
        except BaseException as error:  # code under grading raises anything, an exit too
            line = _line(["raised", [kind.__name__ for kind in type(error).__mro__], str(error)[:200]])
        self._write(line)

    def _packed(self, value: Any) -> Any:
        return packed(value, self._name)

    def _unpacked(self, value: Any) -> Any:
        return unpacked(value, self._named)

    def _name(self, value: Any) -> list[Any]:
        if isinstance(value, Remote):
            return ["yours", _number(value)]
        if not self._names(value):
            raise TypeError(f"a {type(value).__name__} cannot be handed over")
        self._mine.append(value)
        return ["mine", len(self._mine) - 1]

    def _named(self, whose: str, number: int) -> Any:
        if whose == "mine":
            return Remote(self, number)
        if whose == "yours" and 0 <= number < len(self._mine):
            return self._mine[number]
        raise ValueError("a name for nothing")

    def _write(self, line: bytes) -> None:
        try:
            self._writing.write(line)
            self._writing.flush()
        except OSError as error:
            raise LinkBroken("the other side ended") from error

    def _receive(self) -> list[Any]:
        try:
            message = json.loads(self._reading.readline(LINE_BYTES + 1))
        except (OSError, ValueError, RecursionError) as error:
            raise LinkBroken("the other side ended, or said what is no message") from error
        if not isinstance(message, list) or not message:
            raise LinkBroken("a message is a list")
        return message


def _asks(name: str) -> Function:
    """A method that is done where the object is."""
    return lambda self, *args, **keywords: _link(self).ask(name, self, *args, **keywords)


def _compares(name: str) -> Function:
    """The same for two objects of the other side; beside a value that is here nothing is known, as Python says it."""
    return lambda self, other: _link(self).ask(name, self, other) if isinstance(other, Remote) else NotImplemented


class Remote:
    """An object of the other side. What is done to it is done there, but it never equals a value that is here."""

    __slots__ = ("_remote_link", "_remote_number")

    def __init__(self, link: Link, number: int) -> None:
        object.__setattr__(self, "_remote_link", link)
        object.__setattr__(self, "_remote_number", number)

    def __hash__(self) -> int:
        return _number(self)

    def __iter__(self) -> Iterator[Any]:
        link = _link(self)
        items = link.ask("__iter__", self)
        while True:
            try:
                item = link.ask("__next__", items)
            except StopIteration:
                return
            yield item

    def __contains__(self, item: Any) -> bool:
        """Looks at each item here: an object that says it holds everything holds nothing."""
        return any(item == held for held in self)

    __call__, __getattr__, __setattr__ = _asks("__call__"), _asks("__getattr__"), _asks("__setattr__")
    __next__, __len__, __bool__ = _asks("__next__"), _asks("__len__"), _asks("__bool__")
    __str__, __repr__, __int__, __float__ = _asks("__str__"), _asks("__repr__"), _asks("__int__"), _asks("__float__")
    __enter__, __exit__, __instancecheck__ = _asks("__enter__"), _asks("__exit__"), _asks("__instancecheck__")
    __getitem__, __setitem__, __delitem__ = _asks("__getitem__"), _asks("__setitem__"), _asks("__delitem__")
    __neg__, __abs__, __add__, __sub__ = _asks("__neg__"), _asks("__abs__"), _asks("__add__"), _asks("__sub__")
    __mul__, __truediv__, __floordiv__ = _asks("__mul__"), _asks("__truediv__"), _asks("__floordiv__")
    __mod__, __pow__ = _asks("__mod__"), _asks("__pow__")
    __eq__, __ne__ = _compares("__eq__"), _compares("__ne__")
    __lt__, __le__, __gt__, __ge__ = _compares("__lt__"), _compares("__le__"), _compares("__gt__"), _compares("__ge__")


def _link(remote: Remote) -> Link:
    found: Link = object.__getattribute__(remote, "_remote_link")
    return found


def _number(remote: Remote) -> int:
    found: int = object.__getattribute__(remote, "_remote_number")
    return found


def _line(message: list[Any]) -> bytes:
    line = json.dumps(message).encode() + b"\n"
    if len(line) > LINE_BYTES:
        raise ValueError("a value of more than 1 MiB")
    return line


def _may_change(value: Any) -> bool:
    return isinstance(value, list | dict | set | bytearray)


def _write_back(mine: Any, changed: Any) -> None:
    """Do to our own argument what the other side did to its copy."""
    if not _may_change(mine) or type(mine) is not type(changed) or mine == changed:
        return
    if isinstance(mine, list | bytearray):
        mine[:] = changed
    else:
        mine.clear()
        mine.update(changed)


def _error(classes: list[Any], text: str) -> Exception:
    for name in classes:
        kind = getattr(builtins, name, None) if isinstance(name, str) else None
        if isinstance(kind, type) and issubclass(kind, Exception):
            try:
                return kind(text)
            except TypeError:  # UnicodeDecodeError wants five arguments
                continue
    return RemoteError(text)
