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
