"""Whatever a document does to the process that reads it, this one goes on and says so; and nothing is left running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gateway.agent.knowledge.reading import _BOOT, Reading
from tests.gateway.agent.knowledge.made import bomb

HANGS = "import time; time.sleep(600)"
GREEDY = _BOOT.replace("; main()", "; import gateway.agent.knowledge.reader as r; r.blocks_of = lambda *_: [0] * 2**33; main()")  # fmt: skip  # noqa: E501
BUSY = _BOOT.replace("; main()", "; import gateway.agent.knowledge.reader as r; r.CPU_S = 1; r.blocks_of = lambda *_: pow(7, 10**9); main()")  # fmt: skip  # noqa: E501


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "a.md"
    file.write_text("# Boats\nOf lead.")
    return file


@pytest.fixture
def reading() -> Iterator[Reading]:
    reading = Reading()
    yield reading
    reading.close()


def test_one_process_reads_many_documents(reading: Reading, file: Path) -> None:
    first = reading.read(file)
    process = reading._process

    assert first == reading.read(file)
    assert [("Boats", "Of lead.")] == [tuple(piece) for piece in first.pieces or ()]
    assert None is reading.read(file, first.digest).pieces
    assert process is reading._process


def test_a_process_makes_room_for_another_after_a_while(file: Path) -> None:
    reading = Reading(
        boot=_BOOT.replace("; main()", "; import gateway.agent.knowledge.reader as r; r.READ_BYTES = 30; main()")
    )

    assert all(reading.read(file).pieces for _ in range(5))
    assert reading._process is not None  # which has read one document, and would read another
    reading.close()


def test_a_reader_that_dies_is_said_and_the_next_document_is_read(reading: Reading, file: Path) -> None:
    reading.read(file)
    assert reading._process
    reading._process.kill()
    reading._process.wait()

    assert reading.read(file).pieces  # it had ended before: nothing of this document is to blame


def test_a_document_that_breaks_its_reader_says_so(file: Path) -> None:
    reading = Reading(boot="import os; os.read(0, 1); os._exit(3)")

    assert "it broke the program that reads it" in reading.read(file).problem


@pytest.mark.parametrize(("boot", "said"), [(HANGS, "takes over 30 s"), ("print('{}}')", "it broke the program")])
def test_a_reader_that_hangs_or_says_nonsense_is_ended(boot: str, said: str, file: Path) -> None:
    reading = Reading(wall_s=0.3, boot=boot)

    assert said in reading.read(file).problem
    assert reading._process is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limits, or not all")
@pytest.mark.parametrize(
    ("boot", "said"), [(GREEDY, "over 1 GiB of memory"), pytest.param(BUSY, "takes over 30 s", marks=pytest.mark.slow)]
)
def test_memory_and_time_are_limited(boot: str, said: str, file: Path) -> None:
    reading = Reading(boot=boot)

    assert said in reading.read(file).problem
    reading.close()


def test_a_bomb_of_text_is_refused(reading: Reading, tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(bomb(8 << 20))

    assert "move it out of the folder" in reading.read(file).problem


@pytest.mark.skipif(sys.platform != "linux", reason="a signal at the parent's end is Linux's")
def test_a_reader_ends_with_the_process_that_started_it(file: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from gateway.agent.knowledge.reading import Reading\n"
        f"r = Reading(); r.read(Path({str(file)!r})); print(r._process.pid, flush=True)\n"
        f"r._boot = {HANGS!r}; time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout
    reader = psutil.Process(int(parent.stdout.readline()))

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    until = time.monotonic() + 10
    while reader.is_running() and reader.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
        time.sleep(0.02)
    assert not reader.is_running() or reader.status() == psutil.STATUS_ZOMBIE
