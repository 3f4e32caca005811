"""Six digits prove that two machines belong together (P but for its random numbers): SPAKE2, by Brian Warner's library.

Whoever listens, or is in the middle, learns nothing that lets digits be tried afterwards: a try is one exchange.
"""

import re
import secrets

from discovery.invites import InviteError

DIGITS = 6


class InvalidPoint(ValueError):
    """Not what the other side of SPAKE2 sends."""


def new_pin() -> str:
    """Six digits. Whoever shows them will need the library at once: it is loaded now."""
    import spake2  # noqa: F401 - .04 s, for the few who ever join

    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def read_pin(text: str) -> str:
    """The digits of a PIN as people type it: `123 456`, `123-456`. Raises InviteError."""
    pin = re.sub(r"[\s-]", "", text)
    if len(pin) != DIGITS or not (pin.isascii() and pin.isdigit()):
        raise InviteError(f"a PIN has {DIGITS} digits: `ppai invite --pin` shows one on the other machine")
    return pin


class Agreement:
    """One side of one SPAKE2 exchange, used once. `point` is what to send, (33,)."""

    def __init__(self, pin: str, *, invites: bool) -> None:
        from spake2 import SPAKE2_A, SPAKE2_B

        self._side = (SPAKE2_B if invites else SPAKE2_A)(pin.encode())
        self.point: bytes = self._side.start()

    def key(self, point: bytes) -> bytes:
        """What both agree on, (32,), if both had the same digits. Raises InvalidPoint."""
        from spake2 import SPAKEError

        try:
            key: bytes = self._side.finish(point)
        except (SPAKEError, ValueError, AssertionError) as error:
            raise InvalidPoint("not a message of SPAKE2") from error
        return key
