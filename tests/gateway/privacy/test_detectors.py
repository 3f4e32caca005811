"""Secrets are told from what only looks like them."""

import random
import time

import pytest

from gateway.privacy.detectors import DETECTORS
from gateway.privacy.spellings import SLICE_BYTES, Spelling
from tests.gateway.privacy.secrets import KINDS, secret_of

ROUNDS = 200


@pytest.mark.parametrize("kind", KINDS)
def test_every_secret_of_its_kind_is_found(kind: str) -> None:
    lot = random.Random(7)
    missed = [text for text in (secret_of(kind, lot) for _ in range(ROUNDS)) if not _finds(kind, f"it is {text}, ok")]

    assert [] == missed


@pytest.mark.parametrize("kind", ["card", "iban"])
def test_a_number_whose_check_digits_are_wrong_is_none(kind: str) -> None:
    lot, found = random.Random(7), 0
    for _ in range(ROUNDS):
        number = secret_of(kind, lot)
        at = max(index for index, sign in enumerate(number) if sign.isdigit())
        found += _finds(kind, number[:at] + str((int(number[at]) + 1) % 10) + number[at + 1 :])

    assert 0 == found


@pytest.mark.parametrize(
    "text",
    [
        "the deadline is 2026-11-26 14:42:51.123456789, the build 1764168171123456789",
        "commit 90f76a3d5e1b2c4f8a9d0e7b6c5a4f3e2d1c0b9a, sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
        "npm install left-pad@1.3.0 && pip install ppai==0.1.0",
        "@app.get('/users/{user}') def users(user: str) -> None: ...",
        "class='sk-loading-spinner-animation-wrapper' id=task-something-very-long-and-lower-case",
        "token = request.headers.get('authorization'); secret = os.environ['SECRET']; key: Callable[[int], str]",
        "https://user:password@localhost and https://example.org:8443/@ada/path?x=1",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24",
        "2019 2020 2021 2022; 1000 2000 3000 4000; 0000 0000 0000 0000",
        "DE12 is a postcode area, GB29 a road, and 4711 a scent",
        "call +49 30 901820 or 030 90182-0",
        '{"prompt_cache_key": "01a21919-190d-7c90-a341-d3a873d1b604"}',  # Codex names its conversations so
        "uuid 123e4567-e89b-12d3-a456-426614174000 and ISBN 978-3-16-148410-0",
        "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----",
        "Authorization: Bearer <your-api-key-goes-here-please>",
        "hf_transfer, sg.png, dapi, r8_something, AKIA",
    ],
)
def test_what_only_looks_like_a_secret_is_none(text: str) -> None:
    assert [] == [kind for kind in DETECTORS if _finds(kind, text)]


def test_two_numbers_in_a_row_hide_no_card() -> None:
    assert _finds("card", "12 4242 4242 4242 4242 12/27 123")
    assert not _finds("card", "42424242424242424242424242424242")


@pytest.mark.parametrize(
    "piece", ["4", "42 ", "a@", "a@b.", "eyJ", "sk-", "://a:", "secret=", "DE89 ", "bearer ", "KEY-----", "AKIA"]
)
@pytest.mark.parametrize("kind", DETECTORS)
def test_no_text_takes_long(kind: str, piece: str) -> None:
    began = time.process_time()
    _finds(kind, piece * (SLICE_BYTES // len(piece)))

    assert time.process_time() - began < 1.0


def _finds(kind: str, text: str) -> bool:
    return DETECTORS[kind](Spelling(text))
