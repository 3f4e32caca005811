"""Tables of peers, as the tests of those who read them need them."""

from discovery.members import Entry
from discovery.table import Table


def table_of(*entries: Entry, live: int = 10_000, departed: int = 10_000, withheld: int = 10_000) -> Table:
    made = Table(live, departed, withheld)
    for one in entries:
        assert made.add(one)
    return made
