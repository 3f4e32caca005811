"""Whether a network's secret can be guessed: everybody who sees a card can try secrets against its proof, offline.

Secrets that people choose are estimated by zxcvbn, which knows common passwords, words, names, dates, keyboard rows and
repeats. Its lists take memory: it is loaded to check a secret, and by a peer no longer.
"""

import math
import re
import sys
from itertools import pairwise

from discovery.admission import AdmissionError

ENOUGH_BITS = 64  # more guesses than one network is worth; `ppai init` makes secrets of 128
REFUSED_FROM = (0, 2)  # the version (major, minor) from which a peer with a weaker secret does not start
_DRAWN_BITS = 128  # of 32 hexadecimal digits that were drawn, as `ppai init` and `openssl rand -hex 16` draw them
_VARIED = 12  # of 16 bytes that were drawn, and of the steps between them, so many are different, but once in thousands
_READ_LIMIT = 72  # characters that are looked at: what zxcvbn takes, and enough for any good secret

_REMEDY = (
    "make one with `openssl rand -hex 16`, and put it where each machine of the network has it:"
    " the file `secret` of its home, its --secret-file, or PPAI_SECRET"
)


def bits_of(secret: bytes) -> float:
    """The estimated number of guesses that find the secret, as a power of two."""
    if _looks_drawn(secret):
        return _DRAWN_BITS
    from zxcvbn import zxcvbn

    text = secret.decode(errors="replace")[:_READ_LIMIT]
    return math.log2(float(zxcvbn(text, user_inputs=["ppai"])["guesses"])) if text else 0.0


def _looks_drawn(secret: bytes) -> bool:
    """Whether these are 32 hexadecimal digits without a pattern that a person types; else zxcvbn is to tell."""
    if not re.fullmatch(rb"[0-9a-f]{32}", secret):
        return False
    drawn = bytes.fromhex(secret.decode())
    steps = {(after - before) % 256 for before, after in pairwise(drawn)}
    return min(len(set(drawn)), len(steps)) >= _VARIED


def require_strong(secret: bytes) -> None:
    """Raises AdmissionError for a secret that can be guessed: no network shall begin with one."""
    if (bits := bits_of(secret)) < ENOUGH_BITS:
        raise AdmissionError(
            f"this secret can be guessed (about {bits:.0f} of {ENOUGH_BITS} bits), and whoever guesses it is a peer of"
            " yours: leave --secret out and `ppai init` makes one, or give the one that another machine's made"
        )


def warning_about(secret: bytes, version: str) -> str:
    """What the owner of a peer is to hear of its secret at each start; empty where nothing.

    A network from before the rule may go on until REFUSED_FROM. Raises AdmissionError from then on. `version` is ours.
    """
    bits = bits_of(secret)
    _unload()
    if bits >= ENOUGH_BITS:
        return ""
    found = f"the network's secret can be guessed (about {bits:.0f} of {ENOUGH_BITS} bits)"
    if tuple(map(int, re.findall(r"\d+", version)[:2])) >= REFUSED_FROM:
        raise AdmissionError(f"{found}: {_REMEDY}")
    return f"{found}, and from version {'.'.join(map(str, REFUSED_FROM))} on a peer with it does not start: {_REMEDY}"


def _unload() -> None:
    """Let go of zxcvbn's lists: a peer that runs for months needs them once."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "zxcvbn"]:
        del sys.modules[name]
