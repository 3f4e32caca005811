"""A secret that people choose is as strong as the guesses it takes, not as it is long."""

import secrets
import sys

import pytest

from discovery.admission import AdmissionError
from discovery.secret_strength import ENOUGH_BITS, bits_of, require_strong, warning_about

GUESSED = [
    b"",
    b"short",
    b"aaaaaaaaaaaaaaaa",
    b"0000000000000000" * 2,
    b"passwordpassword",
    b"correct horse battery",
    b"0123456789abcdef0123456789abcdef",
    b"qwertyuiopasdfghjklzxcvbnm",
    b"deadbeef" * 4,
    b"ppai ppai ppai ppai ppai",
    b"\xff" * 32,
]


@pytest.mark.parametrize("secret", GUESSED, ids=ascii)
def test_a_secret_that_can_be_guessed_begins_no_network(secret: bytes) -> None:
    with pytest.raises(AdmissionError, match=r"can be guessed \(about \d+ of 64 bits\).*`ppai init` makes one"):
        require_strong(secret)


def test_what_init_makes_is_never_refused() -> None:
    assert min(bits_of(secrets.token_hex(16).encode()) for _ in range(20)) > ENOUGH_BITS


@pytest.mark.parametrize(
    "secret", [b"frisky-otter-plumber-canyon-tidal-mango", bytes(range(200, 232)), b"\xc3\xa4" * 3 + b"qP" * 500 + b"7"]
)
def test_words_bytes_and_long_ones_are_estimated(secret: bytes) -> None:
    assert bits_of(secret) > 0


def test_a_passphrase_of_six_words_is_strong() -> None:
    require_strong(b"frisky-otter-plumber-canyon-tidal-mango")


def test_a_network_from_before_the_rule_is_warned_for_one_version_and_then_refused() -> None:
    """Refused from the first version on that says so; the warning names that version and what to do."""
    warning = warning_about(b"passwordpassword", "0.1.7")

    assert "from version 0.2 on a peer with it does not start" in warning
    assert "openssl rand -hex 16" in warning
    for version in ("0.2.0", "0.2rc1", "0.10.0", "1.0"):
        with pytest.raises(AdmissionError, match="openssl rand -hex 16"):
            warning_about(b"passwordpassword", version)


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_a_strong_secret_is_not_spoken_of(version: str) -> None:
    assert "" == warning_about(b"9f1c6b0e4d7a23588e5bd0c1f76a2943", version)


def test_a_peer_keeps_no_list_of_words_in_memory() -> None:
    warning_about(b"passwordpassword", "0.1.0")

    assert [] == [name for name in sys.modules if name.startswith("zxcvbn")]


@pytest.mark.parametrize(
    ("secret", "is_asked"),
    [
        (b"9f1c6b0e4d7a23588e5bd0c1f76a2943", False),
        (b"a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6", True),
        (b"00112233445566778899aabbccddeeff", True),
        (b"000102030405060708090a0b0c0d0e0f", True),
        (b"deadbeef" * 4, True),
        (b"9f1c6b0e4d7a23588e5bd0c1f76a294", True),
        (b"9f1c6b0e-4d7a2358-8e5bd0c1f76a29", True),
    ],
)
def test_lists_of_words_are_loaded_where_a_person_may_have_chosen(
    secret: bytes, is_asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()

    class Lists:
        @staticmethod
        def zxcvbn(text: str, user_inputs: list[str]) -> dict[str, int]:
            asked.append(text)
            return {"guesses": 2**100}

    monkeypatch.setitem(sys.modules, "zxcvbn", Lists)

    assert bits_of(secret) >= 100
    assert ([secret.decode()] if is_asked else []) == asked
