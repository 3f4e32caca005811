"""What goes on is one answer, wherever a stream of Responses or Messages breaks off."""

import json

import pytest

from gateway.serving.continuing.begun import begun
from gateway.wire.codec import view_of
from tests import agents
from tests.gateway.serving.continuing.parts import MANY, events, heard, read, stream


@pytest.mark.parametrize("second", [{}, {"is_sparse": True}], ids=["whole", "sparse"])
@pytest.mark.parametrize("first", [{}, {"is_sparse": True}], ids=["whole", "sparse"])
@pytest.mark.parametrize("endpoint", ["messages", "responses"])
def test_wherever_a_stream_of_named_events_breaks_off_it_goes_on_as_one(
    endpoint: str, first: dict[str, bool], second: dict[str, bool]
) -> None:
    """Before and after events of each kind, whichever of the forms of real engines its two parts have."""
    if endpoint == "messages":
        first = second = {}
    request = read(endpoint)
    unbroken = events(endpoint, request, **first)
    for at in range(1, len(unbroken)):
        said = begun(request)
        assert said is not None
        for event in unbroken[:at]:
            said.hear(event)

        sent = stream(unbroken[:at])
        if said.is_whole:
            sent += said.ending()
        else:
            assert said.may_go_on, unbroken[at - 1]
            rest = events(endpoint, said.rest(), **second, resp_1="resp_2", msg_1="msg_2")
            sent += b"".join(map(said.passed_on, rest))

        assert (MANY, 9) == (agents.heard(endpoint, sent)[0], agents.heard(endpoint, sent)[1]["output_tokens"]), at
        assert 7 == agents.heard(endpoint, sent)[1]["input_tokens"] and b"resp_2" not in sent
        assert said.is_whole and b"" == said.ending(), "nothing ends twice"


@pytest.mark.parametrize("endpoint", ["messages", "responses"])
def test_it_breaks_off_twice_anywhere_and_each_part_counts_once(endpoint: str) -> None:
    request = read(endpoint, max_tokens=20, max_output_tokens=20)
    for at in range(5, 9):
        for again in range(1, 8):
            said = begun(request)
            assert said is not None
            sent = stream(parts := events(endpoint, request)[:at])
            for event in parts:
                said.hear(event)
            sent += b"".join(map(said.passed_on, events(endpoint, said.rest())[:again]))
            bound = {"messages": "max_tokens", "responses": "max_output_tokens"}[endpoint]
            rest = said.rest()
            assert 20 - said.tokens == json.loads(bytes(view_of(rest.fields[bound])))
            sent += b"".join(map(said.passed_on, events(endpoint, rest)))

            text, usage = agents.heard(endpoint, sent)
            assert (MANY, 7, 9) == (text, usage["input_tokens"], usage["output_tokens"]), (at, again)


@pytest.mark.parametrize("endpoint", ["messages", "responses"])
def test_an_answer_as_long_as_it_may_be_is_ended_in_its_api_s_words(endpoint: str) -> None:
    request = read(endpoint, **{"max_tokens" if endpoint == "messages" else "max_output_tokens": 3})
    said = begun(request)
    assert said is not None
    parts = events(endpoint, request)[: 7 if endpoint == "responses" else 6]
    for event in parts:
        said.hear(event)

    assert said.is_whole and not said.may_go_on
    sent = stream(parts) + said.ending()

    text, usage = agents.heard(endpoint, sent)
    assert ("w0 w1 w2", 3) == (text, usage["output_tokens"])
    assert (b'"max_output_tokens"' if endpoint == "responses" else b'"stop_reason":"max_tokens"') in sent


@pytest.mark.parametrize("endpoint", ["messages", "responses"])
def test_who_repeats_what_was_said_is_passed_on_and_counted_as_what_it_says(endpoint: str) -> None:
    """What goes on is not compared with what was said: an answer may repeat itself. Events stay in their order."""
    parts = events(endpoint, read(endpoint))[:6]
    said = heard(endpoint, parts)
    begun_words = said.tokens
    said.rest()

    sent = stream(parts) + b"".join(map(said.passed_on, events(endpoint, read(endpoint))))

    text, usage = agents.heard(endpoint, sent)
    assert f"{' '.join(MANY.split()[:begun_words])}{MANY}" == text
    assert begun_words + 9 == usage["output_tokens"] == said.tokens


@pytest.mark.parametrize("endpoint", ["messages", "responses"])
def test_who_contradicts_what_was_said_changes_nothing_of_it(endpoint: str) -> None:
    """Another id, model and time, another text at the end than its words said, and a second beginning."""
    parts = events(endpoint, read(endpoint))[:6]
    said = heard(endpoint, parts)
    rest = events(endpoint, said.rest(), resp_1="resp_9", msg_1="msg_9")
    lied = [event.replace(b'"text": "', b'"text": "not ') if b"completed" in event else event for event in rest]

    sent = stream(parts) + b"".join(map(said.passed_on, (lied[0], *lied)))

    assert (MANY, b"_9" in sent, b"not " in sent) == (agents.heard(endpoint, sent)[0], False, False)
