"""The C library's memory: what it holds and nobody uses goes back to the system. Only glibc can be told so."""

import ctypes

_M_MMAP_THRESHOLD = -3  # of mallopt(3)
LARGE_BYTES = 128 << 10  # glibc's own value before it learns


def give_back() -> None:
    """Return what is free inside the heap. Loading a model leaves megabytes there, between what is kept.

    It takes milliseconds, for which other threads that want memory wait.
    """
    _call("malloc_trim", 0)


def return_large_blocks() -> None:
    """Have each block of LARGE_BYTES or more go back to the system when it is freed.

    Else glibc takes such blocks out of its heap once a few were freed. The buffers of TLS, 256 KiB a connection, come
    and go; what is kept comes to lie between them, and a third of the heap is free (docs/results/gateway.md#growth).
    """
    _call("mallopt", _M_MMAP_THRESHOLD, LARGE_BYTES)


def _call(name: str, *arguments: int) -> None:
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):  # another C library, or Windows, which opens no library without a name
        return
    function(*arguments)
