"""How much somebody may ask for in the long run (P): requests, and the tokens that they come to.

A request is counted when it comes, its tokens when it is known how many they are: what exceeds the burst is waited for
before the next request.
"""

from collections import OrderedDict

from discovery.throttle import rate

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

    def take(self, name: str, now: float) -> "Account | None":
        """Count one more request of this one at `now`, s of a monotonic clock; None: it asked for too much of late."""
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = Account(now)
            if len(self._accounts) > ACCOUNTS_LIMIT:
                self._accounts.popitem(last=False)
        else:
            self._accounts.move_to_end(name)
        full_at, request = account.requests_full_at, self._requests
        if full_at - now > request.early_s or account.tokens_full_at - now > self._tokens.early_s:
            return None
        account.requests_full_at = (full_at if full_at > now else now) + request.act_s
        return account

    def give_back(self, account: "Account") -> None:
        """A request that was counted is not made."""
        account.requests_full_at -= self._requests.act_s

    def have(self, account: "Account", tokens: float, now: float) -> None:
        """Count tokens."""
        full_at = account.tokens_full_at
        account.tokens_full_at = (full_at if full_at > now else now) + tokens * self._tokens.act_s


class Account:
    """What one asked for of late: when its buckets are full again, s of a monotonic clock (discovery/throttle.py)."""

    __slots__ = ("requests_full_at", "tokens_full_at")

    def __init__(self, now: float) -> None:
        self.requests_full_at = self.tokens_full_at = now
