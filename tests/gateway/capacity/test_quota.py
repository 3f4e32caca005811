"""How much somebody may ask for: what is counted, and for how many."""

from gateway.capacity.quota import ACCOUNTS_LIMIT, FREE, Quota, Spending


def test_what_was_had_beyond_the_burst_is_waited_for() -> None:
    account = Quota(requests_per_s=1, tokens_per_s=10, burst_s=2).of("ada", 0.0)
    account.ask(0.0)
    Spending(account).comes_to(200.0, 0.0)  # of 120 at once

    assert [False, False, True] == [account.has_room(now) for now in (0.0, 8.0, 9.0)]


def test_a_request_of_nobody_counts_for_nobody() -> None:
    FREE.comes_to(1e9, 0.0)


def test_made_up_names_push_out_who_asked_longest_ago() -> None:
    quota = Quota(1, 1, 1)
    known, old = quota.of("known", 0.0), quota.of("old", 0.0)
    for number in range(ACCOUNTS_LIMIT - 1):
        assert known is quota.of("known", 0.0)
        quota.of(str(number), 0.0)

    assert ACCOUNTS_LIMIT == len(quota._accounts)
    assert old is not quota.of("old", 0.0)
