"""How much somebody may ask for: what is counted, and for how many."""

from gateway.capacity.quota import ACCOUNTS_LIMIT, Quota


def test_what_was_had_beyond_the_burst_is_waited_for() -> None:
    quota = Quota(requests_per_s=1, tokens_per_s=10, burst_s=2)
    account = quota.take("ada", 0.0)
    assert account is not None
    quota.have(account, 200.0, 0.0)  # of 120 at once

    assert [False, False, True] == [quota.take("ada", now) is account for now in (0.0, 8.0, 9.0)]


def test_a_request_that_is_not_made_does_not_count() -> None:
    quota = Quota(requests_per_s=1, tokens_per_s=0, burst_s=1)
    for _ in range(9):
        account = quota.take("ada", 0.0)
        assert account is not None
        quota.give_back(account)


def test_made_up_names_push_out_who_asked_longest_ago() -> None:
    quota = Quota(0, 0, 1)
    known, old = quota.take("known", 0.0), quota.take("old", 0.0)
    for number in range(ACCOUNTS_LIMIT - 1):
        assert known is quota.take("known", 0.0)
        quota.take(str(number), 0.0)

    assert ACCOUNTS_LIMIT == len(quota._accounts)
    assert old is not quota.take("old", 0.0)
