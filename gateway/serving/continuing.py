"""What a streamed answer has said so far, and what asks another agent for the rest where it breaks off (P).

Only text goes on elsewhere: another engine cannot take up a call of a tool, an answer held to a schema, several answers
at once, or what a model thinks before it speaks. The events of whoever goes on are passed on as parts of the first
answer: with its id, its model and its time, and with the usage of all parts together.
"""

from dataclasses import replace
from typing import Any

import msgspec

from gateway.wire.codec import UNREADABLE, Value, pieces_of, raw, view_of
from gateway.wire.events import DONE, encode_event
from gateway.wire.request import Request
from gateway.wire.tokens import choices_in

CONTINUABLE = frozenset({"chat/completions", "completions"})
UNREAD_BYTES = 1 << 18  # of events that are kept as they came; they are read when more come, or when an answer breaks
# Fields of requests whose answers are more than text, or that already say how an answer is to go on.
HOLDING = frozenset(
    {
        *("logprobs", "top_logprobs", "prompt_logprobs", "return_token_ids", "return_tokens_as_token_ids"),
        *("response_format", "structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar"),
        *("json_schema", "regex", "ebnf", "grammar", "structural_tag", "format"),
        *("echo", "suffix", "best_of", "use_beam_search", "audio", "function_call"),
        *("continue_final_message", "add_generation_prompt", "raw", "chat_template", "stop_token_ids"),
    }
)
_NOTHING = (b"null", b"false", b"0", b'""', b"[]", b"{}")
_BOUNDS = ("max_tokens", "max_completion_tokens")
_HEAD = ("id", "object", "created", "model", "system_fingerprint")  # of the first event, kept in all


def may_continue(request: Request) -> bool:
    """Whether the answer to this is of a kind that another agent can go on with, as far as the request tells."""
    if not request.stream or request.endpoint not in CONTINUABLE or choices_in(request) > 1:
        return False
    if any(name in request.fields and not _says_nothing(request.fields[name]) for name in HOLDING):
        return False
    try:
        if request.endpoint == "completions":
            return bytes(view_of(request.fields["prompt"])[:1]) == b'"'
        return _TURNS.decode(view_of(request.fields["messages"]))[-1].role != "assistant"
    except UNREADABLE:
        return False


