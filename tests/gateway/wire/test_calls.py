"""Which answers hold a tool call."""

import pytest

from gateway.wire.calls import calls_tool

CALL = b'[{"id":"1","type":"function","function":{"name":"run_shell","arguments":"{}"}}]'


@pytest.mark.parametrize(
    "answer",
    [
        b'{"choices":[{"message":{"role":"assistant","content":null,"tool_calls":%b}}]}' % CALL,
        b'{"choices":[{"delta":{"tool_calls" : %b}}]}' % CALL,
        b'{"choices":[{"delta":{"function_call":{"name":"run_shell","arguments":""}}}]}',
        b'{"choices":[{"delta":{"function_call":{"arguments":"{"}}}]}',
        rb'{"choices":[{"delta":{"tool\u005Fc\u0061lls":' + CALL + b"}}]}",
        b'{"choices":[{"delta":{"Tool_Calls":%b}}]}' % CALL,
        '{"choices":[{"delta":{"tool_call\u017f":[1]}}]}'.encode(),
        rb'{"choices":[{"delta":{"tool_call\u017F":[1]}}]}',
        b'{"choices":[{"delta":{"tool_calls":%b,"tool_calls":null,"content":"\\u00e9"}}]}' % CALL,
        b'{"choices":[{"delta":{"tool_calls":\n\t%b}}]}' % CALL,
        b'{"choices":[{"delta":{"tool_calls":{}}}]}',
        b'{"choices":[{"delta":{"content":"\xff","tool_calls":[1]}}]}',
    ],
)
def test_a_call_is_found_in_any_spelling(answer: bytes) -> None:
    assert calls_tool(answer)


@pytest.mark.parametrize(
    "answer",
    [
        b"[DONE]",
        b'{"choices":[{"message":{"content":"hi","tool_calls":[],"function_call":null}}]}',
        b'{"choices":[{"message":{"content":"hi","tool_calls": [ ] }}],"x":"\\u00e9"}',
        b'{"choices":[{"delta":{"content":"\\"tool_calls\\": [1]"}}]}',
        b'{"choices":[{"delta":{"content":"\\\\\\u0022tool_calls\\u0022: [1]"}}]}',
        b'{"choices":[{"delta":{"content":"x"},"finish_reason":"tool_calls"}]}',
        b'{"choices":[{"delta":{"content":"tool_calls"}}]}',
    ],
)
def test_a_text_about_calls_is_none(answer: bytes) -> None:
    assert not calls_tool(answer)
