"""A lock that lives as long as the process that holds it, and no longer."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.home.lock import AlreadyHeld, held, is_held

HOLDING = """
import sys
from pathlib import Path
from gateway.home.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


def test_it_is_held_by_one_and_until_he_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)

    with held(path):
        assert is_held(path)
        with pytest.raises(AlreadyHeld), held(path):
            pass
        assert is_held(path)

    assert not is_held(path)


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert b"held\n" == process.stdout.readline()
        while_alive = is_held(path)
        process.send_signal(signal.SIGKILL)

    assert (True, False) == (while_alive, is_held(path))


def test_of_many_that_start_at_once_one_holds_it(tmp_path: Path) -> None:
    path, ready, done = tmp_path / "lock", threading.Barrier(8), threading.Barrier(8)
    holders: list[int] = []

    def start(number: int) -> None:
        ready.wait()
        try:
            with held(path):
                holders.append(number)
                done.wait()
        except AlreadyHeld:
            done.wait()

    threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 == len(holders)


def test_whoever_only_looks_keeps_nobody_from_starting(tmp_path: Path) -> None:
    path, enough = tmp_path / "lock", threading.Event()
    path.touch()

    def look() -> None:
        while not enough.is_set():
            is_held(path)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(20):
            with held(path):
                pass
    finally:
        enough.set()
        looking.join()
