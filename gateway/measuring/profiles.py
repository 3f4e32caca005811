"""Our own agents' published capability vectors, kept in the home so that a restart publishes them again."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from discovery.private_files import OpenToOthers, read_unchanged, set_aside, write_private
from discovery.records import PROTOTYPES_LIMIT, SPACES_LIMIT, Agent, Profile
from gateway.wire.codec import UNREADABLE
from gateway.wire.errors import InvalidRequest, without_words
from profiler.scoring import quantise


class ProfilesError(Exception):
    """profiles.json cannot be used; the message names the remedy."""


class Publication(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /ppai/v1/profile: one agent's vector in one space."""

    space: str
    agent: str
    capability: list[float]  # (K,) in [0, 1]
    evidence: list[int]  # (K,) questions behind each entry


class Profiles:
    """agent name -> space -> Profile, newest space last."""

    def __init__(self, path: Path) -> None:
        """Raises ProfilesError."""
        self._path, self.warning = path, ""  # `warning`: what the owner is to hear
        try:
            self._known = msgspec.json.decode(read_unchanged(path), type=dict[str, dict[str, Profile]])
        except FileNotFoundError:
            self._known = {}
        except OpenToOthers as error:
            raise ProfilesError(str(error)) from error
        except OSError as error:
            raise ProfilesError(f"cannot read {path}: {error.strerror}. It must be yours: check its owner") from error
        except UNREADABLE as error:
            self._known, self.warning = {}, _set_aside(path, str(error))

    def of(self, agent: str) -> Mapping[str, Profile]:
        """What an agent's card carries."""
        return self._known.get(agent, {})

    def publish(self, body: bytes, space: str, prototypes: int, agents: tuple[Agent, ...]) -> None:
        """Take a measured vector and keep it; `space` and `prototypes` (K) are our gate's.

        Raises InvalidRequest; a bad one changes nothing.
        """
        publication = _read(body)
        if publication.agent not in {agent.name for agent in agents}:
            served = ", ".join(f"`{agent.name}`" for agent in agents) or "none"
            raise InvalidRequest(f"this peer serves no agent `{publication.agent}`; it serves: {served}", param="agent")
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
        profile = Profile(quantise(np.array(publication.capability)), tuple(publication.evidence))
        spaces = {name: old for name, old in self.of(publication.agent).items() if name != publication.space}
        kept = dict([*spaces.items(), (publication.space, profile)][-SPACES_LIMIT:])
        known = {**self._known, publication.agent: kept}
        write_private(self._path, msgspec.json.encode(known))
        self._known = known


def _set_aside(path: Path, why: str) -> str:
    """Make room for a new profiles.json, and say how what it held comes back. Raises ProfilesError."""
    try:
        aside = set_aside(path)
    except OSError as error:
        raise ProfilesError(f"{path} does not parse ({why}), nor can it be renamed ({error.strerror})") from error
    remedy = "run ppai-profile again: it publishes from the answers that it kept, and asks nothing twice"
    return f"{path} does not parse ({why}): it is {aside.name} now; {remedy}"


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
