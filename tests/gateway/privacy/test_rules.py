"""Rules: what holds, which of several counts, and that what cannot be told keeps a request here."""

import json
from dataclasses import replace
from functools import reduce
from typing import Any

import pytest
from msgspec import structs

from gateway.privacy.rules import (
    REACHES,
    Asked,
    PrivacyConfig,
    Rule,
    RuleError,
    Rules,
    Verdict,
    checked,
)
from gateway.privacy.spellings import SLICE_BYTES
from tests.gateway.privacy.secrets import KINDS, WRITTEN, drawn

HERE, ANYWHERE = Rule("here"), Verdict()
SECRET = "sk-proj-Ab12Cd34Ef56Gh78Ij90Kl12"


def rules(*given: Rule, home: str = "/home/ada") -> Rules:
    return Rules(PrivacyConfig(given), home)


def chat(text: Any, **fields: Any) -> Asked:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}
    return Asked(json.dumps(body).encode(), models=("auto",))


ESCAPED = reduce(lambda text, _: json.dumps(text), range(12), '"')
ASKED = structs.replace(
    chat("Please look at ~/clients/acme/plan.md for Project Falcon, my key is " + SECRET),
    headers={"user-agent": "Cursor/1.2", "x-team": "red, legal"},
    attachments=frozenset({"image"}),
    models=("coder-7b",),
    key="phone",
    topics=frozenset({"medicine", "law"}),
)
CONDITIONS: list[tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]] = [  # that hold of it, that do not
    ({"keys": ("laptop", "phone")}, {"keys": ("laptop",)}),
    ({"headers": ("x-team",)}, {"headers": ("x-group",)}),
    ({"headers": ("X-Team: LEGAL",)}, {"headers": ("x-team: blue",)}),
    ({"headers": ("user-agent: cursor/*",)}, {"headers": ("user-agent: curl*",)}),
    ({"models": ("Coder*",)}, {"models": ("coder",)}),
    ({"attachments": ("audio", "image")}, {"attachments": ("file",)}),
    ({"paths": ("~/clients",)}, {"paths": ("~/client",)}),
    ({"paths": ("/home/ada/clients/acme/",)}, {"paths": ("/home/ada/clients/acme/pl",)}),
    ({"patterns": ("iban", "api_key")}, {"patterns": ("iban", "card")}),
    ({"words": ("project  FALCON",)}, {"words": ("project eagle",)}),
    ({"topics": ("medicine",)}, {"topics": ("coding",)}),
]


@pytest.mark.parametrize(("holds", "fails"), CONDITIONS)
def test_a_rule_holds_where_all_that_it_names_applies(
    holds: dict[str, tuple[str, ...]], fails: dict[str, tuple[str, ...]]
) -> None:
    of_another = {key: value for key, value in {"words": ("falcon",), "keys": ("phone",)}.items() if key not in holds}
    one, both = Rule("r", **holds), Rule("r", **holds, **of_another)  # type: ignore[arg-type]
    none = Rule("r", **fails, **{key: value for key, value in of_another.items() if key not in fails})  # type: ignore[arg-type]

    verdicts = [rules(rule).verdict(ASKED) for rule in (one, both, none)]

    assert [Verdict("this machine", "r"), Verdict("this machine", "r"), ANYWHERE] == verdicts


def test_a_rule_that_names_nothing_holds_for_every_request() -> None:
    assert Verdict("approved", "all") == rules(Rule("all", "approved")).verdict(chat("hi"))


def test_without_rules_a_request_goes_anywhere() -> None:
    assert ANYWHERE == rules().verdict(ASKED)


