"""One request to the first target that answers: switch freely before the first event, afterwards to who goes on.

Knows targets, replies and a client to write to; knows nothing of how targets were chosen or of sockets.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from gateway.serving.continuing.heard import Heard
from gateway.serving.deciding.targets import Attempt, Status, Target, Targets
from gateway.serving.engine_errors import read_error
from gateway.serving.relaying import Client, Hands, Relay, Terms, hands_of, renamer
from gateway.upstream import Opened, Patience, Reply, UpstreamError, at_once
from gateway.wire.claims import wait_s
from gateway.wire.errors import error_event, message_in, whole_error
from gateway.wire.request import Request
from gateway.wire.tokens import Meter

BUSY = (429, 503)


class Forwarder(msgspec.Struct, eq=False):
    """Sends one request along its targets.

    `continues`: whether an answer that breaks off may be gone on with elsewhere (continuing/). `leaves`: codes of
    errors that the client is not told, as long as it has got nothing: `run` returns them.
    """

    request: Request
    targets: Targets
    patience: Patience
    clock: Callable[[], float]
    continues: bool = False
    leaves: frozenset[str] = frozenset()
    _heard: Heard | None = None  # what its client was sent, where others may go on with that
    _relay: Relay | None = None  # of the attempt that is under way
    _broke: UpstreamError | None = None  # of whoever said the last of an answer that broke off

    async def run(self, client: Client, headers: Mapping[str, str]) -> UpstreamError | None:
        """Answer the client. When the last target has failed too, the client gets the last one's error.

        A stream that has begun breaks off with the error of whoever began it, where nobody goes on. What is returned
        is an error that is left to the caller.
        """
        if self.continues and self.request.stream:
            self._heard = Heard(self.request)
        attempt = self._attempt if self.request.stream or hasattr(client, "hands") else self._whole
        failures: list[UpstreamError] = []
        left: UpstreamError | None = None
        try:
            while target := self.targets.at_once() or await self._next(failures):
                sent_back = {**headers, **target.headers, "x-ppai-attempts": str(len(failures) + 1)}
                error = await attempt(target, client, sent_back)
                if error is None:
                    return None
                failures.append(error)
                if client.has_started and not await self._leads_on(client, error):
                    break
            left = await self._fail(client, headers, failures)
            return left
        finally:
            self.targets.ended(is_left=left is not None)

    async def _next(self, failures: list[UpstreamError]) -> Target | None:
        try:
            return await self.targets.next()
        except UpstreamError as caught:  # that there is none has a reason of its own, which alone is told
            failures[:] = [caught.with_traceback(None)]
            return None

    async def _leads_on(self, client: Client, error: UpstreamError) -> bool:
        """Whether further targets may be asked, after an error while the client has a part of an answer."""
        has_spoken = self._relay is not None and self._relay.first_event_at is not None
        if has_spoken or self._broke is None:  # else the one before broke off, and not this one
            self._broke = error
        return not has_spoken or await self._goes_on(client)

    async def _fail(
        self, client: Client, headers: Mapping[str, str], failures: Sequence[UpstreamError]
    ) -> UpstreamError | None:
        """All have failed who could be asked: have the client told, unless it has all, or the error is left."""
        if client.is_complete:
            return None
        if self._broke is not None:
            await self._break_off(client, self._broke)
            return None
        error = _in_all(failures)
        if error.code in self.leaves:
            return error
        sent_back = {**headers, "x-ppai-attempts": str(len(failures))}
        await answer_error(client, self.request.endpoint, error, sent_back)
        return None

    async def _goes_on(self, client: Client) -> bool:
        """Whether somebody is to be asked for the rest. An answer of which only the end is missing is ended."""
        said = self._heard.said if self._heard else None
        if said is None:
            return False
        if said.is_whole:
            await client.send(said.ending(), more=False)
            return False
        return said.may_go_on and await self.targets.go_on(said)

    async def _break_off(self, client: Client, error: UpstreamError) -> None:
        event = error_event(
            self.request.endpoint, client.request_id, client.sent,
            message=error.message, code=error.code, said=error.said,
        )  # fmt: skip
        await client.send(event, more=False)

    async def _whole(self, target: Target, client: Client, headers: Mapping[str, str]) -> UpstreamError | None:
        """As `_attempt`, of an answer in one piece: a good one that is there at once passes on by a short way."""
        meter, opened, body = Meter(self.request), None, None
        try:
            opened = self._open(target)
            if (coming := at_once(opened)) is not None:
                body = await coming
        except UpstreamError:  # it cannot be opened, which is told where it is to be entered
            opened = None
        except BaseException:  # the client hung up
            self._observe(target, "cancelled", None, meter)
            raise
        if body is None:
            return await self._attempt(target, client, headers, opened)
        error: UpstreamError | None = None
        first_at = self.clock()
        meter.whole(body)
        try:
            if target.model != target.shown_model:
                body = renamer(self.request.endpoint, target.model, target.shown_model)(body)
            await client.answer(200, "application/json", body, headers)
        except UpstreamError as caught:  # it cannot be said in the client's API
            error = caught.with_traceback(None)
        finally:
            self._observe(target, _status(client, error), first_at, meter, error)
        return error

    async def _attempt(
        self, target: Target, client: Client, headers: Mapping[str, str], opened: Opened | None = None
    ) -> UpstreamError | None:
        """Ask a target, pass its answer on, and tell how it did: the error that it ended with.

        It goes on with what others said, where the client has that. `opened`: how it is asked, if that was begun.
        """
        request, goes_on = self.request, client.has_started
        terms = Terms(request.endpoint, request.stream, request.include_usage, target.model, target.shown_model)
        said = self._heard.said if goes_on and self._heard else None
        meter = Meter(request)
        self._relay = relay = Relay(terms, meter, self.clock, self._heard, said)
        is_over = False
        error: UpstreamError | None = None
        try:
            opened = opened or self._open(target)
            hands = self._lend(opened, client, relay, headers) if hasattr(client, "hands") and not goes_on else None
            async with opened as reply:
                if hands is None or not hands.has_passed:
                    if client.has_started and not (reply.is_stream and reply.status == 200):
                        raise UpstreamError(message_in(await reply.read()), code="no_continuation", by_engine=True)
                    if reply.status >= 400:
                        await self._refused(reply, client, relay, headers)
                    else:
                        await relay.pass_on(reply, client, headers)
            is_over = True
        except UpstreamError as caught:
            error = caught.with_traceback(None)  # it leads back here, to be freed by the collector alone
        finally:
            status = "ok" if is_over else _status(client, error)
            self._observe(target, status, relay.first_event_at, meter, error, relay.from_documents)
        return error

    def _open(self, target: Target) -> Opened:
        request = self.request
        return target.upstream.open(
            request.endpoint, target.body, target.upstream_headers, stream=request.stream, patience=self.patience
        )

    def _observe(
        self,
        target: Target,
        status: Status,
        first_at: float | None,
        meter: Meter,
        error: UpstreamError | None = None,
        from_documents: bool | None = None,
    ) -> None:
        """Tell how an attempt did that has ended now."""
        now, began = self.clock(), target.began
        ttft_s = None if first_at is None else first_at - began
        if error is None:
            attempt = Attempt(status, ttft_s, now - began, *meter.tokens, from_documents=from_documents)
        else:
            prompt, tokens = meter.tokens
            attempt = Attempt(
                status, ttft_s, now - began, prompt, tokens, error.code, error.by_engine, error.is_unsuited
            )
        self.targets.observe(attempt)

    def _lend(self, opened: object, client: Client, relay: Relay, headers: Mapping[str, str]) -> Hands | None:
        """Have our own engine asked by the process that has the client's connection, where that is another one."""
        lend: Callable[[Hands], None] | None = getattr(opened, "lend", None)
        if lend is None or (hands := hands_of(client)) is None:
            return None
        hands.take(relay.terms, self.patience, headers, relay)
        lend(hands)
        return hands

    async def _refused(self, reply: Reply, client: Client, relay: Relay, headers: Mapping[str, str]) -> None:
        """The client's own mistake is told to it. Raises UpstreamError where somebody else may do better."""
        body = await reply.read()
        if error := read_error(reply.status, reply.retry_after, body, self.request.endpoint, self.targets.untold()):
            raise error
        relay.whole(body)
        status, written = whole_error(
            self.request.endpoint, client.request_id, status=reply.status, message=message_in(body), said=body
        )
        await client.answer(status, "application/json", written, headers)


