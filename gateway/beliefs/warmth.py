"""Who still holds how much of a conversation, by what we believe of it, and how outcomes tell (P).

How engines forget what they have read is told in sessions.py. Knows nothing of who may answer.
"""

from gateway.beliefs.belief import Outcome, Reservation
from gateway.beliefs.sessions import Sessions, Warm
from gateway.beliefs.table import Beliefs


class Warmth:
    """Where conversations are warm."""

    def __init__(self, beliefs: Beliefs) -> None:
        self._beliefs = beliefs
        self._sessions = Sessions(beliefs.config.sessions)

    def place(self, session: str | None, now: float) -> Warm | None:
        """Who answered this conversation last and may hold it still; None if nobody does."""
        warm = self._sessions.recall(session, now) if session is not None else None
        return warm if warm is not None and warm.queue in self._beliefs else None

    def tokens(self, warm: Warm, prompt_tokens: int, context_tokens: float) -> float:
        """How many tokens of its next prompt are held there; `context_tokens` of a slot, 0: unknown."""
        belief = self._beliefs[warm.queue]
        room = context_tokens * belief.slots or self._sessions.config.room_tokens
        return min(prompt_tokens, warm.left(belief.work_done, room)) * belief.kept_share

    def observe(self, reservation: Reservation, outcome: Outcome, now: float) -> None:
        """A turn has ended: who answered it holds the conversation; of one that failed nobody knows what is left."""
        queue, job = reservation.queue, reservation.job
        session, status = job.session, outcome.status
        if session is None or queue not in self._beliefs:
            return
        if status == "ok" and outcome.tokens > 0:
            tokens, work_done = job.conversation_tokens + outcome.tokens, self._beliefs[queue].work_done
            self._sessions.remember(session, Warm(queue, job.agent, tokens, now, work_done))
        elif status == "failed":
            self._sessions.forget(session)