def test_the_strictest_of_those_that_hold_counts_whatever_their_order() -> None:
    """`anyone` opens nothing that another rule closes."""
    ladder = [Rule(f"r{number}", to) for number, to in enumerate(REACHES)]

    for given in (ladder, ladder[::-1]):
        assert Verdict("this machine", "r0") == rules(*given).verdict(chat("hi"))
    assert Verdict("my machines", "r1") == rules(*ladder[1:]).verdict(chat("hi"))
    assert Verdict("anyone", "r3") == rules(ladder[3]).verdict(chat("hi"))


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        (Rule("r", "approved", topics=("medicine",)), structs.replace(ASKED, topics=None)),
        (Rule("r", "approved", keys=("phone",)), structs.replace(ASKED, key=None)),
        (Rule("r", "approved", words=("eagle",)), Asked(b'{"prompt": [15339, 1917]}')),
        (Rule("r", "approved", patterns=("card",)), Asked(b'{"input": [[1, 2], [3]]}')),
        (Rule("r", "approved", patterns=("card",)), Asked(b'{"prompt": "hi"')),
        (Rule("r", "approved", patterns=("card",)), Asked(b'{"prompt": "\xff"}')),
        (Rule("r", "approved", patterns=("card",)), chat(ESCAPED)),
    ],
    ids=["topic", "key", "token ids", "lists of token ids", "no JSON", "no UTF-8", "escapes without end"],
)
def test_what_cannot_be_told_stays_here(rule: Rule, asked: Asked) -> None:
    assert Verdict("this machine", "r", is_told=False) == rules(rule).verdict(asked)


def test_what_cannot_be_told_holds_up_nothing_that_another_condition_rules_out() -> None:
    rule = Rule("r", models=("coder",), topics=("medicine",))

    assert ANYWHERE == rules(rule).verdict(structs.replace(chat("hi"), topics=None))


