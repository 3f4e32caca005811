"""What an engine does now, and has done in all (P): as its peer said last, or of one of ours as its door counts."""

import msgspec


class Doing(msgspec.Struct):
    """Of another peer this is changed where it is heard.

    Of an engine of ours whoever has its door counts in it: it holds at any moment, and nobody asks before each choice.
    """

    jobs: int = 0  # running and waiting, whoever sent them
    slots: int = 1
    gen: int | None = None  # since which start `tokens` are counted; None: it has not said
    tokens: int = 0  # read and written
