"""What only Python's garbage collector frees: objects that refer to each other, and all that hangs on them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ROOMS = ("discovery.", "gateway.", "profiler.")


@contextmanager
def garbage() -> Iterator[list[str]]:
    """Into the list come, at the end, the names of the objects and frames of ours that nothing else freed.

    Without it they stay, with the request, the buffers of TLS and whatever else they hold, until some ten thousand
    objects more have been made.
    """
    found = list[str]()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += sorted({name for each in gc.garbage if (name := _name(each)).startswith(ROOMS)})
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _name(each: object) -> str:
    if isinstance(each, FrameType):
        return f"{each.f_globals.get('__name__', '')}.{each.f_code.co_qualname}"
    return f"{type(each).__module__}.{type(each).__qualname__}"
