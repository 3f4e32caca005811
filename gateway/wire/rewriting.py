"""A body's fields written anew from what PPAI knows of them (P), so that nothing else is in what travels.

Also finds what the types of known.py cannot say: a key that stands twice, and addresses that an engine would fetch.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.wire.codec import LARGE_BYTES, PIECE_BYTES, UNREADABLE, Fields, Value, is_utf8, pieces_of
from gateway.wire.known import ImagePart, ImageUrl, KnownBody, KnownChat, KnownMessage, NotKnown
from gateway.wire.sampling import write_sampling

SCHEMA_DEPTH = 64  # levels of a tool's schema: engines walk it by recursion

_BEGIN_BYTES = 64  # of an image's URL that are looked at: `data:` and a type are 23 to 31
_PIXELS = re.compile(rb'"data:image/(?:png|jpe?g|gif|webp|bmp|tiff|avif|heic|heif);base64,')
_REMOTE = re.compile(rb'"\$(?:ref|dynamicRef|recursiveRef)":(?!"#)')  # a schema that is elsewhere
_ESCAPED_COLON = re.compile(rb"\\u003[aA]")
_PLACE = msgspec.Raw(b"\0")  # no JSON has it


def write_known(
    known: KnownBody, parts: Sequence[object], fields: Fields, body: bytes | msgspec.Raw
) -> dict[str, Value]:
    """Those of the body's `fields` that have fields themselves, written anew from what is known.

    `parts` are those of its messages that are not text; large images are pieces of their own and not copied.
    Raises NotKnown. Call it last: it changes `known`.
    """
    images = [part.image_url for part in parts if isinstance(part, ImagePart)]
    if not all(_is_inline(image.url) for image in images):
        raise NotKnown("messages.image_url")
    if any(_is_deep(msgspec.json.encode(schema)) for schema in known.schemas):
        raise NotKnown("tools" if known.tools else "response_format")
    written: dict[str, Value] = {}
    for name, encoded in write_sampling(fields).items():
        if _is_deep(encoded) or _REMOTE.search(encoded):
            raise NotKnown(name)
        written[name] = msgspec.Raw(encoded)
    for name in ("stream_options", "tools", "tool_choice", "response_format"):
        if value := getattr(known, name):
            if _REMOTE.search(encoded := msgspec.json.encode(value)):
                raise NotKnown(name)
            written[name] = msgspec.Raw(encoded)
    if isinstance(known, KnownChat):
        written["messages"] = _write_messages(known.messages, images)
    if _stands_twice(body, {**fields, **written}):
        raise NotKnown("duplicate")
    return written


def _stands_twice(body: bytes | msgspec.Raw, anew: Fields) -> bool:
    """Whether a key of the body stands twice in one object, so that two decoders may read two values.

    Written anew it has each key once, and so fewer colons. An escaped colon would hide one: no encoder writes it.
    """
    view = memoryview(body)
    pieces = [piece for value in anew.values() for piece in pieces_of(value)]
    once = len(anew) + "".join(anew).count(":")
    if len(view) <= PIECE_BYTES:  # nearly all bodies: in one look
        text = bytes(view)
        return text.count(b":") != once + b"".join(pieces).count(b":") or _ESCAPED_COLON.search(text) is not None
    return _colons(view) != once + sum(map(_colons, pieces)) or _hides_a_colon(view)


def _is_inline(url: msgspec.Raw) -> bool:
    """Whether this is an image that the body itself holds: pixels, since an SVG may name addresses to fetch."""
    begin = bytes(memoryview(url)[:_BEGIN_BYTES])
    if b"\\" in begin:
        try:
            begin = b'"' + msgspec.json.decode(url, type=str)[:_BEGIN_BYTES].encode()
        except UNREADABLE:
            return False
    return _PIXELS.match(begin) is not None and is_utf8(url)


def _write_messages(messages: list[KnownMessage], images: Sequence[ImageUrl]) -> Value:
    large = [image for image in images if len(memoryview(image.url)) > LARGE_BYTES]
    if not large:
        return msgspec.Raw(msgspec.json.encode(messages))
    urls = [memoryview(image.url) for image in large]
    for image in large:
        image.url = _PLACE
    first, *others = msgspec.json.encode(messages).split(bytes(_PLACE))
    return (first, *(piece for pair in zip(urls, others, strict=True) for piece in pair))


def _is_deep(encoded: bytes) -> bool:
    """Whether an object or array has more than SCHEMA_DEPTH levels."""
    if encoded.count(b"{") + encoded.count(b"[") <= SCHEMA_DEPTH:
        return False
    level: list[Any] = [msgspec.json.decode(encoded)]
    for _ in range(SCHEMA_DEPTH):
        nested = [inner.values() if isinstance(inner, dict) else inner for inner in level]
        level = [value for values in nested for value in values if isinstance(value, dict | list)]
    return bool(level)


def _colons(value: bytes | memoryview) -> int:
    """How many colons stand there, looked at piece by piece: all at once would hold up a busy peer for milliseconds."""
    if isinstance(value, bytes):
        return value.count(b":")
    return sum(bytes(value[i : i + PIECE_BYTES]).count(b":") for i in range(0, len(value), PIECE_BYTES))


def _hides_a_colon(body: memoryview) -> bool:
    """Whether a colon is escaped there, `\\u003a`."""
    for begin in range(0, len(body), PIECE_BYTES):
        if _ESCAPED_COLON.search(bytes(body[begin : begin + PIECE_BYTES + 5])):
            return True
    return False
