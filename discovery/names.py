"""What peers are called (P): whom a person means by a name or an id, and how a name that a peer chose is shown.

A peer chooses its own name, so a name proves nothing. An id is its key, and nobody else can have it. For example a
stranger may call itself `local`, like us, like an approved peer, or like the id of another one: it gets nothing by it.
"""

import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from discovery.records import InvalidRecord, PeerId, printable, public_key

RESERVED = frozenset({"local", "auto"})  # what `x-ppai-route` means by them is never another peer
START_MIN = 4  # characters of an id that may stand for it
SHOWN = 10  # characters of an id that are shown, at least
SPOKEN = 5  # words of an id that are compared aloud
_LISTED = 8  # peers in one error message

_CONSONANTS, _VOWELS = "bdfghjklmnprstvz", "aiou"
_ID_LETTERS = re.compile(r"[a-z2-7]+")
_SECOND_DIGIT = re.compile(r".*?[2-7].*?[2-7]")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._' -]*")  # ASCII alone: other letters may look like these
_BARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # one word, for a shell as for a reader


class PeerNameError(ValueError):
    """Nobody, or more than one, is meant by a name; the text names the remedy."""


class UnknownPeer(PeerNameError):
    """`who` names no peer; `why` says so where it could have."""

    def __init__(self, who: str, names: Iterable[str], why: str = "") -> None:
        known = ", ".join(quoted(name) for name in sorted(names)[:_LISTED]) or "none"
        said = f"{quoted(who)} {why}" if why else f"no peer is called {quoted(who)}"
        super().__init__(f"{said}; known: {known}. See ppai peers, or give the full id")


class AmbiguousPeer(PeerNameError):
    """`who` may be any of the peers `ids`."""

    def __init__(self, who: str, ids: Iterable[PeerId]) -> None:
        self.ids = tuple(sorted(ids))
        more = f" and {len(self.ids) - _LISTED} more" if len(self.ids) > _LISTED else ""
        super().__init__(f"{quoted(who)} fits several peers; give the full id: {', '.join(self.ids[:_LISTED])}{more}")


def find(who: str, known: Mapping[PeerId, str], own_name: str = "", preferred: Collection[PeerId] = ()) -> PeerId:
    """The one peer that a person means, of `known` (id -> name) or by a full id; those `preferred` before others.

    Raises UnknownPeer, AmbiguousPeer.
    """
    found = meant(who, known, own_name)
    found = tuple(peer for peer in found if peer in preferred) or found
    if len(found) > 1:
        raise AmbiguousPeer(who, found)
    if not found:
        why = "stands for this peer itself or for nobody" if is_taken(who.strip(), own_name) else ""
        why = why or ("looks like an id, and no known id begins so" if looks_like_id(who.strip()) else "")
        raise UnknownPeer(who, (name for name in known.values() if name), why)
    return found[0]


def meant(who: str, known: Mapping[PeerId, str], own_name: str = "") -> tuple[PeerId, ...]:
    """All peers that a person may mean by `who`.

    A full id means that peer alone, known or not. What looks like an id means the ids that begin so, and no name.
    Anything else means every peer of that name, or shown so, and every id that begins so. `local`, `auto` and our own
    name mean no other peer.
    """
    who = who.strip()
    if is_id(who.lower()):
        return (PeerId(who.lower()),)
    if is_taken(who, own_name):
        return ()
    starts = [peer for peer in known if len(who) >= START_MIN and peer.startswith(who.lower())]
    if looks_like_id(who):
        return tuple(starts)
    is_long = who.endswith(")")
    called = [peer for peer, name in known.items() if name == who or (is_long and with_id(name, peer) == who)]
    return tuple(dict.fromkeys((*called, *starts)))


def shown_names(known: Mapping[PeerId, str], trusted: Collection[PeerId], own_name: str) -> dict[PeerId, str]:
    """How each peer is shown: by its name alone where that can be nobody else's, otherwise with its id.

    A trusted peer keeps its bare name whatever strangers call themselves.
    """
    claimed = Counter(name.casefold() for name in known.values())
    held = Counter(known[peer].casefold() for peer in trusted if peer in known)

    def is_clear(peer: PeerId, name: str) -> bool:
        if not _PLAIN.fullmatch(name) or is_taken(name, own_name) or looks_like_id(name):
            return False
        return (held if peer in trusted else claimed)[name.casefold()] == 1

    return {peer: name if is_clear(peer, name) else with_id(name, peer) for peer, name in known.items()}


def with_id(name: str, peer: PeerId) -> str:
    """A name that somebody chose, beside the id that nobody else has: `'local' (k6hzmfotth)`."""
    return f"{quoted(name)} ({id_shown(peer)})"


def id_shown(peer: str) -> str:
    """The characters of an id that people are shown: ten, and on to the second digit, so that it looks like no word."""
    second = _SECOND_DIGIT.match(peer)
    return peer[: max(SHOWN, second.end() if second else len(peer))]


def spoken(peer: str) -> str:
    """An id as five words that two people can compare aloud: `lusab babad gutih tugad bakul`.

    They are the first 80 bits of its SHA-256, as proquints (arXiv:0901.4016): nobody finds a key with the same words.
    """
    digest = hashlib.sha256(peer.encode()).digest()
    return " ".join(_proquint(int.from_bytes(digest[at : at + 2], "big")) for at in range(0, 2 * SPOKEN, 2))


def _proquint(bits: int) -> str:
    """16 bits as consonant, vowel, consonant, vowel, consonant: four bits, two, four, two, four."""
    letters = ((bits >> 12, _CONSONANTS), (bits >> 10, _VOWELS), (bits >> 6, _CONSONANTS), (bits >> 4, _VOWELS))
    return "".join(which[part % len(which)] for part, which in (*letters, (bits, _CONSONANTS)))


def quoted(text: str) -> str:
    """A foreign name or sentence within one of ours: without what is not printable, and as one word for a shell."""
    clean = printable(text, 300)
    if _BARE.fullmatch(clean):
        return clean
    word = shlex.quote(clean)
    return word if word.startswith("'") else f"'{word}'"


def is_id(text: str) -> bool:
    """Whether this is a full id."""
    try:
        public_key(text)
    except InvalidRecord:
        return False
    return True


def looks_like_id(text: str) -> bool:
    """Whether a person may take this for the start of an id, as `id_shown` shows it."""
    text = text.casefold()
    return len(text) >= SHOWN and bool(_ID_LETTERS.fullmatch(text)) and bool(_SECOND_DIGIT.match(text))


def is_taken(name: str, own_name: str = "") -> bool:
    """Whether this name already means something here: `local`, `auto`, or ourselves."""
    return name.casefold() in RESERVED or (bool(own_name) and name.casefold() == own_name.casefold())
