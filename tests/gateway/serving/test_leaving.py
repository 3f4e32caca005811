"""The owner's rules are asked for a request; whatever goes wrong, it stays here."""

import json
import threading
from dataclasses import dataclass
from math import inf
from typing import Any, cast

import numpy as np
import pytest

from gateway.privacy.others import JSON, OtherRequest
from gateway.privacy.rules import ANYWHERE, Asked, PrivacyConfig, Rule, Rules, Verdict
from gateway.serving.leaving import INLINE_BYTES, Came, Leaving
from gateway.topics.judged import Judged
from gateway.wire.bodies import FORM
from gateway.wire.request import Request, read_request

CATEGORIES = ("medicine", "law", "coding", "coding")
ILL, LEGAL, CODE, STRANGE = "my knee hurts", "may I sue", "sort a list", "zzzz"
SHARES = {ILL: (0.9, 0.05, 0.05, 0.0), LEGAL: (0.3, 0.6, 0.1, 0.0), CODE: (0.1, 0.1, 0.4, 0.4), STRANGE: (0.25,) * 4}


class Reader:
    """Stands where the RelevanceReader does: knows four texts, and is `away` as long as it has no encoder."""

    def __init__(self) -> None:
        self.away = False
        self.gate = self
        self.categories = CATEGORIES

    async def judge(self, text: str, budget_s: float) -> Judged | None:
        if self.away or text not in SHARES:
            return None
        shares = np.array(SHARES[text], dtype=np.float32)
        return Judged(shares, CATEGORIES[int(shares.argmax())] if text != STRANGE else "", text != STRANGE)


@dataclass
class Node:
    """As far as it is looked at: which of all agents run on this machine."""

    here: tuple[bool, ...] = (True, False)

    @property
    def roster(self) -> Any:
        return type("Roster", (), {"is_all_here": all(self.here)})


class Noting(Rules):
    """Tells in which threads it was asked."""

    def __init__(self, config: PrivacyConfig, home: str) -> None:
        super().__init__(config, home)
        self.read_in = list[threading.Thread]()

    def verdict(self, asked: Asked, new_bytes: float = inf) -> Verdict:
        self.read_in.append(threading.current_thread())
        return super().verdict(asked, new_bytes)


def leaving(*rules: Rule, here: tuple[bool, ...] = (True, False), reader: Reader | None = None) -> Leaving:
    return Leaving(Rules(PrivacyConfig(rules), "/home/ada"), cast(Any, Node(here)), cast(Any, reader or Reader()))


async def verdict(of: Leaving, *turns: str, key: str = "", always: bool = False, **headers: str) -> Verdict:
    said = [{"role": "user", "content": turn} for turn in turns]
    body = json.dumps({"messages": said}).encode()
    return await of.verdict(read_request("chat/completions", body), Came(body, headers, key), always=always)


MEDICAL = Rule("health", "approved", topics=("medicine",))


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ((ILL,), Verdict("approved", "health")),
        ((LEGAL,), Verdict("approved", "health")),  # a third of it is medicine
        ((CODE,), ANYWHERE),
        ((ILL, CODE), Verdict("approved", "health")),  # an earlier turn still travels with the new one
        ((STRANGE,), Verdict("this machine", "health", is_told=False)),
        (("never judged",), Verdict("this machine", "health", is_told=False)),
        (("",), Verdict("this machine", "health", is_told=False)),
    ],
)
async def test_a_topic_is_judged_turn_by_turn(turns: tuple[str, ...], expected: Verdict) -> None:
    assert expected == await verdict(leaving(MEDICAL), *turns)


async def test_without_an_encoder_a_topic_cannot_be_told() -> None:
    reader = Reader()
    reader.away = True

    assert Verdict("this machine", "health", is_told=False) == await verdict(leaving(MEDICAL, reader=reader), CODE)


async def test_what_a_conversation_was_about_is_remembered_beyond_the_turns_that_are_read() -> None:
    of = leaving(MEDICAL)

    first = await verdict(of, ILL)
    later = await verdict(of, ILL, *[CODE] * 8)
    another = await verdict(of, *[CODE] * 8)

    assert ["health", "health", ""] == [found.rule for found in (first, later, another)]


async def test_while_all_runs_on_this_machine_nothing_is_looked_at_and_it_stays_here() -> None:
    """A peer that comes while it waits does not get it."""
    rule = Rule("all", "approved")

    assert Verdict("this machine") == await verdict(leaving(rule, here=(True, True)), CODE)
    assert Verdict("approved", "all") == await verdict(leaving(rule, here=(True, True)), CODE, always=True)
    assert ANYWHERE == await verdict(leaving(here=(True, True)), CODE)


