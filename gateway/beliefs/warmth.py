"""Who still holds how much of a conversation, by what we believe of it, and how outcomes tell (P).

How engines forget what they have read is told in sessions.py. Knows nothing of who may answer.
"""

from collections.abc import Mapping, Sequence

from discovery.records import PeerId
from gateway.beliefs.jobs import Outcome, Reservation
from gateway.beliefs.sessions import Warm
from gateway.beliefs.table import Beliefs


class Warmth:
    """Where conversations are warm."""

    def __init__(self, beliefs: Beliefs) -> None:
        self._beliefs, self._config = beliefs, beliefs.config.sessions
        self._warm: dict[str, Warm] = {}  # by conversation, the oldest first

    def held(
        self,
        session: str | None,
        prompt_tokens: int,
        places: Mapping[tuple[PeerId, str], int],
        contexts: Sequence[float],
        now: float,
    ) -> tuple[int | None, float]:
        """The row that holds this conversation, and how many tokens of its next prompt; None, 0: no row does.

        `places`: the row of each agent at a queue. `contexts`: tokens of a slot there, (N,); 0: unknown.
        """
        warm = None if session is None else self._warm.get(session)
        if warm is None or now - warm.at > self._config.keep_s:
            return None, 0.0
        row, belief = places.get((warm.queue, warm.agent)), self._beliefs.get(warm.queue)
        if row is None or belief is None:  # nobody serves it there now, or its peer is gone
            return None, 0.0
        room = contexts[row] * belief.doing.slots or self._config.room_tokens
        return row, min(prompt_tokens, warm.left(belief.doing, room)) * belief.kept_share

    def observe(self, reservation: Reservation, outcome: Outcome, now: float) -> None:
        """A turn has ended: who answered it holds the conversation; of one that failed nobody knows what is left.

        The latest `limit` conversations are remembered.
        """
        queue, job, status = reservation.queue, reservation.job, outcome.status
        session, known = job.session, self._warm
        if session is None or (belief := self._beliefs.get(queue)) is None:
            return
        if status == "ok" and outcome.tokens > 0:
            known.pop(session, None)
            tokens, doing = job.conversation_tokens + outcome.tokens, belief.doing
            known[session] = Warm(queue, job.agent, tokens, now, doing.gen, doing.tokens)
            if len(known) > self._config.limit:
                del known[next(iter(known))]
        elif status == "failed":
            known.pop(session, None)
