"""Who counts as the owner: the home's token, and pages that showed a ticket of his, once and soon."""

from itertools import count

from gateway.client.page.entry import PAGE_S, PAGES, TICKET_S, TICKETS, Entry


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def entry(clock: Clock | None = None) -> Entry:
    return Entry("home", clock or Clock(), map("made-{}".format, count()).__next__)


def test_the_token_of_the_home_is_the_owner_s_and_nothing_near_it() -> None:
    door = entry()

    assert [True, False, False, False, False] == [door.is_owner(it) for it in ("home", "", "hom", "HOME", "höme")]


def test_a_ticket_lets_one_page_in_once() -> None:
    door = entry()
    ticket = door.ticket()

    page = door.enter(ticket)

    assert page is not None and door.is_owner(page)
    assert (None, False) == (door.enter(ticket), door.is_owner(ticket))


def test_a_ticket_is_good_for_its_time() -> None:
    clock = Clock()
    door = entry(clock)
    ticket = door.ticket()

    clock.now = TICKET_S

    assert door.enter(ticket) is None


def test_a_page_is_let_in_for_as_long_as_it_asks() -> None:
    clock = Clock()
    door = entry(clock)
    page = door.enter(door.ticket()) or ""

    clock.now = PAGE_S - 1
    is_used = door.is_owner(page)
    clock.now = 2 * PAGE_S - 2
    is_kept = door.is_owner(page)
    clock.now = 4 * PAGE_S

    assert (True, True, False) == (is_used, is_kept, door.is_owner(page))


def test_links_and_pages_are_bounded_and_the_oldest_goes() -> None:
    door = entry()
    tickets = [door.ticket() for _ in range(TICKETS + 1)]
    pages = [door.enter(door.ticket()) or "" for _ in range(PAGES)]
    door.is_owner(pages[0])

    newest = door.enter(door.ticket()) or ""

    assert door.enter(tickets[0]) is None
    assert [True, False, True] == [door.is_owner(page) for page in (pages[0], pages[1], newest)]
