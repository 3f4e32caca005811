"""The table of public results that comes with PPAI, read from its file: published.tsv in this folder.

Each row names the pages where its figures were read; `python -m benchmarks.priors` made it of a collection.
"""

from functools import lru_cache
from pathlib import Path

from gateway.models.curves import read_rows
from gateway.models.priors import Priors

PUBLISHED = Path(__file__).with_name("published.tsv")


def published_text() -> str:
    """The table as text. Raises OSError."""
    return PUBLISHED.read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def shipped_priors() -> Priors:
    """What is expected of models with the shipped table. Raises OSError."""
    return Priors(read_rows(published_text()))
