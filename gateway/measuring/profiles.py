"""Our own agents' published capability vectors, kept in the home so that a restart publishes them again.

Beside each vector stands what the engine told of the model when it was measured: a model that was replaced under its
name makes the vector stale (stale.py).
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np

from discovery.records import PROTOTYPES_LIMIT, SPACES_LIMIT, Profile
from gateway.measuring.kept import read_kept, write_kept
from gateway.measuring.stale import aged
from gateway.wire.codec import UNREADABLE
from gateway.wire.errors import InvalidRequest, without_words
from profiler.answers import is_another
from profiler.scoring import Floats, quantise

_REMEDY = "run ppai-profile again: it publishes from the answers that it kept, and asks nothing twice"


class Publication(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /ppai/v1/profile: one agent's vector in one space."""

    space: str
    agent: str
    capability: list[float]  # (K,) in [0, 1]
    evidence: list[int]  # (K,) questions behind each entry
    make: str = ""  # of the agent that was measured (profiler/answers.py); empty: of whatever has its name


class _Kept(msgspec.Struct, omit_defaults=True):
    """One vector, as the file holds it."""

    capability: bytes
    evidence: tuple[int, ...]
    make: str = ""  # of the model that was measured (profiler/answers.py); empty: not known
    stale_since: float | None = None  # s of wall time when the engine first told another make; None: it is not stale

    @property
    def profile(self) -> Profile:
        return Profile(self.capability, self.evidence)


class Profiles:
    """agent name -> space -> Profile, newest space last."""

    def __init__(self, path: Path, wall_clock: Callable[[], float] = time.time) -> None:
        """`wall_clock`: seconds, of which stale vectors age. Raises KeptError."""
        self._path, self._wall_clock = path, wall_clock
        self._known: dict[str, dict[str, _Kept]]
        self._known, self.warning = read_kept(path, dict[str, dict[str, _Kept]], _REMEDY)

    def of(self, agent: str, is_shared: bool = False) -> Mapping[str, Profile]:
        """What an agent's card carries: of a model that was replaced, with less evidence every day.

        `is_shared`: models of several kinds have the name; then a vector counts only if it is known whose it is.
        """
        now = self._wall_clock()
        return {
            space: aged(kept.profile, None if kept.stale_since is None else now - kept.stale_since)
            for space, kept in self._known.get(agent, {}).items()
            if kept.make or not is_shared
        }

    def of_other_spaces(self, space: str) -> dict[str, str]:
        """Agents with vectors, but none in this space: {agent: make of the model that was measured}."""
        return {agent: [*of.values()][-1].make for agent, of in self._known.items() if of and space not in of}

    def is_stale(self, agent: str, space: str) -> bool:
        """Whether the agent's vector in this space was measured of another model of its name."""
        kept = self._known.get(agent, {}).get(space)
        return kept is not None and kept.stale_since is not None

    def served(self, agents: Iterable[tuple[str, str]]) -> None:
        """What our engines serve now, as (agent, make): the vectors of others under these names are stale."""
        known = dict(self._known)
        for agent, make in agents:
            for space, kept in known.get(agent, {}).items():
                is_stale = is_another(kept.make, make)
                if is_stale != (kept.stale_since is not None):
                    since = self._wall_clock() if is_stale else None
                    known[agent] = {**known[agent], space: msgspec.structs.replace(kept, stale_since=since)}
        if known != self._known:
            with suppress(OSError):  # without room the mark is set anew after a restart
                self._write(known)
            self._known = known

    def publish(self, body: bytes, space: str, prototypes: int, makes: Mapping[str, str]) -> None:
        """Take a measured vector and keep it; `space` and `prototypes` (K) are our gate's, `makes` our agents' now.

        Raises InvalidRequest; a bad one changes nothing.
        """
        publication = _read(body)
        make = makes.get(publication.agent)
        if make is None:
            served = ", ".join(f"`{agent}`" for agent in makes) or "none"
            raise InvalidRequest(f"this peer serves no agent `{publication.agent}`; it serves: {served}", param="agent")
        if publication.make and is_another(publication.make, make):
            raise InvalidRequest(
                f"`{publication.agent}` was configured otherwise when it was measured: run ppai-profile again",
                param="make", code="another_make",
            )  # fmt: skip
        if publication.space != space:
            raise InvalidRequest(
                f"the vector is of space {publication.space}, this peer's gate of {space}: "
                "run ppai-profile with the gate that the peer uses",
                param="space",
            )
        if len(publication.capability) != prototypes:
            raise InvalidRequest(
                f"the vector has {len(publication.capability)} numbers, this peer's gate {prototypes} prototypes",
                param="capability",
            )
        self.keep(publication.agent, space, np.array(publication.capability), publication.evidence, make)

    def keep(self, agent: str, space: str, values: Floats, evidence: Iterable[int], make: str) -> None:
        """Keep a vector (K,) of a model of this make, with the questions (K,) behind each value, as the newest.

        An older vector in another space stays beside it, for peers of the older gate, until there is more evidence:
        then the agent was measured again, and nobody can say so in that space.
        """
        kept = _Kept(quantise(values), tuple(int(count) for count in evidence), make)
        spaces = {
            name: old
            for name, old in self._known.get(agent, {}).items()
            if name != space and sum(old.evidence) >= sum(kept.evidence)
        }
        newest = dict([*spaces.items(), (space, kept)][-SPACES_LIMIT:])
        self._write({**self._known, agent: newest})

    def _write(self, known: dict[str, dict[str, _Kept]]) -> None:
        write_kept(self._path, known)
        self._known = known


def _read(body: bytes) -> Publication:
    try:
        publication = msgspec.json.decode(body, type=Publication)
    except UNREADABLE as error:
        raise InvalidRequest(f"not a profile: {without_words(error)}") from error
    values, evidence = publication.capability, publication.evidence
    if not 1 <= len(values) <= PROTOTYPES_LIMIT or len(values) != len(evidence):
        raise InvalidRequest(
            f"`capability` has {len(values)} numbers and `evidence` {len(evidence)}; both need one for each prototype",
            param="capability",
        )
    if not all(0.0 <= value <= 1.0 for value in values):
        raise InvalidRequest("`capability` must be numbers from 0 to 1: shares of right answers", param="capability")
    if not all(0 <= count < 2**31 for count in evidence):
        raise InvalidRequest("`evidence` must be counts of questions, from 0 up", param="evidence")
    return publication
