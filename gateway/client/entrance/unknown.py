"""How often a caller who has shown no key is answered at once (P)."""

import ipaddress

from discovery.strangers import site_of
from discovery.throttle import Throttle

PER_S, AT_ONCE = 4.0, 32.0  # answers to one site: enough for a health check, and for a program with a wrong key
PAUSE_S = 1.0  # before each further one, so that asking again and again is slow


class UnknownCallers:
    """Answers to who has shown no key, by site. Programs of this machine are not counted."""

    def __init__(self) -> None:
        self._answers = Throttle(PER_S, AT_ONCE)

    def pause_s(self, ip: str, now: float) -> float:
        """Seconds to hold up an answer to this address; it is counted."""
        try:
            if ipaddress.ip_address(ip).is_loopback:
                return 0.0
        except ValueError:  # its connection is gone already
            pass
        return 0.0 if self._answers.allow(site_of(ip), now) else PAUSE_S
