"""Server-sent events, as OpenAI streams use them: whole events only, which of them carry data, and which call a tool.

Knows nothing of sockets. Source: WHATWG HTML, section 9.2; what real SDKs break on is in docs/decisions.md.
"""

import re

import msgspec

from gateway.wire.codec import UNREADABLE

DONE = b"data: [DONE]\n\n"
_DONE_LENGTH = 20  # bytes of a line that may be DONE with blanks around it
# What ends a stream of named events (/v1/responses, /v1/messages), which closes without [DONE].
LAST_EVENTS = frozenset({b"response.completed", b"response.incomplete", b"response.failed", b"message_stop"})
EVENT_LIMIT_BYTES = 1 << 20  # one event; engines send one token an event, tool calls some KiB
LINES_LIMIT = 4096  # of one event; engines send one to three, and reading a MiB of short ones takes 0.1 s

_BOM = b"\xef\xbb\xbf"  # before the first event of some servers
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
CONTROL = frozenset({b"refused", b"reply", b"head", b"part", b"broke", b"receipt"})  # names between peers
_CALL = re.compile(r'"(?:tool_calls|function_call)"\s*:(?!\s*(?:null|\[\s*\]))')  # a quote inside a text is escaped
_CALLED = re.compile(r'"type"\s*:\s*"[^"]*(?:_call|tool_use|_call_arguments\.\w+)"')  # in Responses and Messages
_ESCAPED = re.compile(r"\\u(00[4-7][0-9a-f]|017f|212a)")  # letters, and what some decoders take for `s` and `k`
_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class OversizedEvent(Exception):
    """An upstream sent an event of more than EVENT_LIMIT_BYTES, ended or not, or of more than LINES_LIMIT lines."""


class _Typed(msgspec.Struct):
    type: str = ""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One whole event: its bytes as they may be sent on (ending in a blank line), its data, its name if any."""

    raw: bytes
    data: bytes
    name: bytes = b""

    @property
    def is_done(self) -> bool:
        return self.data == b"[DONE]"

    @property
    def is_comment(self) -> bool:
        """Whether it is a sign of life without data, which clients read over (see EventSplitter)."""
        return self.raw.startswith(b":")

    @property
    def is_object(self) -> bool:
        """Whether it looks like a JSON object, as every event of an answer but the last is."""
        data = self.data.strip()
        return data.startswith(b"{") and data.endswith(b"}")

    @property
    def is_error(self) -> bool:
        return self.data.startswith((b'{"error"', b'{ "error"', b'{"type":"error"')) or self.name == b"error"

    @property
    def finishes(self) -> bool:
        """Whether a chunk says that a choice is finished, and so not cut."""
        return _FINISH.search(self.data) is not None

    @property
    def ends_stream(self) -> bool:
        """Whether the answer is complete with this event, if the connection closes after it.

        Its type tells, where it has no name: `transformers serve` names none.
        """
        return self.name in LAST_EVENTS or (b'"type"' in self.data and not self.name and self.type in LAST_EVENTS)

    @property
    def type(self) -> bytes:
        """The `type` of its data, which is the name in Responses and Messages; empty where it tells none."""
        try:
            return msgspec.json.decode(self.data, type=_Typed).type.encode()
        except UNREADABLE:
            return b""


def tells_no_usage(data: bytes) -> bool:
    """Whether this need not be parsed for a usage: it has none, or `null` wherever it names one."""
    return b'"usage"' not in data or data.count(b'"usage"') == data.count(b'"usage":null')


class EventSplitter:
    """Bytes of a stream in, whole events out; events without data (comments, pings, retry:) are swallowed.

    They carry nothing for an OpenAI client, and a data-less event is a JSONDecodeError in the Python SDK.
    `with_comments`: comments that stand alone come out, too, since every SDK reads over them.
    """

    def __init__(self, *, with_comments: bool = False) -> None:
        self._with_comments = with_comments
        self._rest = bytearray()  # of an event that has not ended; it holds no blank line
        self._has_begun = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Raises OversizedEvent.

        Looks at the new bytes only, and at the last three before them, where a blank line may have begun: else an event
        of 1 MiB that comes byte by byte would be searched a million times.
        """
        if not self._has_begun:
            self._has_begun, chunk = True, chunk.removeprefix(_BOM)
        may_be_oversized = len(self._rest) + len(chunk) > EVENT_LIMIT_BYTES
        blocks = self._blocks(chunk) if self._rest else _BLANK_LINE.split(chunk)
        self._rest += blocks.pop()
        if may_be_oversized and max(map(len, (*blocks, self._rest))) > EVENT_LIMIT_BYTES:
            raise OversizedEvent(f"an event of more than {EVENT_LIMIT_BYTES} bytes")
        events = list[Event]()
        for block in blocks:
            if event := parse_event(block):
                events += _apart(event) if b"\n" in event.data else (event,)
            elif self._with_comments and (said := [line for line in block.splitlines() if line.startswith(b":")]):
                events.append(Event(b"\n".join(said) + b"\n\n", b""))
        return events

    def _blocks(self, chunk: bytes) -> list[bytes]:
        """The blocks that `chunk` completes, and what begins after them, which is to be appended to the rest."""
        kept = bytes(self._rest[-3:])
        ended = _BLANK_LINE.search(kept + chunk)
        if ended is None:
            return [chunk]
        first = bytes(self._rest[: len(self._rest) - len(kept)]) + (kept + chunk)[: ended.start()]
        self._rest.clear()
        return [first, *_BLANK_LINE.split((kept + chunk)[ended.end() :])]

    @property
    def is_between(self) -> bool:
        """Whether no event has begun that has not ended."""
        return not self._rest


