"""The options that the commands of this package have alike."""

import argparse
from pathlib import Path


def parser_of(command: str, about: str | None, *, rounds: int | None, compares: bool = True) -> argparse.ArgumentParser:
    """For `python -m COMMAND`, which says `about` as its help.

    `rounds` are measured unless others are asked for; None: it knows no rounds.
    `compares`: further checkouts of PPAI may be measured in turns with this one (targets.py: checkouts_of).
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {command}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if compares:
        parser.add_argument(
            "--against", type=Path, action="append", default=[], metavar="DIR",
            help="also another checkout of PPAI, an older one say; rows `...@DIR`; may be repeated",
        )  # fmt: skip
    if rounds is not None:
        parser.add_argument("--rounds", type=int, default=rounds, help=f"({rounds})")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser
