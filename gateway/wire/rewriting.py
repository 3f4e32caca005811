"""A body read to its leaves, and its fields written anew from them (P), so that nothing else is in what travels.

Also finds what the types of known.py cannot say: a key that stands twice, and addresses that an engine would fetch.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.wire.codec import (
    LARGE_BYTES,
    PIECE_BYTES,
    UNREADABLE,
    Fields,
    Value,
    has_more_values,
    is_utf8,
    pieces_of,
    sizes_of,
)
from gateway.wire.known import (
    BODY_LIMIT_BYTES,
    INPUTS_LIMIT,
    PROMPTS_LIMIT,
    VALUES_LIMIT,
    ImagePart,
    ImageUrl,
    KnownChat,
    KnownCompletion,
    KnownEmbedding,
    NotKnown,
    place,
)
from gateway.wire.messages import ImageBlock, KnownMessages, Pixels
from gateway.wire.responses import InputImage, KnownResponses
from gateway.wire.sampling import write_sampling

SCHEMA_DEPTH = 64  # levels of a tool's schema: engines walk it by recursion

_BEGIN_BYTES = 64  # of an image's URL that are looked at: `data:` and a type are 23 to 31
_PIXELS = re.compile(rb'"data:image/(?:png|jpe?g|gif|webp|bmp|tiff|avif|heic|heif);base64,')
_REMOTE = re.compile(rb'"\$(?:ref|dynamicRef|recursiveRef)":(?!"#)')  # a schema that is elsewhere
_ESCAPED_COLON = re.compile(rb"\\u003[aA]")
_Picture = ImageUrl | InputImage | Pixels
_PLACE = msgspec.Raw(b"\0")  # no JSON has it
Conversation = KnownChat | KnownResponses | KnownMessages
CameFields = Mapping[str, msgspec.Raw]
Known = Conversation | KnownCompletion | KnownEmbedding
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "chat/completions": msgspec.json.Decoder(KnownChat),
    "completions": msgspec.json.Decoder(KnownCompletion),
    "embeddings": msgspec.json.Decoder(KnownEmbedding),
    "responses": msgspec.json.Decoder(KnownResponses),
    "messages": msgspec.json.Decoder(KnownMessages),
    "messages/count_tokens": msgspec.json.Decoder(KnownMessages),
}
_TEXTS = {"completions": ("prompt", PROMPTS_LIMIT), "embeddings": ("input", INPUTS_LIMIT)}


def read_known(endpoint: str, body: bytes | msgspec.Raw) -> Known:
    """The body, if PPAI knows all that it looks at. Raises NotKnown."""
    view, decoder = memoryview(body), _DECODERS.get(endpoint)
    size = len(view)
    if decoder is None or (size > LARGE_BYTES and (size > BODY_LIMIT_BYTES or _has_many_values(body))):
        raise NotKnown("size")
    try:
        known: Known = decoder.decode(view)
    except msgspec.ValidationError as error:
        raise NotKnown(place(str(error))) from error
    except UNREADABLE as error:
        raise NotKnown("unreadable") from error
    if endpoint in _TEXTS:
        name, limit = _TEXTS[endpoint]
        texts = getattr(known, name)
        several = len(texts) if isinstance(texts, list) and list(map(type, texts)).count(int) < len(texts) else 1
        if several > limit:
            raise NotKnown(name)
        if several * (getattr(known, "n", None) or 1) > limit:
            raise NotKnown("n")
    return known


class Written(NamedTuple):
    """What was written anew."""

    fields: Fields
    is_body: bool  # and the body is to the byte what all of its fields would be written as, of which none stands twice


def write_known(known: Known, parts: Sequence[object], fields: CameFields, body: bytes | msgspec.Raw) -> Written:
    """Those of the body's `fields` that have fields themselves, written anew from what is known.

    `parts` are those of its messages that are not text; large images are pieces of their own and not copied.
    Raises NotKnown.
    """
    images = (
        [_picture(part) for part in parts if isinstance(part, ImagePart | InputImage | ImageBlock)] if parts else ()
    )
    if not all(map(_is_inline, images)):
        raise NotKnown(f"{known.SAID}.{'image_url' if isinstance(known, KnownChat) else 'image'}")
    written: dict[str, Value] = {}
    for name, encoded in write_sampling(fields, known.REWRITTEN).items():
        if _is_deep(encoded) or _REMOTE.search(encoded):
            raise NotKnown(name)
        written[name] = msgspec.Raw(encoded)
    if not fields.keys().isdisjoint(known.REWRITTEN):  # schemas stand in these, too
        if any(_is_deep(msgspec.json.encode(schema)) for schema in known.schemas):
            raise NotKnown("tools" if known.tools else "response_format")
        for name in known.REWRITTEN:
            if value := getattr(known, name):
                if _REMOTE.search(encoded := msgspec.json.encode(value)):
                    raise NotKnown(name)
                written[name] = msgspec.Raw(encoded)
    if known.SAID:
        written[known.SAID] = _write_said(getattr(known, known.SAID), images)
    is_body = is_written_so(body, fields, written)
    if not is_body and _stands_twice(body, {**fields, **written}):
        raise NotKnown("duplicate")
    return Written(written, is_body)


def is_written_so(body: bytes | msgspec.Raw, fields: CameFields, written: Fields) -> bool:
    """Whether the body is what we would write, to the byte, as that of most SDKs is: then no key of it stands twice.

    A field takes at least its name, two quotes, a colon, its value and a comma or brace; an escaped name takes more.
    """
    least_bytes = 1 + len("".join(fields)) + 4 * len(fields) + sum(sizes_of(fields.values()))
    return len(memoryview(body)) == least_bytes and written.items() <= fields.items()


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


def _is_inline(image: _Picture) -> bool:
    """Whether this is an image that the body itself holds: pixels, since an SVG may name addresses to fetch."""
    url = image.url
    if isinstance(image, Pixels):  # its type stands beside it
        return bytes(memoryview(url)[:1]) == b'"' and is_utf8(url)
    begin = bytes(memoryview(url)[:_BEGIN_BYTES])
    if b"\\" in begin:
        try:
            begin = b'"' + msgspec.json.decode(url, type=str)[:_BEGIN_BYTES].encode()
        except UNREADABLE:
            return False
    return _PIXELS.match(begin) is not None and is_utf8(url)


def _picture(part: ImagePart | InputImage | ImageBlock) -> _Picture:
    """What of a part holds the image's `url`."""
    return part.image_url if isinstance(part, ImagePart) else part.source if isinstance(part, ImageBlock) else part


def _write_said(said: object, images: Sequence[_Picture]) -> Value:
    large = [image for image in images if len(memoryview(image.url)) > LARGE_BYTES] if images else ()
    if not large:
        return msgspec.Raw(msgspec.json.encode(said))
    urls = [memoryview(image.url) for image in large]
    for image in large:
        image.url = _PLACE
    first, *others = msgspec.json.encode(said).split(bytes(_PLACE))
    for image, url in zip(large, urls, strict=True):
        image.url = msgspec.Raw(url)
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


def _has_many_values(body: bytes | msgspec.Raw) -> bool:
    """Whether a program's body has too many for a delegation; one that was delegated is counted before it is read."""
    return isinstance(body, bytes) and has_more_values(body, VALUES_LIMIT - 100)
