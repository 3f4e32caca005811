"""What lies in the folders of an agent: which files it reads, and what it may not say of those that it cannot see."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

PASSED_OVER = {"node_modules", "__pycache__"}  # and all whose name begins with a point
DEPTH = 32  # of folders in folders


class File(NamedTuple):
    """A file as it lies there."""

    size: int
    mtime: int  # ns


@dataclass(slots=True)
class Sight:
    """What was seen of a folder. `hidden`: parts of it that could not be seen, whose files may still be there."""

    device: int = 0
    files: dict[str, File] = field(default_factory=dict)  # by their path from the folder, with /
    hidden: list[str] = field(default_factory=list)  # such paths; "" is the folder itself
    problems: list[str] = field(default_factory=list)

    def may_have(self, path: str) -> bool:
        """Whether a file that was not seen may still be there."""
        return any(not part or path.startswith(f"{part}/") for part in self.hidden)


def look(folder: Path, patterns: Sequence[str]) -> Sight:
    """All files in the folder and those below it whose name is of a pattern. Links are not followed."""
    sight = Sight()
    try:
        sight.device = folder.stat().st_dev
        _walk(folder, "", patterns, sight, folder.resolve())
    except OSError as error:
        sight.hidden.append("")
        sight.problems.append(f"{folder}: it is not there ({error.strerror})")
    return sight


def _walk(folder: Path, below: str, patterns: Sequence[str], sight: Sight, root: Path, depth: int = 0) -> None:
    with os.scandir(folder / below) as entries:
        for entry in _shown(entries):
            path = f"{below}/{entry.name}" if below else entry.name
            try:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISLNK(status.st_mode):
                    if not _leads_inside(Path(entry.path), root):
                        sight.problems.append(
                            f"{entry.path}: this link leads out of the folder: write where it leads into "
                            "knowledge.folders, if the agent may read that"
                        )
                elif stat.S_ISDIR(status.st_mode):
                    if depth == DEPTH:
                        sight.problems.append(f"{entry.path}: over {DEPTH} folders deep: name it in knowledge.folders")
                    else:
                        _walk(folder, path, patterns, sight, root, depth + 1)
                elif stat.S_ISREG(status.st_mode) and any(fnmatchcase(entry.name.lower(), one) for one in patterns):
                    if not _is_text(entry.name):
                        sight.problems.append(f"{os.fsencode(entry.path)!r}: its name is no UTF-8: rename it")
                    else:
                        sight.files[path] = File(status.st_size, status.st_mtime_ns)
            except FileNotFoundError:
                continue  # gone since
            except OSError as error:
                sight.hidden.append(path)
                sight.problems.append(f"{entry.path}: it cannot be seen ({error.strerror}): let this user read it")


def _shown(entries: "Iterator[os.DirEntry[str]]") -> "Iterator[os.DirEntry[str]]":
    return (entry for entry in entries if not entry.name.startswith(".") and entry.name not in PASSED_OVER)


def _leads_inside(link: Path, root: Path) -> bool:
    """Whether a link leads to what is in the folder anyway, or to nothing."""
    try:
        return link.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return True


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
