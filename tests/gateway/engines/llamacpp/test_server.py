"""The child process: its parameters, its refusals, and that it never outlives who started it."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.engines.llamacpp.server import CANNOT
from tests.embedded import smollm2

ROOT = Path(__file__).parents[3]


def command(model: Path) -> list[str]:
    flags = {"model": model, "name": "m", "port": 0, "threads": 1, "slots": 1, "context-tokens": 64, "http-threads": 2}
    words = [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
    return [sys.executable, "-P", "-m", "gateway.engines.llamacpp.server", *words]


def ended(model: Path, said: str) -> tuple[int, str]:
    """(exit code, stderr) of a child that is told this, and then nothing more."""
    done = subprocess.run(command(model), input=said, capture_output=True, text=True, timeout=60, cwd=ROOT)
    return done.returncode, done.stderr


@pytest.mark.parametrize("said", ["", "\n", "  \n"])
def test_without_a_key_it_does_not_serve(said: str, tmp_path: Path) -> None:
    code, told = ended(tmp_path / "any.gguf", said)

    assert 1 == code
    assert "this program is started by `ppai serve`" in told


def test_a_model_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    """While its parent lives: else it would end without a word, as it should."""
    model = tmp_path / "half.gguf"
    model.write_bytes(b"GGUF" + bytes(1000))
    with subprocess.Popen(command(model), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdin and child.stderr
        child.stdin.write("key\n")
        child.stdin.flush()
        told = child.stderr.read()

    assert 1 == child.returncode
    assert f"{CANNOT}serve {model}: the lines above say why" in told


def test_it_ends_when_its_parent_does() -> None:
    """However that died: the end of standard input is all that it needs. Its code is 0, nothing went wrong."""
    assert 0 == ended(smollm2(), "key\n")[0]