class Said:
    """One streamed answer, as far as its client has it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._text: list[str] = []
        self._tokens = self._begun = 0  # in all, and by those before whoever goes on now
        self._head: dict[str, Any] = {}
        self._is_text, self._is_finished, self._has_usage = True, False, False

    @property
    def has_begun(self) -> bool:
        return bool(self._unread or self._head)

    def hear(self, data: bytes) -> None:
        """An event that the client is sent; of the first one its head is kept."""
        self._unread.append(data)
        self._unread_bytes += len(data)
        if self._unread_bytes > UNREAD_BYTES:
            self._read()

    @property
    def tokens(self) -> int:
        """How many tokens were said, at one an event."""
        self._read()
        return self._tokens

    @property
    def text(self) -> str:
        self._read()
        if len(self._text) > 1:
            self._text = ["".join(self._text)]
        return self._text[0] if self._text else ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing but the end is missing: it is finished, or as long as it may be."""
        self._read()
        bound = self.request.max_tokens
        return self._is_text and (self._is_finished or (bound is not None and self._tokens >= bound))

    @property
    def may_go_on(self) -> bool:
        """Whether it is text alone, and not at its end."""
        self._read()
        return self._is_text and not self.is_whole

    def rest(self) -> Request:
        """What asks for the rest: the request with what was said as its last turn, and that much less to say."""
        text, tokens, request = self.text, self.tokens, self.request
        self._begun = tokens
        if not text:
            return request
        fields, written = dict(request.fields), dict(request.written)
        if request.endpoint == "completions":
            fields["prompt"] = raw(msgspec.json.decode(view_of(fields["prompt"]), type=str) + text)
        else:
            turn = msgspec.json.encode({"role": "assistant", "content": text})
            for messages in (fields, written):
                if "messages" in messages:
                    messages["messages"] = _with_turn(messages["messages"], turn)
        bound = None if request.max_tokens is None else max(1, request.max_tokens - tokens)
        if bound is not None:
            fields |= {name: raw(bound) for name in _BOUNDS if name in fields and not _says_nothing(fields[name])}
        if "min_tokens" in fields:
            fields["min_tokens"] = raw(_less(fields["min_tokens"], tokens))
        return replace(
            request, fields=fields, written=written, body=None, max_tokens=bound,
            prompt_tokens=request.prompt_tokens + tokens, continues=True,
        )  # fmt: skip

    def passed_on(self, data: bytes) -> bytes | None:
        """The data of an event of whoever goes on, as a part of this answer; None where it says nothing.

        Raises what UNREADABLE names where it is no chunk.
        """
        chunk = msgspec.json.decode(data, type=dict[str, Any])
        choices = [choice for choice in chunk.get("choices") or () if isinstance(choice, dict)]
        usage = chunk.get("usage")
        if not usage and not any(map(_says_something, choices)):
            return None
        for choice in choices:
            if isinstance(delta := choice.get("delta"), dict):
                delta.pop("role", None)
        if isinstance(usage, dict):
            chunk["usage"] = self._summed(usage)
        passed = msgspec.json.encode({**chunk, **self._head})
        self.hear(passed)
        return passed

    def ending(self) -> bytes:
        """The events that end an answer of which only these are missing."""
        self._read()
        events: list[bytes] = []
        if not self._is_finished:
            last: dict[str, object] = {"text": ""} if self.request.endpoint == "completions" else {"delta": {}}
            events.append(self._event({"choices": [{"index": 0, **last, "finish_reason": "length"}]}))
        if self.request.include_usage and not self._has_usage:
            asked = self.request.prompt_tokens
            events.append(self._event({"choices": [], "usage": _usage(asked, self._tokens)}))
        return b"".join((*events, DONE))

    def _event(self, chunk: dict[str, Any]) -> bytes:
        return encode_event(msgspec.json.encode({**self._head, **chunk}))

    def _summed(self, usage: dict[str, Any]) -> dict[str, Any]:
        """The usage of all parts: what was said before was a prompt to whoever goes on, and is part of the answer."""
        prompt, added = (usage.get(name) for name in ("prompt_tokens", "completion_tokens"))
        asked = prompt - self._begun if isinstance(prompt, int) else self.request.prompt_tokens
        return {**usage, **_usage(max(0, asked), self._begun + added if isinstance(added, int) else self._tokens)}

    def _read(self) -> None:
        """Read what was only kept."""
        unread, self._unread, self._unread_bytes = self._unread, [], 0
        for data in unread:
            try:
                chunk = _CHUNK.decode(data)
            except UNREADABLE:
                self._is_text = False
                continue
            if not self._head:
                whole = msgspec.json.decode(data, type=dict[str, Any])
                self._head = {name: whole[name] for name in _HEAD if name in whole}
            self._has_usage = self._has_usage or (chunk.usage is not None and not chunk.choices)
            for choice in chunk.choices or ():
                self._read_choice(choice)

    def _read_choice(self, choice: "_Choice") -> None:
        said = choice.text
        if choice.delta is not None:
            said = choice.delta.pop("content", None)
            choice.delta.pop("role", None)
        if choice.index or choice.logprobs or any((choice.delta or {}).values()) or not isinstance(said, str | None):
            self._is_text = False
        elif said:
            self._text.append(said)
            self._tokens += 1
        self._is_finished = self._is_finished or choice.finish_reason is not None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: dict[str, Any] | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None


class _Turn(msgspec.Struct):
    role: str


_CHUNK = msgspec.json.Decoder(_Chunk)
_TURNS = msgspec.json.Decoder(list[_Turn])


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _says_something(choice: dict[str, Any]) -> bool:
    delta = choice.get("delta")
    said = {**(delta if isinstance(delta, dict) else {}), "text": choice.get("text")}
    return bool(choice.get("finish_reason")) or any(value for name, value in said.items() if name != "role")


def _says_nothing(value: Value) -> bool:
    return bytes(view_of(value)) in _NOTHING


def _with_turn(messages: Value, turn: bytes) -> Value:
    """The list with one more message; large images in it are not copied."""
    *before, last = pieces_of(messages)
    return (*before, bytes(last).rstrip()[:-1] + b"," + turn + b"]")


def _less(value: Value, tokens: int) -> object:
    """A number less so many tokens, at least 0; anything else as it is."""
    number = msgspec.json.decode(view_of(value))
    return max(0, number - tokens) if isinstance(number, int | float) else number
