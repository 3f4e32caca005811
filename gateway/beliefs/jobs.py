"""Jobs at a peer (P): how many it has, what we expect of one of ours, and how that went."""

from typing import Literal

import msgspec

from discovery.records import PeerId


class Doing(msgspec.Struct):
    """What an engine does now, and has done in all. Of another peer this is changed where it is heard.

    Of an engine of ours whoever has its door counts in it: it holds at any moment, and nobody asks before each choice.
    """

    jobs: int = 0  # running and waiting, whoever sent them
    slots: int = 1
    gen: int | None = None  # since which start `tokens` are counted; None: it has not said
    tokens: int = 0  # read and written


class Outcome(msgspec.Struct, frozen=True):
    """How one request at a peer went. `refused` before any event; `failed` at any time; `cancelled` by our own client.

    `ttft_s` (None: no event came) and `latency_s` count from dispatch to the first and to the last event. `tokens` were
    written; an answer without any, such as an error of the client's, teaches nothing. Where `streamed` is false it came
    in one piece, and `ttft_s` is no measure of waiting.
    """

    peer_id: PeerId
    status: Literal["ok", "refused", "failed", "cancelled"]
    ttft_s: float | None
    latency_s: float
    tokens: int
    streamed: bool = True


class Expectation(msgspec.Struct, frozen=True):
    """What we expect of one job at a peer, whenever it is sent."""

    category: str
    prompt_tokens: int  # those to be read: without what a warm prefix cache holds
    streams: float  # jobs decoded together, this one included
    ahead_s: float  # the wait before the factor h
    turn_s: float  # E[S]/c
    transit_s: float
    session: str | None  # which conversation, how long it is, and with which agent; for prefix caches
    conversation_tokens: int
    agent: str

    @property
    def is_at_once(self) -> bool:
        """Whether hardly any wait was expected: a tenth of a turn, since no slot is ever believed free for certain."""
        return self.ahead_s <= 0.1 * self.turn_s

    @property
    def warm_tokens(self) -> int:
        """Prompt tokens that need not be read, as we believe."""
        return max(0, self.conversation_tokens - self.prompt_tokens)


class Reservation(msgspec.Struct, frozen=True, eq=False):
    """A slot we count as taken from dispatch until the outcome, and what we expected of it. Compared by identity."""

    queue: PeerId  # the key of the belief: the peer, or one of its engines (table.queue_of)
    arrives_at: float  # when the request reaches the peer, our clock
    job: Expectation
