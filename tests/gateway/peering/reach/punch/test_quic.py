"""Real iroh between two endpoints of one machine, in a network namespace: it looks for a router when it starts."""

import importlib.util
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from discovery.records import Address
from gateway.peering.reach.punch import quic

SCRIPT = """
import asyncio
from discovery.records import Address
from gateway.peering.reach.punch.quic import bind

async def main():
    ada, ben = await bind("127.0.0.1:0"), await bind("127.0.0.1:20002")
    at = Address("127.0.0.1", 20002)

    async def echo(link):
        assert link.endpoint == ada.id and link.at().ip == "127.0.0.1", link.at()
        link.say(await link.hear())
        while True:
            stream = await link.accept()
            while piece := await stream.read(1000):
                await stream.write(piece)
            await stream.finish()

    serving = asyncio.create_task(ben.run(echo))
    link = await ada.connect(ben.id, at)
    link.say(b"a word")
    print((await link.hear()).decode())
    stream, said = await link.open(), b""
    await stream.write(b"x" * 100_000)
    await stream.finish()
    while piece := await stream.read(1 << 16):
        said += piece
    print(len(said))
    await stream.abort()
    try:
        async with asyncio.timeout(2):
            await ada.connect("58" + "66" * 31, at)  # the key of nobody here
    except (OSError, TimeoutError):
        print("another is not there")
    try:
        await ada.connect("02" * 32, at)
    except OSError as error:
        print("no key" if str(error) else "nothing said")
    link.close()
    link.close()
    try:
        await link.open()
    except OSError:
        print("closed")
    serving.cancel()
    await ada.close()
    await ben.close()

asyncio.run(main())
"""


def why_not() -> str | None:
    if not quic.is_there():
        return "iroh is not installed: pip install -c constraints-train.txt -e '.[punch]'"
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        return "network namespaces are not permitted"
    return None


@pytest.mark.slow
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_streams_and_words_pass_between_two_endpoints_and_nobody_else_answers_for_one() -> None:
    up = f"ip link set lo up; exec {sys.executable} -c '{SCRIPT}'"

    done = subprocess.run(["unshare", "-n", "sh", "-c", up], capture_output=True, text=True, timeout=60)

    assert ["a word", "100000", "another is not there", "no key", "closed"] == done.stdout.splitlines(), done.stderr


class Refusing(Exception):
    """What iroh raises at once, where it is asked something that cannot be."""

    def message(self) -> str:
        return "no point of the curve"

    def __call__(self, *_: object) -> None:
        raise self


async def test_a_key_that_is_none_is_an_error_of_the_link_and_no_bug_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any peer that asks for a direct way says such a key; half of all numbers of its size are none."""
    ffi = SimpleNamespace(IrohError=Refusing, EndpointId=SimpleNamespace(from_bytes=Refusing()))
    monkeypatch.setattr(quic, "_iroh", lambda: ffi)
    endpoint = SimpleNamespace(id=lambda: SimpleNamespace(to_bytes=lambda: bytes(32)))

    with pytest.raises(OSError, match="no point of the curve"):
        await quic._Endpoint(ffi, endpoint).connect("02" * 32, Address("127.0.0.1", 1))


def test_it_is_told_whether_the_extra_is_installed() -> None:
    assert quic.is_there() == (importlib.util.find_spec("iroh") is not None)
