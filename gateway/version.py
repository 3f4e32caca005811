"""Which PPAI this is."""

from functools import cache


@cache
def own_version() -> str:
    """The version of PPAI that runs. What reads it is loaded when it is asked first (.7 MiB)."""
    from importlib.metadata import version

    return version("ppai")
