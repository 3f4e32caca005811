"""Our own vectors: a bad one changes nothing, a good one survives a restart, two spaces are kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from gateway.measuring.profiles import Profiles
from gateway.wire.errors import InvalidRequest
from profiler.answers import make_of

AGENTS = {"small": make_of(0, "")}


def publication(**changes: object) -> bytes:
    good = {"space": "s1", "agent": "small", "capability": [0.0, 0.5, 1.0], "evidence": [3, 0, 9]}
    return json.dumps({**good, **changes}).encode()


def test_a_published_vector_is_what_the_card_carries(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path / "profiles.json")

    profiles.publish(publication(), "s1", 3, AGENTS)

    profile = profiles.of("small")["s1"]
    assert (bytes([0, 128, 255]), (3, 0, 9)) == (profile.capability, profile.evidence)


def test_vectors_survive_a_restart(tmp_path: Path) -> None:
    Profiles(tmp_path / "profiles.json").publish(publication(), "s1", 3, AGENTS)

    profiles = Profiles(tmp_path / "profiles.json")

    assert {"s1"} == profiles.of("small").keys()
    assert (3, 0, 9) == profiles.of("small")["s1"].evidence


def test_two_spaces_are_kept_and_the_oldest_goes(tmp_path: Path) -> None:
    """A new gate must not make us strangers to those who still have the old one."""
    profiles = Profiles(tmp_path / "profiles.json")
    for space in ("s1", "s2", "s1", "s3"):
        profiles.publish(publication(space=space), space, 3, AGENTS)

    assert ["s1", "s3"] == list(profiles.of("small"))
    assert ["s1", "s3"] == list(Profiles(tmp_path / "profiles.json").of("small"))


def test_an_older_vector_ends_when_there_is_more_evidence(tmp_path: Path) -> None:
    """It was measured again then, and what was answered since is not in the older one."""
    profiles = Profiles(tmp_path / "profiles.json")
    profiles.publish(publication(), "s1", 3, AGENTS)

    profiles.publish(publication(space="s2", evidence=[3, 0, 9]), "s2", 3, AGENTS)
    assert ["s1", "s2"] == list(profiles.of("small"))

    profiles.publish(publication(space="s2", evidence=[3, 1, 9]), "s2", 3, AGENTS)
    assert ["s2"] == list(profiles.of("small"))


def test_who_lacks_a_vector_in_a_space_is_named_with_the_make_that_was_measured(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path / "profiles.json")
    profiles.keep("small", "s1", np.array([0.5]), [3], "7 Q4_0")
    profiles.keep("large", "s2", np.array([0.5]), [3], "70 Q4_0")

    assert {"small": "7 Q4_0"} == profiles.of_other_spaces("s2")
    assert {} == Profiles(tmp_path / "nothing.json").of_other_spaces("s2")


def test_an_agent_without_a_vector_has_none(tmp_path: Path) -> None:
    assert {} == Profiles(tmp_path / "profiles.json").of("small")


BAD: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"hello", "not a profile"),
    "no text": (b'{"space":"\xff"}', "not a profile"),
    "nested without end": (b"[" * 100_000, "not a profile"),
    "a field too many": (publication(**{"my secret": 1}), "not a profile: Object contains unknown field$"),
    "a field too few": (b'{"space":"s1","agent":"small","capability":[1]}', "not a profile"),
    "above 1": (publication(capability=[0, 1, 1.01]), "from 0 to 1"),
    "below 0": (publication(capability=[0, 1, -0.01]), "from 0 to 1"),
    "not a number": (publication().replace(b"0.5", b"NaN"), "not a profile"),
    "another length": (publication(evidence=[1, 2]), "one for each prototype"),
    "of another gate's length": (publication(capability=[0.5] * 4, evidence=[1] * 4), "4 numbers, this peer's gate 3"),
    "empty": (publication(capability=[], evidence=[]), "one for each prototype"),
    "too long": (publication(capability=[0.5] * 1025, evidence=[1] * 1025), "one for each prototype"),
    "negative evidence": (publication(evidence=[1, 2, -1]), "from 0 up"),
    "evidence beyond a card's": (publication(evidence=[1, 2, 2**31]), "from 0 up"),
    "another agent": (publication(agent="large"), "it serves: `small`"),
    "another space": (publication(space="s2"), "run ppai-profile with the gate"),
}


@pytest.mark.parametrize(("body", "said"), BAD.values(), ids=BAD)
def test_a_bad_vector_changes_nothing(tmp_path: Path, body: bytes, said: str) -> None:
    profiles = Profiles(tmp_path / "profiles.json")
    profiles.publish(publication(), "s1", 3, AGENTS)
    before = (tmp_path / "profiles.json").read_bytes(), profiles.of("small")

    with pytest.raises(InvalidRequest, match=said) as caught:
        profiles.publish(body, "s1", 3, AGENTS)

    assert 400 == caught.value.status
    assert before == ((tmp_path / "profiles.json").read_bytes(), profiles.of("small"))


def test_a_vector_that_cannot_be_kept_is_not_taken(tmp_path: Path) -> None:
    """After a restart it would be gone, and nobody would know why."""
    profiles = Profiles(tmp_path / "no such folder" / "profiles.json")

    with pytest.raises(OSError):
        profiles.publish(publication(), "s1", 3, AGENTS)

    assert {} == profiles.of("small")


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"small":7}', b'{"small":{"s":{"capability":"\xff"}}}', b"[" * 100_000]
)
def test_what_does_not_parse_is_set_aside_and_it_is_said_how_it_comes_back(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "profiles.json").write_bytes(content)

    profiles = Profiles(tmp_path / "profiles.json")

    assert {} == profiles.of("small")
    assert content == (tmp_path / "profiles.json.damaged").read_bytes()
    assert "run ppai-profile again" in profiles.warning


def test_a_replaced_model_makes_its_vector_stale_until_it_is_measured_again(tmp_path: Path) -> None:
    """Each day halves what it weighs, over restarts too; what the engine does not tell changes nothing."""
    days = [100.0]
    profiles = Profiles(tmp_path / "profiles.json", lambda: days[0] * 86400)
    profiles.publish(publication(), "s1", 3, {"small": make_of(8, "Q4_K_M")})

    profiles.served([("small", make_of(8, ""))])
    untold = profiles.of("small")["s1"].evidence
    profiles.served([("small", make_of(8, "Q8_0"))])
    at_once = profiles.of("small")["s1"].evidence
    days[0] += 1
    profiles = Profiles(tmp_path / "profiles.json", lambda: days[0] * 86400)
    profiles.served([("small", make_of(8, "Q8_0"))])
    a_day_later = profiles.of("small")["s1"].evidence

    assert ((3, 0, 9), (2, 0, 6), (1, 0, 3)) == (untold, at_once, a_day_later)
    assert (True, False) == (profiles.is_stale("small", "s1"), profiles.is_stale("small", "s2"))

    profiles.publish(publication(), "s1", 3, {"small": make_of(8, "Q8_0")})

    assert (3, 0, 9) == profiles.of("small")["s1"].evidence


def test_the_model_that_comes_back_has_its_vector_again(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path / "profiles.json")
    profiles.publish(publication(), "s1", 3, {"small": make_of(0, "Q4_K_M")})

    profiles.served([("small", make_of(0, "Q8_0"))])
    profiles.served([("small", make_of(0, "Q4_K_M"))])

    assert (3, 0, 9) == profiles.of("small")["s1"].evidence


def test_a_file_of_a_version_that_knew_no_makes_is_read(tmp_path: Path) -> None:
    old = {"small": {"s1": {"capability": "AIA=", "evidence": [3, 9]}}}
    (tmp_path / "profiles.json").write_text(json.dumps(old))

    profiles = Profiles(tmp_path / "profiles.json")
    profiles.served([("small", make_of(8, "Q8_0"))])

    assert (3, 9) == profiles.of("small")["s1"].evidence


def test_a_vector_of_an_agent_as_it_was_is_refused(tmp_path: Path) -> None:
    """Its file changed while it was measured: what it earned is not what it is."""
    profiles, now = Profiles(tmp_path / "profiles.json"), make_of(8, "Q8_0", "aaaaaaaa")

    with pytest.raises(InvalidRequest, match="was configured otherwise when it was measured: run ppai-profile again"):
        profiles.publish(publication(make=make_of(8, "Q8_0", "bbbbbbbb")), "s1", 3, {"small": now})
    assert {} == profiles.of("small")

    profiles.publish(publication(make=now), "s1", 3, {"small": now})
    profiles.served([("small", now)])
    assert not profiles.is_stale("small", "s1")