FIELDS: list[Any] = [  # everything of a body in which words can stand
    lambda text: {"messages": [{"role": "user", "content": text}]},
    lambda text: {"messages": [{"role": "system", "content": [{"type": "text", "text": text}]}]},
    lambda text: {"messages": [{"role": "user", "name": text, "content": "hi"}]},
    lambda text: {"messages": [{"role": text, "content": "hi"}]},
    lambda text: {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": text}}]}]},
    lambda text: {"messages": [{"role": "tool", "tool_call_id": text, "content": "x"}]},
    lambda text: {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": text}}]}]},
    lambda text: {"messages": [], "tools": [{"function": {"name": "f", "description": text}}]},
    lambda text: {"messages": [], "tools": [{"function": {"parameters": {"properties": {text: {"const": text}}}}}]},
    lambda text: {"messages": [], "response_format": {"json_schema": {"schema": {"enum": [text]}}}},
    lambda text: {"messages": [], "stop": [text], "user": "u"},
    lambda text: {"messages": [], "user": text},
    lambda text: {"messages": [], "metadata": {"a": text}},
    lambda text: {"messages": [], text: 1},
    lambda text: {"model": text, "messages": []},
    lambda text: {"prompt": text, "suffix": "x"},
    lambda text: {"prompt": "x", "suffix": text},
    lambda text: {"prompt": ["a", text]},
    lambda text: {"input": [text, "b"]},
    lambda text: {"input": [{"type": "message", "content": [{"type": "input_text", "text": text}]}]},
    lambda text: {"input": "x", "instructions": text},
    lambda text: {"messages": [], "system": [{"type": "text", "text": text}]},
    lambda text: {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": text}]}]},
    lambda text: {"query": text, "documents": ["d"]},
    lambda text: {"query": "q", "documents": ["d", {"text": text}]},
]


def test_a_thousand_secrets_are_found_in_every_field_and_encoding() -> None:
    """And the number of a card also where it is written as a number."""
    by_kind = {kind: rules(Rule("r", patterns=(kind,))) for kind in KINDS}  # type: ignore[arg-type]
    missed = [
        (kind, way, field)
        for number, (kind, _, way, written) in enumerate(drawn(1000, seed=7))
        for field in [number % len(FIELDS)]
        if not by_kind[kind].verdict(Asked(json.dumps(FIELDS[field](written)).encode())).rule
    ]

    assert [] == missed
    assert by_kind["card"].verdict(Asked(b'{"messages": [], "seed": 4242424242424242}')).rule


@pytest.mark.parametrize("way", WRITTEN)
def test_a_word_of_the_owner_s_is_found_in_every_encoding(way: str) -> None:
    rule = Rule("r", words=("Project Falcon 7",))

    assert rules(rule).verdict(chat(f"so: {WRITTEN[way]('the project falcon 7 plan')}; ok?")).rule


@pytest.mark.parametrize("at", range(1, len(SECRET)))
def test_a_secret_that_is_split_over_two_parts_is_found(at: int) -> None:
    parts = [{"type": "text", "text": f"it: {SECRET[:at]}"}, {"type": "text", "text": SECRET[at:]}]

    assert rules(Rule("r", patterns=("api_key",))).verdict(chat(parts)).rule


def test_a_field_that_stands_twice_hides_nothing() -> None:
    """A decoder takes the last one; an engine elsewhere is sent both."""
    body = b'{"prompt": "%b", "prompt": "hi"}' % SECRET.encode()

    assert rules(Rule("r", patterns=("api_key",))).verdict(Asked(body)).rule


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (Rule("Clients"), "small letters"),
        (Rule(""), "small letters"),
        (Rule("r", topics=("medecine",)), "no topic `medecine`; it knows law, medicine"),
        (Rule("r", words=("a", " ")), "a value of `words` is empty"),
        (Rule("r", paths=("x" * 501,)), "500 characters"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_told_with_its_place(rule: Rule, says: str) -> None:
    with pytest.raises(RuleError, match=r"`privacy.rules\[1\]`") as caught:
        Rules(PrivacyConfig((HERE, rule)), "/home/ada", ("law", "medicine"))

    assert says in str(caught.value)


def test_two_rules_of_one_name_are_a_mistake() -> None:
    with pytest.raises(RuleError, match="one name"):
        rules(HERE, replace(HERE, to="approved"))


def test_rules_are_explained_without_what_they_found() -> None:
    given = (Rule("a", patterns=("api_key",)), Rule("b", words=("eagle",)), Rule("c", topics=("law",)), HERE)
    explained = rules(*given).explain(structs.replace(ASKED, topics=None))

    assert [True, False, None, True] == [holds for _, holds in explained]
    said = " ".join(checked(rule) for rule, _ in explained)
    assert "api_key" in said and "every request" in said
    assert "eagle" not in said and SECRET not in said


# --- what was read before ---


@pytest.mark.parametrize("at", [*range(SLICE_BYTES - 60, SLICE_BYTES + 20, 7), *range(11_000, 12_400, 97)])
def test_a_secret_across_two_slices_of_a_conversation_that_was_clean_is_found(at: int) -> None:
    shipped, text = Rules(PrivacyConfig(), "/home/ada"), "plain words here " * 3000

    clean = shipped.verdict(chat(text))
    found = shipped.verdict(chat(f"{text[:at]} {SECRET} {text[at:]}"))

    assert ("anyone", "secrets") == (clean.reach, found.rule)


LOOKS = [
    (),
    (Rule("secrets", "my machines", patterns=("api_key", "card")),),
    (Rule("clients", "my machines", paths=("~/clients",), words=("falcon",)), Rule("mail", patterns=("email",))),
    (Rule("phone", keys=("phone",), words=("falcon",)), Rule("health", topics=("medicine",), words=("falcon",))),
    (Rule("all", "approved"), Rule("mail", patterns=("email",))),
    (Rule("phone", keys=("phone",)),),
]


@pytest.mark.parametrize("given", LOOKS, ids=lambda given: "+".join(rule.name for rule in given))
def test_what_a_look_clears_no_rule_keeps(given: tuple[Rule, ...]) -> None:
    of, looked = rules(*given), 0
    words = [
        "fine weather",
        "Falcon",
        "~/clients/a",
        "4111 1111 1111 1111",
        "a@b.org",
        SECRET,
        ESCAPED,
        "x" * SLICE_BYTES,
    ]
    for word in words:
        asked = structs.replace(chat(word), may_split=False, key="phone", topics=frozenset({"medicine"}))
        if of.clear(asked.body):
            looked += 1
            assert ANYWHERE == of.verdict(asked)
    assert looked or any(rule.topics or not (rule.patterns or rule.words or rule.paths) for rule in given)


def test_a_long_text_is_not_cleared_by_a_look() -> None:
    """It would hold up others."""
    of = rules(Rule("mail", patterns=("email",)))

    assert [True, False] == [of.clear(b"x" * chars) for chars in (SLICE_BYTES, SLICE_BYTES + 1)]
