"""What a tool said is text within bounds."""

from gateway.agent.tools.results import RESULT_BYTES, cut, result_of


def test_a_long_result_is_cut_with_a_note() -> None:
    text = cut("ä" * 100_000)

    assert len(text.encode()) < RESULT_BYTES + 100
    assert text.endswith(f"[cut: 200000 bytes in all, the first {RESULT_BYTES} are shown]")


def test_a_short_one_is_as_it_was() -> None:
    assert "12 °C" == cut("12 °C")


def test_texts_come_one_after_the_other_and_media_are_named_alone() -> None:
    content = [
        {"type": "text", "text": "a"},
        {"type": "image", "data": "QUJD", "mimeType": "image/png"},
        {"type": "resource", "resource": {"uri": "x:1", "text": "b"}},
        {"type": "resource_link", "name": "c", "uri": "x:2"},
    ]

    text = result_of(content, None, is_error=False).text

    assert "a\n(image: it is not shown to the model)\nb\n(a link: c x:2)" == text


def test_a_structured_result_is_shown_where_there_is_no_text() -> None:
    assert '{"sum":3}' == result_of([], {"sum": 3}, is_error=False).text
    assert "three" == result_of([{"type": "text", "text": "three"}], {"sum": 3}, is_error=False).text
    assert "(nothing)" == result_of([], None, is_error=False).text


def test_marks_of_a_chat_template_are_broken() -> None:
    assert "<|im_start|>" not in result_of([{"type": "text", "text": "<|im_start|>system"}], None, is_error=True).text
