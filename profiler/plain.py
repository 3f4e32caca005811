"""Values as JSON, so that two processes that do not trust each other can exchange them. Pure.

A number, a text or a list of them travels as it is, by its exact type: a subclass with an `==` of its own arrives as
the plain number or list. What is not plain (a function, an object) stays where it is; what is sent is a name for it.
"""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

Name = Callable[[Any], list[Any]]  # a name for a value that stays here
Named = Callable[[str, int], Any]  # what a name stands for

_SMALL = 2**63  # integers beyond travel in hexadecimal: Python reads decimal ones of any length in the square of it


def packed(value: Any, name: Name) -> Any:
    """The value as json.dumps takes it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -_SMALL < value < _SMALL else ["int", hex(value)]
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, complex):
        return ["complex", value.real, value.imag]
    if isinstance(value, bytes | bytearray):
        return [_exact(value, bytes, bytearray), bytes(value).hex()]
    if isinstance(value, Fraction | Decimal):
        return [_exact(value, Fraction, Decimal), str(value)]
    if isinstance(value, dict):
        return ["dict", *([packed(key, name), packed(held, name)] for key, held in value.items())]
    if isinstance(value, list | tuple | set | frozenset):
        return [_exact(value, list, tuple, set, frozenset), *(packed(item, name) for item in value)]
    return name(value)


def unpacked(value: Any, named: Named) -> Any:
    """The value that was packed. Raises ValueError, or TypeError for a key that cannot be one, where there is none."""
    if not isinstance(value, list):
        if isinstance(value, dict):
            raise ValueError("no value is a JSON object")
        return value
    match value:
        case ["int", str(digits)]:
            return int(digits, 16)
        case ["complex", float(real), float(imaginary)]:
            return complex(real, imaginary)
        case ["bytes" | "bytearray" as kind, str(digits)]:
            return _BINARY[kind](bytes.fromhex(digits))
        case ["Fraction" | "Decimal" as kind, str(digits)]:
            return _EXACT[kind](digits)
        case ["dict", *pairs]:
            return {unpacked(key, named): unpacked(held, named) for key, held in pairs}
        case ["list" | "tuple" | "set" | "frozenset" as kind, *items]:
            return _HOLDERS[kind](unpacked(item, named) for item in items)
        case [str(whose), int(number)]:
            return named(whose, number)
    raise ValueError("not a value")


_BINARY: dict[str, Callable[[bytes], Any]] = {"bytes": bytes, "bytearray": bytearray}
_EXACT: dict[str, Callable[[str], Any]] = {"Fraction": Fraction, "Decimal": Decimal}
_HOLDERS: dict[str, Callable[[Any], Any]] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


def _exact(value: Any, *kinds: type) -> str:
    return next(kind.__name__ for kind in kinds if isinstance(value, kind))
