"""Which peers are far, and how seldom they are spoken to (P). Others say what a peer was reached through.

1. A peer is *far* where a relay is between us, and where it is itself a relay in the open: each byte to it passes
   somebody who serves many. Others are *near*. Whose card names a relay is taken for far until it answers directly.
2. A *site* is a peer and those that are near to it, as the machines of one home. All of a site together begin a few
   exchanges a minute with peers of other sites. Nobody leads: each of n peers begins 1/n of them.
3. What one of the site hears there, the others hear from it at once. So news crosses to a site about once.
4. What crosses is new cards, signs of life (words.py), and the load of a few peers. News of a life is what is so much
   newer than what is held: the more far peers, the longer that is, so that a relay carries about the same.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SitesConfig:
    """What peers of different sites cost whoever puts them through to each other."""

    exchange_s_each: float = 0.02  # s, times the far peers: between two exchanges that one site begins with them
    exchange_min_s: float = 10.0  # s; the same of few
    digest_entries: int = 64  # versions listed in a message to a far peer, where both hold different cards
    whole_pulses: int = 4  # told a far peer in one message
    news_s_each: float = 0.1  # s, times the far peers: a sign of life that is so much newer than the one held is news
    news_min_s: float = 10.0  # s; the same of few
    refresh_min_s: float = 30.0  # s within which a living far peer is heard of, at least
    probe_interval_s: float = 5.0  # s between two probes of a far suspect, by one of the site at a time
    pause_limit_s: float = 300.0  # s between two probes of a far peer that did not answer us, in the end
    hashes_limit: int = 1 << 16  # for the signs of one message; the rest of them come again with another

    def share(self, near: int) -> float:
        """The share of its site's exchanges that one of its peers begins; `near`: how many others are there."""
        return 1 / (near + 1)

    def chance(self, near: int, far: int, tick_s: float) -> float:
        """Of beginning one within `tick_s`; `far`: how many far peers there are."""
        interval_s = max(self.exchange_min_s, self.exchange_s_each * far)
        return min(1.0, self.share(near) * tick_s / interval_s)

    def pause_s(self, first_s: float, probes: int) -> float:
        """The pause after so many probes of a far peer that did not answer us: about a fifth of the time since."""
        return min(first_s * math.pow(2.0, min(probes / 4, 16)), self.pause_limit_s)

    def news_s(self, far: int) -> float:
        """How much newer a sign of life must be than the one that is held; `far`: how many far peers there are.

        In proportion to them, so that the signs that come to one site are equally many in each network.
        """
        return max(self.news_min_s, self.news_s_each * far)

    def refresh_s(self, far: int) -> float:
        """About how often a living far peer is heard of at worst: its period, for who judges its silence."""
        return max(self.refresh_min_s, self.news_s(far))