def parse_event(block: bytes) -> Event | None:
    """The event in one block of lines, without `id:` (which breaks SDKs); None where there is no data.

    Its name stands first, wherever it stood, so that nobody reads on past it. Raises OversizedEvent.
    """
    if b"\r" not in block and (line_ends := block.count(b"\n")) < 2:  # the common cases, untouched
        if line_ends == 0 and block.startswith(b"data: "):
            if len(block) < _DONE_LENGTH and block[6:].strip() == b"[DONE]":
                return Event(DONE, b"[DONE]")  # some servers write a blank behind it, which SDKs do not expect
            return Event(block + b"\n\n", block[6:])
        if line_ends == 0 and block.startswith(b":"):
            return None  # a sign of life
        if line_ends and block.startswith(b"event: ") and (end := block.find(b"\ndata: ")) > 0:
            return Event(block + b"\n\n", block[end + 7 :], block[7:end].strip())  # as everything between peers
    if block.count(b"\n") + block.count(b"\r") > 2 * LINES_LIMIT:  # a line may end in both
        raise OversizedEvent(f"an event of more than {LINES_LIMIT} lines")
    lines = [line for line in block.splitlines() if line and not line.startswith((b":", b"id:", b"retry:"))]
    data = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
    if not data:
        return None
    lines.sort(key=lambda line: not line.startswith(b"event:"))
    name = lines[0][6:].strip() if lines[0].startswith(b"event:") else b""
    return Event(b"\n".join(lines) + b"\n\n", b"\n".join(data), name)


def _apart(event: Event) -> list[Event]:
    """Events that a server parted by one line end instead of two: a JSONDecodeError in SDKs, if they passed as one."""
    pieces = event.data.split(b"\n")
    if all(piece == b"[DONE]" or (piece.startswith(b"{") and piece.endswith(b"}")) for piece in pieces):
        return [Event(encode_event(piece), piece) for piece in pieces]
    return [event]


def encode_event(data: bytes, name: str = "") -> bytes:
    """An event of one line of data, named if `name` is given."""
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + data + b"\n\n"


def calls_tool(answer: bytes) -> bool:
    """Whether a whole answer, or the data of an event, holds a call, in any spelling that some JSON decoder takes.

    A program that offered no tool must not run one that another machine made up. A key's escapes are read, and its case
    does not matter; of a key that stands twice, each counts.
    """
    text = answer.decode("utf-8", "replace").casefold()
    if "\\u" in text:
        text = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), text).casefold()
    if "_call" in text and _CALL.search(text) is not None:
        return True
    return ("_call" in text or "tool_use" in text) and _CALLED.search(text) is not None