def _status(client: Client, error: UpstreamError | None) -> Status:
    """How an attempt ended that was not passed on to its end: by an error, or since the client hung up.

    Who had all by then was answered all the same.
    """
    if error is not None:
        return "refused" if error.status in BUSY else "failed"
    return "ok" if client.is_complete else "cancelled"


async def answer_error(client: Client, endpoint: str, error: UpstreamError, headers: Mapping[str, str]) -> None:
    """An error in the endpoint's form, with `retry-after` (both spellings that the SDKs know) where a time is known."""
    if (wait := wait_s(error.retry_after_s)) is not None:
        headers = {
            **headers,
            "retry-after": str(max(1, round(wait))),
            "retry-after-ms": str(max(1, round(wait * 1000))),
        }
    status, body = whole_error(
        endpoint, client.request_id, status=error.status, message=error.message, code=error.code, said=error.said
    )
    await client.answer(status, "application/json", body, headers)


def _in_all(failures: Sequence[UpstreamError]) -> UpstreamError:
    """What the client is told when everybody failed: the last one's error, or that all are busy and until when.

    Busy is all where the rest cannot take the request at all, such as a model with too short a context: waiting helps.
    """
    if not failures:
        return UpstreamError("nobody can answer this request", status=503, code="no_candidate")
    busy = [error for error in failures if error.status in BUSY]
    if not busy or len(failures) == 1 or any(not error.is_unsuited for error in failures if error not in busy):
        return failures[-1]
    waits = [error.retry_after_s for error in busy if error.retry_after_s is not None]
    said = "; ".join(error.message for error in busy)
    return UpstreamError(
        f"everybody is busy: {said}", status=503, code="saturated", retry_after_s=min(waits, default=None)
    )
