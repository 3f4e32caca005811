"""Which heads of a session are known again."""

import pytest

from discovery.heads import HEAD_BYTES
from discovery.session_heads import SessionHeads

BEFORE = b"POST /peer/1/delegate HTTP/1.1\r\nhost: x\r\n"
MAC, SHA = "0f" * 32, "a1" * 32


def head(number: str = "1", mac: str = MAC, sha: str = SHA, length: str = "7", before: bytes = BEFORE) -> bytes:
    ends = f"ppai-session: {number}\r\nppai-mac: {mac}\r\nppai-sha256: {sha}\r\ncontent-length: {length}\r\n\r\n"
    return before + ends.encode()


class Heard:
    """What was read of a head, as far as it matters here."""

    def __init__(self, **said: str) -> None:
        self.headers = {"ppai-session": "1", "ppai-mac": MAC, "ppai-sha256": SHA, "content-length": "7", **said}


def knowing(heard: Heard | None = None, before: bytes = BEFORE, times: int = 2) -> SessionHeads[Heard]:
    known = SessionHeads[Heard]()
    for _ in range(times):
        known.learn(head(before=before), heard or Heard())
    return known


def test_what_came_twice_is_known_with_whatever_proof() -> None:
    found = knowing().find(head("18", "e" * 64, "d" * 64, "4") + b"bodyPOST")

    assert found is not None
    anew = {"ppai-session": "18", "ppai-mac": "e" * 64, "ppai-sha256": "d" * 64, "content-length": "4"}
    assert (anew, 4, b"bodyPOST") == found[1:]


def test_what_came_once_is_not_known() -> None:
    assert knowing(times=1).find(head()) is None


@pytest.mark.parametrize(
    "data",
    [
        head(before=BEFORE.replace(b"x", b"y")),
        head(before=b"\r\n" + BEFORE),
        head(before=BEFORE + b"x: 1\r\n"),
        head("-1"),
        head("1" * 17),
        head(""),
        head(mac="0F" * 32),
        head(mac="0f" * 31),
        head(sha="a1" * 32 + " "),
        head(length="1" * 10),
        head(length="7\r\nx: y"),
        head()[:-2],
        head().replace(b"ppai-mac", b"PPAI-MAC"),
        head().replace(b"ppai-session", b"x: y\r\nppai-session"),
        b"",
    ],
)
def test_what_differs_in_more_is_not_known(data: bytes) -> None:
    assert knowing().find(data) is None


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (BEFORE + b"ppai-mac: %b\r\n" % MAC.encode(), {"ppai-mac": f"{MAC}, {MAC}"}),
        (BEFORE + b"content-length: 7\r\n", {"content-length": "7, 7"}),
        (BEFORE + b"x: " + b"y" * HEAD_BYTES + b"\r\n", {}),
    ],
)
def test_what_says_something_twice_or_is_long_is_not_remembered(before: bytes, said: dict[str, str]) -> None:
    assert knowing(Heard(**said), before).find(head(before=before)) is None
