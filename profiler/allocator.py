"""The C library's memory: what it holds and nobody uses goes back to the system."""

import ctypes


def give_back() -> None:
    """Return what is free inside the heap. Loading a model leaves megabytes there, between what is kept.

    It takes milliseconds, for which other threads that want memory wait. Only glibc can; elsewhere nothing is done.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # another C library, or Windows, which opens no library without a name
        return
    trim(0)
