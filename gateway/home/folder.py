"""The peer's home folder: what lies where, and which peer is running from it. Holds no policy."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from discovery.envelopes import UNREADABLE
from discovery.private_files import read_unchanged, require_unchanged, write_private
from gateway.home.lock import AlreadyHeld, held, is_held

LOCK = "running.lock"
EDIT_LOCK, EDIT_WAIT_S = "edit.lock", 5.0  # s that a command waits for another, which needs milliseconds


class HomeError(Exception):
    """The home folder cannot be used; the message names the remedy."""


class Running(msgspec.Struct, frozen=True):
    """The peer serving from this home right now: where its client side listens, and the token for its owner's calls."""

    url: str
    pid: Annotated[int, msgspec.Meta(gt=0, lt=2**31)]
    token: str


@dataclass(frozen=True, slots=True)
class Home:
    """One peer's files. Everything that must not be lost or shared lies here."""

    path: Path

    @classmethod
    def default(cls) -> "Home":
        """`$PPAI_HOME`, else `~/.ppai`. Raises HomeError for a user who has no home folder."""
        try:
            return cls(Path(os.environ.get("PPAI_HOME") or "~/.ppai").expanduser())
        except RuntimeError as error:
            raise HomeError("this user has no home folder (HOME): name one with --home DIR or PPAI_HOME") from error

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    @property
    def secret_file(self) -> Path:
        return self.path / "secret"

    @property
    def api_keys_file(self) -> Path:
        return self.path / "api_keys.json"

    @property
    def agents(self) -> Path:
        """The files of personal agents."""
        return self.path / "agents"

    @property
    def weights(self) -> Path:
        """Model files: PPAI_WEIGHTS, else our own, else the user's (several peers on one machine share a download)."""
        if shared := os.environ.get("PPAI_WEIGHTS"):
            return Path(shared).expanduser()
        own, users = self.path / "weights", self._users_weights()
        return users if users.is_dir() and not own.is_dir() else own

    @property
    def background(self) -> Path:
        """What encoders made of the texts that topics are compared with; beside the weights, where there are any."""
        return (self.weights if self.weights.is_dir() else self.path) / "background"

    def _users_weights(self) -> Path:
        """Those that serve every home of the user; for one who has no HOME, our own."""
        try:
            return Path("~/.ppai/weights").expanduser()
        except RuntimeError:
            return self.path / "weights"

    def prepare(self) -> None:
        """Create the folder, private to its user. Raises HomeError where that is not possible.

        Raises OpenToOthers where other users may change the folder or anything in it.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._require_unchanged()
            probe = self.path / ".write-test"
            probe.touch()
            probe.unlink(missing_ok=True)  # another command may look at the same moment
        except OSError as error:
            raise HomeError(
                f"cannot write to the home folder {self.path}: {error.strerror}. "
                "Choose another with --home DIR or PPAI_HOME, or change its owner"
            ) from error

    def _require_unchanged(self) -> None:
        require_unchanged(self.path, self.path.stat())
        for folder, folders, files in os.walk(self.path):
            for path in (Path(folder, name) for name in folders + files):
                try:
                    require_unchanged(path, path.lstat())  # of a link itself, which says where we read and write
                    require_unchanged(path, path.stat())  # of what it points at
                except FileNotFoundError:
                    continue  # a link to nothing, or gone by now

    def write_private(self, name: str, content: bytes) -> Path:
        """Replace one of the home's files (discovery/private_files.py)."""
        target = self.path / name
        write_private(target, content)
        return target

    def running(self) -> Running | None:
        """The peer that serves from this home; None where there is none. Raises OpenToOthers.

        A file left by a crash does not count: its port may be another user's by now.
        """
        try:
            require_unchanged(self.path, self.path.stat())  # else the lock may be another's as well
            if not is_held(self.path / LOCK):
                return None
            return msgspec.json.decode(read_unchanged(self.path / "running.json"), type=Running)
        except (OSError, *UNREADABLE):
            return None

    def is_taken(self) -> bool:
        """Whether a peer serves from this home, begins to or is about to end."""
        try:
            return is_held(self.path / LOCK)
        except OSError:
            return False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other peer from serving from this home. Raises HomeError where one does."""
        with ExitStack() as stack:
            try:
                stack.enter_context(held(self.path / LOCK))
            except AlreadyHeld as error:
                other = self.running()
                who = f" (process {other.pid}, {other.url})" if other else ""
                raise HomeError(
                    f"a peer is already running from {self.path}{who}; stop it, or start this one with another --home"
                ) from error
            except OSError as error:
                raise HomeError(
                    f"cannot lock the home folder {self.path}: {error.strerror}; choose one on a local disk: --home DIR"
                ) from error
            self.retire()  # what a crash left behind
            yield

    @contextmanager
    def edited(self) -> Iterator[None]:
        """Keep other commands from changing this home between our reading and our writing. Raises HomeError."""
        try:
            with held(self.path / EDIT_LOCK, EDIT_WAIT_S):
                yield
        except AlreadyHeld as error:
            raise HomeError(f"another command changes {self.path} now: try again when it has ended") from error

    def announce(self, running: Running) -> None:
        """Tell this home's commands where their peer is."""
        self.write_private("running.json", msgspec.json.encode(running))

    def retire(self) -> None:
        """The peer stops: commands no longer find it."""
        (self.path / "running.json").unlink(missing_ok=True)