async def test_key_and_headers_are_the_caller_s() -> None:
    of = leaving(Rule("phone", keys=("phone",)), Rule("team", headers=("x-team: red",)))

    assert "phone" == (await verdict(of, CODE, key="phone")).rule
    assert "team" == (await verdict(of, CODE, **{"x-team": "Red"})).rule
    assert ANYWHERE == await verdict(of, CODE, key="laptop")


@pytest.mark.parametrize("chars", [10, 2 * INLINE_BYTES])
async def test_a_bug_keeps_the_request_here_and_says_nothing_of_it(
    chars: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: Rules, asked: object, new_bytes: float = inf) -> Verdict:
        raise ValueError("a secret word")

    monkeypatch.setattr(Rules, "verdict", broken)

    assert Verdict("this machine", "not_judged", is_told=False) == await verdict(leaving(MEDICAL), "x" * chars)
    assert "privacy_not_judged why=ValueError" in caplog.text
    assert "secret word" not in caplog.text


async def test_a_long_body_is_read_beside_the_event_loop() -> None:
    """It takes a while, and meanwhile others go on."""
    rules = Noting(PrivacyConfig((Rule("r", patterns=("card",)),)), "/home/ada")
    of = Leaving(rules, cast(Any, Node()), cast(Any, Reader()))

    said = [await verdict(of, "Some words, 12 of them, and more. " * times) for times in (1, 20_000)]

    assert [ANYWHERE, ANYWHERE] == said
    assert [True, False] == [thread is threading.current_thread() for thread in rules.read_in]


async def test_a_long_conversation_is_judged_at_once_where_it_was_read_before() -> None:
    """It takes no thread, and no turn of the event loop; what is new of it is read beside that where it is long."""
    of, pattern = leaving(Rule("r", patterns=("card",))), "Turn {}: some words, 12 of them, and more. "
    read, new = ("".join(map(pattern.format, range(begin, begin + 4000))) for begin in (0, 10**6))

    def said(*turns: str) -> tuple[Request, Came]:
        body = json.dumps({"messages": [{"role": "user", "content": turn} for turn in turns]}).encode()
        return read_request("chat/completions", body), Came(body, {})

    def is_at_once(*turns: str) -> bool:
        judging = of.verdict(*said(*turns), is_quick=True)
        try:
            judging.send(None)
        except StopIteration as told:
            return bool(ANYWHERE == told.value)
        judging.close()
        return False

    assert ANYWHERE == await of.verdict(*said(read))
    assert is_at_once(read)
    assert is_at_once(read, "and one more")
    assert not is_at_once(read, new)
    assert "r" == (await of.verdict(*said(read, "4111 1111 1111 1111"), is_quick=True)).rule


async def test_other_endpoints_are_judged_by_all_but_their_topic() -> None:
    of = leaving(Rule("mail", patterns=("email",)), Rule("sound", "my machines", attachments=("audio",)))

    rerank = await of.of_other(OtherRequest("rerank", JSON, b'{"query": "a@b.org"}', None, {}), {}, "")
    sound = await of.of_other(OtherRequest("audio/transcriptions", FORM, b"--x", "w", None), {}, "")
    health = await leaving(MEDICAL).of_other(OtherRequest("rerank", JSON, b"{}", None, {}), {}, "")

    assert [("this machine", "mail"), ("my machines", "sound")] == [(one.reach, one.rule) for one in (rerank, sound)]
    assert Verdict("this machine", "health", is_told=False) == health


async def test_what_a_rule_decided_is_counted_and_what_was_only_explained_is_not() -> None:
    asked = leaving(Rule("here", words=("canary",)))

    await verdict(asked, "the canary")
    await verdict(asked, "a crow")
    await verdict(asked, "the canary", always=True)

    assert {"here": 1} == asked.held


async def test_a_text_in_which_nothing_stands_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a rule may hold, or looking fails, it is asked for."""
    of = leaving(Rule("r", patterns=("card",)))

    assert ANYWHERE == of.at_once(b"some words")
    assert of.at_once(b"4111 1111 1111 1111") is None
    assert of.at_once() is None
    assert leaving(MEDICAL).at_once(b"some words") is None
    monkeypatch.setattr(Rules, "clear", lambda self, text: 1 / 0)
    assert of.at_once(b"some words") is None
