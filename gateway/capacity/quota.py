"""How much somebody may ask for in the long run (P): requests, and the tokens that they come to.

A request is counted when it comes, its tokens when it is known how many they are: what exceeds the burst is waited for
before the next request.
"""

from collections import OrderedDict

from discovery.throttle import Rate, rate

ACCOUNTS_LIMIT = 1024  # beyond it the one that asked longest ago is forgotten
TOKENS_BURST = 6  # times the seconds of `burst_s`
_NO_LIMIT = 1e12  # a second


class Quota:
    """Of each peer, or of all behind one address together."""

    def __init__(self, requests_per_s: float, tokens_per_s: float, burst_s: float) -> None:
        """0 a second: no limit. So many seconds' requests at once, and TOKENS_BURST times that of tokens."""
        requests_per_s, tokens_per_s = requests_per_s or _NO_LIMIT, tokens_per_s or _NO_LIMIT
        self._requests = rate(requests_per_s, requests_per_s * burst_s)
        self._tokens = rate(tokens_per_s, tokens_per_s * TOKENS_BURST * burst_s)
        self._accounts = OrderedDict[str, Account]()

    def of(self, name: str, now: float) -> "Account":
        """What this one asked for of late, at `now`, s of a monotonic clock."""
        account = self._accounts.get(name)
        if account is not None:
            self._accounts.move_to_end(name)
            return account
        account = self._accounts[name] = Account(self._requests, self._tokens, now)
        if len(self._accounts) > ACCOUNTS_LIMIT:
            self._accounts.popitem(last=False)
        return account


class Account:
    """See Quota."""

    __slots__ = ("_requests", "_requests_full_at", "_tokens", "_tokens_full_at")

    def __init__(self, requests: Rate, tokens: Rate, now: float) -> None:
        self._requests, self._tokens = requests, tokens
        self._requests_full_at = self._tokens_full_at = now

    def has_room(self, now: float) -> bool:
        """Whether one more request may come."""
        if self._requests_full_at - now > self._requests.early_s:
            return False
        return self._tokens_full_at - now <= self._tokens.early_s

    def ask(self, now: float) -> None:
        """Count a request."""
        full_at = self._requests_full_at
        self._requests_full_at = (full_at if full_at > now else now) + self._requests.act_s

    def have(self, tokens: float, now: float) -> None:
        """Count tokens."""
        full_at = self._tokens_full_at
        self._tokens_full_at = (full_at if full_at > now else now) + tokens * self._tokens.act_s


class Spending:
    """One request, of those whose quotas it counts for."""

    __slots__ = ("_accounts",)

    def __init__(self, *accounts: Account) -> None:
        self._accounts = accounts

    def comes_to(self, tokens: float, now: float) -> None:
        """So many more tokens are known."""
        if tokens:
            for account in self._accounts:
                account.have(tokens, now)


FREE = Spending()  # it counts for none
