"""What is kept of a bug that ended a command: a report in the home that its owner can send on as it is.

It says where in the code it happened, never with which values: an error's own message may quote a prompt, an answer, a
key or a path, so of each error only the kind is kept.
"""

import os
import platform
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

FOLDER = "reports"
KEPT = 10  # reports; older ones are removed, so that a peer that a bug restarts every minute fills no disk


def home_meant(arguments: Sequence[str]) -> Path:
    """The home that a command line names: `--home`, else `$PPAI_HOME`, else `~/.ppai`.

    A bug may come before the arguments were read, so they are looked through here once more. Raises RuntimeError where
    the home is the user's and the user has none.
    """
    named = os.environ.get("PPAI_HOME") or "~/.ppai"
    for word, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if word == "--home" and following:
            named = following
        elif word.startswith("--home="):
            named = word.removeprefix("--home=")
    return Path(named).expanduser()


def lines_about(error: BaseException, program: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """What the user is told of a bug: where its report is; the report itself where it could not be kept."""
    kind = type(error).__qualname__
    try:
        kept = keep(error, program, home_meant(arguments))
    except (OSError, RuntimeError):
        return f"error: a bug in PPAI ({kind}); please report it with these lines:", report(error, program)
    return (f"error: a bug in PPAI ({kind}); please report it with {kept}: it holds no text or key of yours",)


def keep(error: BaseException, program: str, home: Path) -> Path:
    """Write the report of this error into the home, readable by its owner alone, and return its path. Raises OSError.

    The oldest reports beyond KEPT are removed.
    """
    folder = home / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09d}-{program}.txt"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(report(error, program))
    for old in sorted(folder.glob("*.txt"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def report(error: BaseException, program: str) -> str:
    """Which program, on what, and the places in the code; no message, no argument, no value."""
    head = f"{program} {installed()}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return "\n".join([head, "", *_places(error)]) + "\n"


def installed() -> str:
    """The version of PPAI that runs, `unknown` where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ppai")
    except PackageNotFoundError:
        return "unknown"


def _places(error: BaseException) -> Iterator[str]:
    """Each error of the chain, the first cause first, with the lines of code that it passed."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _places(cause)
        yield "\nwhich led to:"
    for line in traceback.format_tb(error.__traceback__):
        yield line.rstrip("\n").replace(sys.prefix, "...").replace(str(Path(__file__).parent.parent), "...")
    yield f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, BaseExceptionGroup):
        for number, each in enumerate(error.exceptions, 1):
            yield f"\n{number} of {len(error.exceptions)} in it:"
            yield from _places(each)
