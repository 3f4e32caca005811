"""What turns say, of every API alike."""

from gateway.wire.bodies import AnthropicBody
from gateway.wire.known import TextPart, Turn
from gateway.wire.reading.turns import OPENING_CHARS, ROUTED_TEXT_CHARS, Said, loose_turns

TURNS = [
    Turn("system", "be brief"),
    Turn("user", [TextPart("first"), TextPart("and more")]),
    Turn("assistant", None),
    Turn("user", " second\n"),
]


def test_the_newest_of_the_user_s_turns_is_what_is_asked() -> None:
    said = Said(TURNS)

    assert ("second", ("first\nand more",), "be brief") == said.wording


def test_a_conversation_is_told_by_its_setting_and_its_first_question() -> None:
    assert "be brief\nfirst\nand more" == Said(TURNS).opening == Said(TURNS[:2]).opening


def test_a_conversation_in_which_no_user_speaks_is_told_by_its_first_turn() -> None:
    turns = [Turn("assistant", "I call it"), Turn("tool", "42"), Turn("tool", "43")]

    assert "I call it" == Said(turns[:2]).opening == Said(turns).opening


def test_a_long_opening_is_told_by_both_ends() -> None:
    """A program's setting may be long, and the same for every question."""
    one, other = (Said([Turn("system", "s" * OPENING_CHARS), Turn("user", user)]).opening for user in ("one", "other"))

    assert one != other
    assert OPENING_CHARS + 1 == len(one) == len(other)


def test_no_turns_say_nothing() -> None:
    said = Said([])

    assert (("", (), ""), "") == (said.wording, said.opening)


def test_of_a_long_setting_both_ends_are_read() -> None:
    setting = Said([Turn("system", "a" * 5000), Turn("developer", "b" * 5000)]).wording.setting

    assert (ROUTED_TEXT_CHARS + 1, "a", "b") == (len(setting), setting[0], setting[-1])


def test_words_are_found_in_items_of_any_shape() -> None:
    asked = AnthropicBody(
        messages=[
            {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "image"}, {"text": "result"}]}]},
            {"type": "reasoning", "summary": [{"text": "hm"}]},
            "and now?",
        ],
        system=[{"type": "text", "text": "be kind"}],
    )

    said = Said([*loose_turns(asked)])

    assert (["be kind", "result", "hm", "and now?"], ["image"]) == (said.words, [part.type for part in said.parts])
    assert ["system", "tool", "assistant", "user"] == said.roles
