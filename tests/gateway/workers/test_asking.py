"""What a stream's client was sent, kept by a worker until its owner has to be told; test_carrying.py has the rest."""

import os

from gateway.workers.asking import HEARD_BYTES, Keeping
from gateway.workers.frames import Frame, Heard


def test_what_was_kept_is_told_whole() -> None:
    kept, sent, said = Keeping(), list[bytes](), list[Frame]()
    for _ in range(40):
        sent.append(b"data: " + os.urandom(HEARD_BYTES // 16).hex().encode() + b"\n\n")
        kept.add(sent[-1])

    kept.tell(7, said.append)

    assert {7} == {frame.number for frame in said}
    assert b"".join(sent) == b"".join(frame.events for frame in said if isinstance(frame, Heard))
