"""Whether an answer calls a tool (P): a program that offered none must not run one that another machine made up."""

import re

_CALL = re.compile(r'"(?:tool_calls|function_call)"\s*:(?!\s*(?:null|\[\s*\]))')  # a quote inside a text is escaped
_ESCAPED = re.compile(r"\\u(00[4-7][0-9a-f]|017f|212a)")  # letters, and what some decoders take for `s` and `k`


def calls_tool(answer: bytes) -> bool:
    """Whether a whole answer, or the data of an event, holds a call, in any spelling that some JSON decoder takes.

    A key's escapes are read, and its case does not matter; of a key that stands twice, each counts.
    """
    text = answer.decode("utf-8", "replace").casefold()
    if "\\u" in text:
        text = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), text).casefold()
    return "_call" in text and _CALL.search(text) is not None
