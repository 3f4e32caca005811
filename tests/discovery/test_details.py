"""What a peer tells of its agents: bounded where it is read, and readable by versions that know less or more."""

import msgspec
import pytest

from discovery.details import (
    DETAILED_LIMIT,
    DETAILS_LIMIT_BYTES,
    PARAMETERS_LIMIT,
    decode_details,
    detailed,
    digest,
    encode_details,
)
from discovery.envelopes import MalformedMessage
from discovery.records import Agent, Domain, Profile

VECTOR = Profile(bytes([7, 8]), (1, 2))
WHOLE = Agent(
    "coder", "qwen3-coder-30b", 32768, ("text", "tools"), {"old": VECTOR}, ("image",), ("responses",), "other host",
    True, 30_000_000_000, "Q4_K_M", ("Reads shell scripts.",), True, 3,
    ("chat/completions",), "agent", "qwen3", ("documents",), Domain(20, 0.9, 0.25, 0.5), "knows the handbook",
)  # fmt: skip


def wire(**fields: object) -> bytes:
    return msgspec.msgpack.encode([{"name": "a", "model": "a", **fields}])


def test_what_is_told_is_what_is_heard() -> None:
    assert (WHOLE, Agent("b", "b", 0)) == decode_details(encode_details([WHOLE, Agent("b", "b", 0)]))


def test_a_field_of_the_future_is_passed_over_and_a_missing_one_is_not_told() -> None:
    assert (Agent("a", "a", 0),) == decode_details(wire(mood={"joy": 3}))


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x" * 200},
        {"name": ""},
        {"context_tokens": -1},
        {"context_tokens": 2**40},
        {"modalities": ["text"] * 9},
        {"profiles": {"s": [b"", []]}},
        {"profiles": {"s": [b"ab", [1]]}},
        {"profiles": {f"s{n}": [b"a", [1]] for n in range(3)}},
        {"place": "moon"},
        {"topics": "none"},
    ],
    ids=str,
)
def test_an_agent_out_of_bounds_is_left_out_and_the_others_stay(fields: dict[str, object]) -> None:
    good = msgspec.msgpack.decode(encode_details([WHOLE]))

    assert (WHOLE,) == decode_details(msgspec.msgpack.encode(msgspec.msgpack.decode(wire(**fields)) + good))


@pytest.mark.parametrize(
    ("fields", "heard"),
    [
        ({"parameters": 10**18}, {"parameters": PARAMETERS_LIMIT}),
        ({"parameters": -5}, {"parameters": 0}),
        ({"quantisation": "Q\x00" * 99}, {"quantisation": "Q" * 32}),
        ({"untold": ["image"] * 99}, {"untold": ("image",) * 16}),
        ({"topics": ["a" * 1000] * 99}, {"topics": ("a" * 96,) * 16}),
        ({"endpoints": ["", "\n", "responses"]}, {"endpoints": ("responses",)}),
        ({"continues": ["", "x" * 99]}, {"continues": ("x" * 64,)}),
        ({"domain": [10**9, 2.0, -1.0, float("nan")]}, {"domain": Domain(10_000, 1.0, 0.0, 0.0)}),
    ],
    ids=str,
)
def test_numbers_and_words_are_clipped_to_what_can_be(fields: dict[str, object], heard: dict[str, object]) -> None:
    (agent,) = decode_details(wire(**fields))

    assert heard == {name: getattr(agent, name) for name in heard}


@pytest.mark.parametrize(
    "answer",
    [b"", b"\xc1", b"{}", msgspec.msgpack.encode({"a": 1}), b"\x91" * 100_000, bytes(DETAILS_LIMIT_BYTES + 1)],
    ids=["nothing", "no msgpack", "JSON", "no list", "nested", "long"],
)
def test_nonsense_is_malformed(answer: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_details(answer)


def test_an_answer_is_no_longer_than_is_read_and_leaves_out_from_its_end() -> None:
    topics = ("x" * 96,) * 16
    told = encode_details([Agent(f"a{n}", "m", 0, topics=topics) for n in range(DETAILED_LIMIT + 9)])

    heard = decode_details(told)

    assert 40 < len(heard) < DETAILED_LIMIT
    assert [f"a{n}" for n in range(len(heard))] == [agent.name for agent in heard]
    assert len(decode_details(encode_details([Agent(f"a{n}", "m", 0) for n in range(3000)]))) == DETAILED_LIMIT


def test_of_two_agents_with_one_name_the_first_counts() -> None:
    told = encode_details([Agent("a", "first", 0), Agent("a", "second", 0)])

    assert ["first"] == [agent.model for agent in decode_details(told)]


def test_a_card_wins_over_details_and_keeps_what_only_they_tell() -> None:
    now = Agent("coder", "qwen3-coder-30b", 4096, ("text",), {"new": VECTOR})

    both = detailed(now, WHOLE)

    assert (4096, ("text",), {"old": VECTOR, "new": VECTOR}) == (both.context_tokens, both.modalities, both.profiles)
    assert (WHOLE.untold, WHOLE.place, WHOLE.topics) == (both.untold, both.place, both.topics)


def test_a_digest_changes_with_the_details_and_nobody_can_guess_it() -> None:
    assert digest(b"a", b"key") == digest(b"a", b"key") != digest(b"b", b"key")
    assert digest(b"a", b"key") != digest(b"a", b"other key")
    assert 8 == len(digest(b"a", b"key"))
