"""Which prefix caches are warm (P): who answered a conversation last, and how much of it that engine still holds.

An engine keeps what it has read and written until other work displaces it. Where a conversation is warm, its next turn
has less to read and costs less, which is why it stays there. Nothing pins it: where that engine has a queue, or was
restarted, another one costs less.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from discovery.records import PeerId
from gateway.beliefs.jobs import Doing


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """How long a conversation is believed to be warm."""

    limit: Annotated[int, msgspec.Meta(ge=0)] = 4096  # conversations remembered, the latest; some 300 bytes each
    keep_s: Annotated[float, msgspec.Meta(ge=0)] = 300.0  # Ollama unloads a model after five idle minutes
    # Tokens of other work that displace a conversation, where the engine does not say how many its slots hold.
    room_tokens: Annotated[float, msgspec.Meta(gt=0)] = 16_384.0


class Warm(msgspec.Struct, frozen=True):
    """One conversation at the agent that answered it last."""

    queue: PeerId  # the key of the belief about it: its peer, or one of the engines
    agent: str
    tokens: int  # of it, read and written there
    at: float  # when the answer ended, our clock
    gen: int | None  # of its peer, which had done so many tokens in all by then, as it said
    tokens_done: int

    def left(self, doing: Doing, room_tokens: float) -> float:
        """How many of `tokens` the engine still holds, once it has done what `doing` says.

        The cache holds `room_tokens`, and each token of other conversations since then displaces its share:
        tokens·(1 - others/room_tokens), not below 0. A restart (another `gen`) leaves 0. The peer reports its work
        late, so that this conversation's own last two turns may be in what it reports: they do not count as others.
        """
        if doing.gen is None or doing.gen != self.gen:
            return 0.0
        others = doing.tokens - self.tokens_done - 2 * self.tokens
        return self.tokens * max(0.0, 1.0 - others / room_tokens) if others > 0 else float(self.tokens)
