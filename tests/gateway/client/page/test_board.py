"""A page that is told what changed since it last heard knows what is there, whatever happened meanwhile."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.client.page.board import Board

STATES = st.lists(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([b"1", b"2", b"3"])), min_size=1)


def told(page: dict[str, bytes], board: Board, version: int | None) -> int:
    change = board.since(version)
    if change.is_all:
        page.clear()
    page.update(change.values)
    for key in change.gone:
        page.pop(key, None)
    return change.version


@given(STATES, st.lists(st.booleans()), st.integers(0, 4))
def test_whoever_listens_now_and_then_knows_what_is_there(
    states: list[dict[str, bytes]], listens: list[bool], gone_limit: int
) -> None:
    """Also where so many keys went that they are no longer remembered one by one."""
    board, page, version = Board(gone_limit), dict[str, bytes](), None
    for state, hears in zip(states, [*listens, *[False] * len(states)], strict=False):
        board.show(state)
        if hears:
            version = told(page, board, version)
            assert state == page

    told(page, board, version)

    assert states[-1] == page


def test_a_change_is_as_small_as_what_changed() -> None:
    board = Board()
    board.show({"a": b"1", "b": b"1"})
    version = board.since(None).version

    is_news = board.show({"a": b"1", "b": b"2"})

    assert (True, {"b": b"2"}, ()) == (is_news, board.since(version).values, board.since(version).gone)
    assert (False, True) == (board.show({"a": b"1", "b": b"2"}), board.since(board.version).is_empty)


def test_a_version_of_another_run_means_everything() -> None:
    board = Board()
    board.show({"a": b"1"})

    assert board.since(7).is_all


def test_keys_that_may_not_be_seen_are_neither_told_nor_told_as_gone() -> None:
    board = Board()
    board.show({"a": b"1", "secret": b"1"})
    version = board.version
    board.show({"a": b"2"})

    seen = [board.since(at, lambda key: key != "secret") for at in (None, version)]

    assert [({"a": b"2"}, ()), ({"a": b"2"}, ())] == [(change.values, change.gone) for change in seen]
