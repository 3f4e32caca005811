"""What the client was sent is what was heard, however much of it and in whichever pieces."""

import json

import pytest

from gateway.serving.continuing import heard as module
from gateway.serving.continuing.begun import begun
from gateway.serving.continuing.heard import UNREAD_BYTES, Heard
from tests.gateway.serving.continuing.parts import MANY, events, heard, read, stream


@pytest.mark.parametrize("endpoint", ["messages", "responses"])
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_it_says_what_its_events_say_one_by_one(endpoint: str, size: int) -> None:
    parts = events(endpoint, request := read(endpoint))[:-3]
    said = Heard(request)
    for begin in range(0, len(parts), size):
        said.add(stream(parts[begin : begin + size]))

    assert said.said is not None
    assert vars(heard(endpoint, parts)) | {"request": request} == vars(said.said) and said.said.text in MANY


def test_it_is_read_only_when_somebody_asks_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = list[str]()
    monkeypatch.setattr(module, "begun", lambda request: looked.append(request.endpoint) or begun(request))
    said, word = Heard(read("chat/completions")), chunk("word ")
    for _ in range(5):
        said.add(word)

    assert not looked
    assert said.said is not None and 5 == said.said.tokens == said.said.text.count("word")
    said.add(word)
    assert 6 == said.said.tokens and ["chat/completions"] == looked


def test_a_long_answer_is_not_kept_as_events() -> None:
    said, word = Heard(read("chat/completions")), chunk("word ")
    for _ in range(3 * UNREAD_BYTES // len(word)):
        said.add(word)

    assert said._unread_bytes <= UNREAD_BYTES
    assert said.said is not None and 3 * UNREAD_BYTES // len(word) == said.said.tokens


def test_of_an_answer_with_which_nobody_goes_on_nothing_is_kept() -> None:
    said, word = Heard(read("chat/completions", n=2)), chunk("word ")
    for _ in range(3 * UNREAD_BYTES // len(word)):
        said.add(word)

    assert said.said is None and not said._unread


def chunk(text: str) -> bytes:
    return b"data: %b\n\n" % json.dumps({"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]}).encode()
