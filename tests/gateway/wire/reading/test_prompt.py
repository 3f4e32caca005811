"""How long a prompt is, and which conversation it goes on with."""

import pytest

from gateway.wire.known import Turn
from gateway.wire.reading.content import Read
from gateway.wire.reading.prompt import SESSION_CHARS, Prompt, session_key
from gateway.wire.reading.turns import Said

SAID = Said([Turn("system", "be brief"), Turn("user", "hello"), Turn("assistant", "hi"), Turn("user", "and?")])


@pytest.mark.parametrize("is_asked_before", [False, True])
def test_what_was_said_since_is_counted_besides(is_asked_before: bool) -> None:
    prompt = Prompt(Read(SAID, None, None), SAID.words, 100)
    if is_asked_before:
        assert prompt.tokens > 100

    longer = prompt.longer(7)

    assert (prompt.tokens + 7, prompt.session) == (longer.tokens, longer.session)


def test_a_conversation_is_known_by_its_name_else_by_how_it_opens() -> None:
    later = Said([Turn("system", "be brief"), Turn("user", "hello"), Turn("assistant", "what else?")])
    other = Said([Turn("system", "be brief"), Turn("user", "good evening")])

    assert "talk" == Prompt(Read(SAID, None, None), SAID.words, 0, "talk").session
    assert (
        Prompt(Read(SAID, None, None), [], 0).session
        == Prompt(Read(later, None, None), [], 0).session
        != Prompt(Read(other, None, None), [], 0).session
    )
    assert (
        Prompt(Read(SAID, None, None), [], 0, _opening="a").session
        != Prompt(Read(SAID, None, None), [], 0, _opening="b").session
    )


def test_a_long_name_is_remembered_by_its_hash() -> None:
    keys = [session_key(end + "x" * 1000) for end in "aab"]

    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) < SESSION_CHARS
    assert "" == session_key(None) == session_key("")
