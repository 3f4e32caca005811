"""Pictures and recordings: rules read their ends, and every text whole."""

import os
import random
import re
import time
from base64 import b64encode

import pytest

from gateway.privacy.media import EDGE_BYTES, _long_runs, without_media
from gateway.privacy.rules import Asked, PrivacyConfig, Rule, Rules, Verdict

HEADS = {
    "PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff\xe0", "WEBP": b"RIFF\0\0\0\0WEBP", "WAV": b"RIFF\0\0\0\0WAVE",
    "MP3": b"ID3\4", "MP4": b"\0\0\0\x18ftypmp42", "Ogg": b"OggS",
}  # fmt: skip
SECRET = b" sk-Abcdefghij0123456789xyz "
LONG = 1 << 20
RULES = Rules(PrivacyConfig(), "/home/ada")


def read(body: bytes, *files: tuple[int, int]) -> bytes:
    return b"".join(bytes(piece) for piece in without_media(body, files))


def inline(holds: bytes, slash: bytes = b"/") -> bytes:
    """A body with a picture or recording as a data URL, and words around it."""
    return b'{"before":"words","url":"data:x;base64,' + b64encode(holds).replace(b"/", slash) + b'","after":"words"}'


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("slash", [b"/", b"\\/"])
def test_of_a_picture_in_a_body_the_ends_are_read_and_all_words_around_it(kind: str, slash: bytes) -> None:
    whole = inline(HEADS[kind] + os.urandom(LONG), slash)

    left = read(whole)

    assert whole[:EDGE_BYTES] == left[:EDGE_BYTES] and whole[-EDGE_BYTES:] == left[-EDGE_BYTES:]
    assert len(left) < 3 * EDGE_BYTES


@pytest.mark.parametrize("seed", range(20))
def test_much_base64_is_found_wherever_it_begins_and_ends(seed: int) -> None:
    rng, long = random.Random(seed), 4 * EDGE_BYTES
    lengths = (0, 1, 100, long // 2, long - 1, long, long + 1, 2 * long - 1, 2 * long, 3 * long + 7)
    runs = [(b"aZ0+" * long)[: rng.choice(lengths)] for _ in range(6)]
    body = b"".join(rng.choice((b" ", b'"', b"\0", b"\xff")) + run for run in runs)[rng.randrange(2) :]

    spans = [found.span() for found in re.finditer(rb"[A-Za-z0-9+/_=\\-]+", body)]
    assert [(begin, end) for begin, end in spans if end - begin >= long] == list(_long_runs(body))


def test_many_pictures_of_48_kb_are_looked_through_in_a_moment() -> None:
    """Each is just too short to be left out: a search that begins anew at each of its bytes takes seconds for it."""
    picture = b64encode(HEADS["PNG"] + os.urandom(48_000))
    body = b'{"url":"data:image/png;base64,' + b'"},{"url":"data:image/png;base64,'.join([picture] * 100)

    began = time.process_time()
    left = read(body)

    assert body == left and 4 * EDGE_BYTES > len(picture)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "body",
    [inline(b"plain words " * 20_000), inline(HEADS["PNG"] + bytes(EDGE_BYTES)), b'"' + b"a" * LONG + b'"'],
    ids=["encoded text", "a small picture", "a long word"],
)
def test_whatever_else_is_long_is_read_whole(body: bytes) -> None:
    assert body == read(body)


def test_of_a_form_s_file_the_ends_are_read_unless_it_is_text() -> None:
    head, sound, tail = b"--x\r\n\r\n", b"\xff\xfb" + os.urandom(LONG), b"\r\n--x--\r\n"
    text = "Grüße und Zeilen\n".encode() * 60_000

    left = read(head + sound + tail, (len(head), len(head) + len(sound)))

    assert head + sound[:EDGE_BYTES] + sound[-EDGE_BYTES:] + tail == left
    assert text == read(text, (0, len(text)))


@pytest.mark.parametrize("at", [100, LONG // 2, LONG - 100])
def test_a_secret_in_a_long_text_is_found_wherever_it_stands(at: int) -> None:
    text = (b"some words " * LONG)[:LONG]

    found = RULES.verdict(Asked(b'{"a":"' + text[:at] + SECRET + text[at:] + b'"}'))

    assert Verdict("my machines", "secrets") == found


def test_a_secret_in_the_tags_of_a_recording_is_found() -> None:
    sound = b"ID3\4 title:" + SECRET + os.urandom(LONG)
    asked = Asked(sound, may_split=False, files=((0, len(sound)),))

    assert Verdict("my machines", "secrets") == RULES.verdict(asked)


def test_a_rule_by_words_and_one_by_paths_each_find_their_own() -> None:
    rules = Rules(PrivacyConfig((Rule("w", words=("Falcon",)), Rule("p", "approved", paths=("~/work",)))), "/home/ada")

    verdicts = [rules.verdict(Asked(body)) for body in (b'"the FALCON flies"', b'"/home/ada/work/x"', b'"neither"')]

    assert [("this machine", "w"), ("approved", "p"), ("anyone", "")] == [(one.reach, one.rule) for one in verdicts]
