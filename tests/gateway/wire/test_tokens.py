"""Usage is asked for, read in every form, and told to nobody who did not ask."""

import msgspec
import pytest

from gateway.wire.request import encode_request, read_request
from gateway.wire.tokens import Meter, Seen, asking_for_usage, is_usage_alone, larger, most_tokens, usage_of

PROMPT = b'"prompt":"hi","model":"m","stream":true'


@pytest.mark.parametrize(
    ("fields", "asking"),
    [
        (b'"x":[1, 2.50]', b'"x":[1, 2.50],"stream_options":{"include_usage":true}'),
        (b'"stream_options":null', b'"stream_options":{"include_usage":true}'),
        (b'"stream_options":{"a":1e2}', b'"stream_options":{"a":1e2,"include_usage":true}'),
        (b'"stream_options":{"include_usage":false}', b'"stream_options":{"include_usage":true}'),
    ],
)
def test_asking_for_usage_keeps_every_other_byte(fields: bytes, asking: bytes) -> None:
    request = read_request("completions", b"{" + PROMPT + b"," + fields + b"}")

    asked = asking_for_usage(request)

    assert b"{" + PROMPT + b"," + asking + b"}" == b"".join(encode_request(asked, "m"))
    assert not asked.include_usage  # the client is told none


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("completions", b'{"prompt":"hi"}'),
        ("completions", b'{"prompt":"hi","stream":true,"stream_options":{"include_usage":true}}'),
        ("embeddings", b'{"input":"hi","stream":true}'),
        ("messages", b'{"messages":[],"stream":true}'),
    ],
)
def test_nothing_is_asked_where_usage_is_told_anyway_or_cannot_be(endpoint: str, body: bytes) -> None:
    request = read_request(endpoint, body)

    assert request is asking_for_usage(request)


@pytest.mark.parametrize(
    ("data", "is_alone"),
    [
        (b'{"choices":[],"usage":{"prompt_tokens":1},"timings":{}}', True),
        (b'{"choices":[],"usage":null}', False),
        (b'{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}', False),
        (b'{"usage":{"output_tokens":1}}', False),
        (b"[DONE]", False),
    ],
)
def test_only_the_chunk_without_choices_is_usage_alone(data: bytes, is_alone: bool) -> None:
    assert is_alone == is_usage_alone(data)


@pytest.mark.parametrize(
    ("reply", "usage"),
    [
        (b'{"usage":{"input_tokens":3,"output_tokens":4}}', (3, 4)),
        (b'{"type":"response.completed","response":{"usage":{"input_tokens":3,"output_tokens":4}}}', (3, 4)),
        (b'{"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":0}}}', (3, 0)),
        (b'{"usage":{"cache_read_input_tokens":30,"input_tokens":3,"output_tokens":4}}', (33, 4)),
        (b'{"usage":{"cache_creation_input_tokens":30,"cache_read_input_tokens":null,"input_tokens":3}}', (33, 0)),
    ],
)
def test_usage_is_read_in_the_forms_of_responses_and_messages(reply: bytes, usage: tuple[int, int]) -> None:
    assert usage == usage_of(reply)


def metered(
    claim: int, *, words: tuple[str, ...] = (), body: bytes = b"", endpoint: str = "completions", **asked: object
) -> tuple[int, int]:
    """What is made of an answer that claims `claim` tokens of either kind, streamed in `words` or whole."""
    field = "input" if endpoint == "embeddings" else "prompt"
    meter = Meter(read_request(endpoint, msgspec.json.encode({field: "hi", **asked})))
    usage = b'{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}' % (claim, claim)
    for word in words:
        meter.event(b'{"choices":[{"index":0,"text":"' + word.encode() + b'","finish_reason":null,"logprobs":null}]}')
    if words:
        meter.event(usage)
        meter.event(b"[DONE]")
    else:
        meter.whole(body + usage)
    return meter.tokens


@pytest.mark.parametrize("claim", [100_000, 2**31 - 1])
def test_what_an_answer_claims_is_held_against_what_was_seen(claim: int) -> None:
    """Three short words are no hundred thousand tokens, nor is a prompt of two letters, whoever says so."""
    prompt, tokens = metered(claim, words=("one", "two", "three"))

    assert tokens < 60
    assert prompt < 5000


def test_an_answer_in_one_piece_has_no_more_tokens_than_bytes() -> None:
    assert metered(2**31 - 1, body=b" " * 100)[1] < 200


def test_no_answer_has_more_tokens_than_the_request_allows() -> None:
    assert 5 == metered(9, words=("a",) * 20, max_tokens=5)[1]
    assert 10 == metered(99, words=("a",) * 200, max_tokens=5, n=2)[1]
    assert 5 == metered(99, body=b" " * 300, max_tokens=5)[1]


def test_an_event_may_hold_several_tokens() -> None:
    """Engines that guess ahead or fall behind put more than one token into an event: they are believed."""
    assert 60 == metered(60, words=("a word and another two ",) * 10 + ("a",))[1]


@pytest.mark.parametrize("begin", [b"data: ", b"event: content_block_delta\ndata: ", b"event: delta\ndata: |data: "])
@pytest.mark.parametrize("sizes", [(2,), (9,), (6, 7), (2, 40), (300, 7, 7, 21)], ids=str)
def test_events_that_come_together_are_counted_as_one_by_one(begin: bytes, sizes: tuple[int, ...]) -> None:
    data = [b"{" + b" " * (size - 2) + b"}" for size in sizes]
    begins = begin.split(b"|")
    named = [begins[-number % len(begins)] + each + b"\n\n" for number, each in enumerate(data, start=1)]
    together, apart = Seen(), Seen()

    together.plain(b"".join(named), len(data))
    for each in data:
        apart.event(len(each))

    assert apart == together


def test_embeddings_write_nothing() -> None:
    assert 0 == metered(2**31 - 1, body=b" " * 100, endpoint="embeddings")[1]


def test_an_honest_count_is_kept() -> None:
    assert (4, 4) == metered(4, words=("a", "b", "c", "d"))


@pytest.mark.parametrize(
    ("asked", "choices"),
    [
        *(({"prompt": "a"}, 1), ({"prompt": ["a", "b", "c"]}, 3), ({"prompt": [1, 2, 3]}, 1), ({"prompt": []}, 1)),
        *(
            ({"prompt": [[1, 2], [3]], "n": 2}, 4),
            ({"prompt": "a", "n": None}, 1),
            ({"prompt": "a", "n": 1e300}, 2**31),
        ),
    ],
)
def test_choices_are_what_max_tokens_counts_for(asked: dict[str, object], choices: int) -> None:
    request = read_request("completions", msgspec.json.encode({"max_tokens": 7, **asked}))

    assert choices == request.choices
    assert 7 * choices == most_tokens(request)


def test_counts_of_one_answer_only_grow() -> None:
    assert (3, 4) == larger(larger(None, (3, 0)), (0, 4))


def test_usage_is_read_where_there_is_any() -> None:
    assert (3, 4) == usage_of(b'{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7},"choices":[]}')
    assert usage_of(b'{"usage":null}') is None
    assert usage_of(b"{}") is None


@pytest.mark.parametrize(
    "reply",
    [
        b'{"usage":{"prompt_tokens":-1,"completion_tokens":4}}',
        b'{"usage":{"prompt_tokens":3,"completion_tokens":1000000000000}}',
        b'{"usage":{"prompt_tokens":3,"completion_tokens":null}}',
        b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_usage_that_cannot_be_is_none(reply: bytes) -> None:
    """Other peers' bytes come here: they must not break a counter."""
    assert usage_of(reply) is None
