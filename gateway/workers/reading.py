"""What a worker does of a request before its owner hears of it: it lets in and reads whatever is plainly right.

By the very functions that the owner has for it. Whatever is not plainly right, the owner looks at itself from the
beginning, as if nobody had: so a worker refuses nobody, and never says what is wrong.
"""

import time

import msgspec

from gateway.client.entrance.callers import Entrance, LetIn
from gateway.server.exchange import Exchange
from gateway.server.packing import PLAIN, charset_of
from gateway.serving.headers import NOTHING
from gateway.wire.errors import InvalidRequest
from gateway.wire.reading.elsewhere import Elsewhere, to_tell
from gateway.wire.request import Request, is_quickly_read, read_request


class Found(msgspec.Struct):
    """What was found of a request: its id, the name of its key, what it asks; in how many seconds that was read.

    `is_plain`: its headers wish nothing.
    """

    request_id: str
    key: str
    request: Request
    is_plain: bool
    began: float  # s of the machine's monotonic clock
    read_s: float

    @property
    def let_in(self) -> LetIn:
        """The same as it is told."""
        return LetIn(self.request_id, self.key, Elsewhere(to_tell(self.request), self.read_s))


def let_in(entrance: Entrance, exchange: Exchange, body: bytes) -> Found | None:
    """Who asks, and what; None: the owner has to look.

    So it is with a request of a web page, which is told what it may read of the answer, and with a long one, which
    would hold up all others: the owner has threads for those.
    """
    began = time.monotonic()
    try:
        call = entrance.call(exchange)
        if call.generates is None or call.wishes is None or not call.is_plain or charset_of(body) != PLAIN:
            return None
        if not is_quickly_read(call.generates, body, may_leave=False):
            return None
        key = entrance.check_key(call.key)
        request = read_request(call.generates, body, call.wishes.session)
    except (InvalidRequest, RecursionError):
        return None
    read_s = time.monotonic() - began
    return Found(call.request_id, key, request, call.wishes is NOTHING, began, read_s)
