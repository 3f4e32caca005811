"""Models whose id a card cannot hold, since it has over 128 characters or unprintable ones.

Clients and peers ask for them by the name in the card. The engine is asked by the id, and answers get the name again.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import cast

import msgspec

from gateway.engines.engine_state import EngineModel
from gateway.upstream import Passed, Reply, UpstreamError
from gateway.wire.codec import UNREADABLE, Pieces, raw, read_fields, write_fields
from gateway.wire.events import Event, encode_event


def ids_by_name(models: Iterable[EngineModel]) -> dict[str, str]:
    """Name -> id of those models alone; empty for nearly every engine. Of two with one name the last counts."""
    return {model.name: model.id for model in models if model.name != model.id}


def asking_by_id(body: Pieces, ids: Mapping[str, str]) -> tuple[Pieces, str | None]:
    """(a valid request with the engine's own id, the name it was asked by); unchanged, None where they are the same.

    Raises UpstreamError (400).
    """
    if not ids:  # nearly always, and then the body is not read again
        return body, None
    whole = b"".join(body)
    try:
        asked = msgspec.json.decode(whole, type=_Named).model
        return ((_with_model(whole, ids[asked]),), asked) if asked in ids else (body, None)
    except RecursionError as error:  # it was not too deep for who read it before
        raise UpstreamError("the body is nested too deeply: flatten it", status=400, code="invalid_json") from error


class NamedReply:
    """An engine's answer that calls the model by its name (see gateway.upstream.Reply)."""

    def __init__(self, reply: Reply, name: str) -> None:
        self.status, self.content_type, self.retry_after = reply.status, reply.content_type, reply.retry_after
        self.is_stream = reply.is_stream
        self._reply, self._name = reply, name

    async def read(self) -> bytes:
        return self._named(await self._reply.read())

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes: of the endpoints beside chat, whose answers name no model."""
        return cast(Passed, self._reply).pieces()

    async def events(self) -> AsyncIterator[Event]:
        async for event in self._reply.events():
            data = self._named(event.data)
            yield event if data is event.data else Event(encode_event(data, event.name.decode()), data, event.name)

    def _named(self, data: bytes) -> bytes:
        """`data` with the name: at the top, or in the answer that an event holds, such as `message_start`."""
        try:
            said = msgspec.json.decode(data, type=_Answer)
            if said.model:
                return _with_model(data, self._name)
            for key in ("response", "message"):
                inner = bytes(getattr(said, key))
                if inner.startswith(b"{") and msgspec.json.decode(inner, type=_Named).model:
                    anew = msgspec.Raw(_with_model(inner, self._name))
                    return b"".join(write_fields({**read_fields(data), key: anew}))
        except UNREADABLE:
            pass
        return data


def _with_model(body: bytes, model: str) -> bytes:
    """`body` naming `model`; every other field keeps its exact bytes."""
    return b"".join(write_fields(read_fields(body) | {"model": raw(model)}))


class _Named(msgspec.Struct):
    model: str = ""


class _Answer(_Named):
    response: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()
