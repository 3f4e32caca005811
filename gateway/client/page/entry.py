"""Who is the owner on the client side: the bearer of the home's token, and pages that the owner let in.

`ppai open` makes a link with a ticket. A page that shows the ticket, once and soon, gets a token of its own; so no link
in a history, in a process list or in a chat is worth anything afterwards. The token is sent as a bearer token and never
as a cookie: another site's page cannot make the browser send it.
"""

import hmac
from collections.abc import Callable

TICKET_S = 600.0  # s that a link is good for: long enough to carry it to another browser
PAGE_S = 12 * 3600.0  # s without a request, after which a page has to be let in again
PAGES = 32  # let in at a time; the one that was silent the longest goes first
TICKETS = 8  # links that are open at a time


class Entry:
    """The owner's token, and those of his pages."""

    def __init__(self, token: str, clock: Callable[[], float], new: Callable[[], str]) -> None:
        """`new` makes a text that nobody can guess; `clock` is monotonic, in seconds."""
        self._token, self._clock, self._new = token, clock, new
        self._tickets: dict[str, float] = {}  # until when, the oldest first
        self._pages: dict[str, float] = {}  # last used, the one silent the longest first

    def is_owner(self, bearer: str) -> bool:
        """Whether this is the home's token or a page's; a page's is kept alive by it."""
        given = bearer.encode()
        if hmac.compare_digest(given, self._token.encode()):
            return True
        now = self._clock()
        self._pages = {page: used for page, used in self._pages.items() if now - used < PAGE_S}
        page = _same(self._pages, given)
        if page is None:
            return False
        del self._pages[page]
        self._pages[page] = now
        return True

    def ticket(self) -> str:
        """One for a link. Of too many the oldest is void."""
        ticket = self._new()
        self._tickets[ticket] = self._clock() + TICKET_S
        while len(self._tickets) > TICKETS:
            del self._tickets[next(iter(self._tickets))]
        return ticket

    def enter(self, ticket: str) -> str | None:
        """The token of a new page, for a ticket that is good; the ticket is void from now on. None: it is not good."""
        known = _same(self._tickets, ticket.encode())
        if known is None or self._clock() >= self._tickets.pop(known):
            return None
        page = self._new()
        self._pages[page] = self._clock()
        while len(self._pages) > PAGES:
            del self._pages[next(iter(self._pages))]
        return page


def _same(known: dict[str, float], given: bytes) -> str | None:
    """The one that was given; how long the search takes does not tell how near it came."""
    found = None
    for text in known:
        if hmac.compare_digest(text.encode(), given):
            found = text
    return found
