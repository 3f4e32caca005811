"""Replies that are a JSON object: a call of a function, and fields that were read out of a text. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from profiler.grading.reply import code_of, folded, said

NO_TOOL = "none"
ANY_TEXT = "*"
_STARTS = 3  # braces of a reply that are tried as the start of its object


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which function is to be called, and with what."""

    tools: list[str]  # what may be called: "name(argument: type): what it does"
    name: str  # NO_TOOL: none of them does what is asked
    arguments: dict[
        str, list[Any]
    ] = {}  # the values that are right; null among them: it may be left out; "*": any text


class Fields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which values are right for each key; null is a value."""

    fields: dict[str, list[Any]]


def is_call(reply: str, call: Call) -> bool:
    """Whether the reply calls this function, each argument one of the right values, and no other argument."""
    match object_in(reply):
        case {"name": str(name), **rest}:
            given = rest.get("arguments", {})
            right = isinstance(given, dict) and (call.name == NO_TOOL or _all_right(given, call.arguments))
            return name.strip() == call.name and right
    return False


def fields_right(reply: str, wanted: Fields) -> float:
    """F1 of the fields, in [0, 1]: a key too much counts as a wrong one does. 0 where the reply is no object."""
    given = object_in(reply)
    if not given:
        return 0.0
    right = sum(is_one_of(given[key], accepted) for key, accepted in wanted.fields.items() if key in given)
    return 2 * right / (len(given) + len(wanted.fields))


def object_in(reply: str) -> dict[str, Any] | None:
    """The first JSON object in a reply; None where there is none."""
    for text in (code_of(reply), said(reply)):
        at = -1
        for _ in range(_STARTS):
            at = text.find("{", at + 1)
            if at < 0:
                break
            try:
                value, _ = json.JSONDecoder().raw_decode(text, at)
            except (ValueError, RecursionError):
                continue
            return value if isinstance(value, dict) else None
    return None


def is_one_of(value: Any, accepted: Sequence[Any]) -> bool:
    """Whether the value is one of these: texts without differences of case and outer punctuation, "5" as 5."""
    return any(_same(value, one) for one in accepted)


def _all_right(given: Mapping[str, Any], wanted: Mapping[str, Sequence[Any]]) -> bool:
    named = all(key in wanted for key, value in given.items() if value is not None)
    return named and all(is_one_of(given.get(key), accepted) for key, accepted in wanted.items())


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return isinstance(value, list) and len(value) == len(wanted) and all(map(_same, value, wanted))
    if isinstance(wanted, bool) or wanted is None:
        return value is wanted
    if isinstance(wanted, int | float):
        return not isinstance(value, bool) and _number(value) == wanted
    return isinstance(value, str) and (wanted == ANY_TEXT or folded(value) == folded(wanted))


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) and len(str(value)) < 40 else None
    except (ValueError, OverflowError):
        return None
