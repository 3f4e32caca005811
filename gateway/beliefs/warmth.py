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
        return None if session is None else self._sessions.recall(session, now)

    def tokens(self, warm: Warm, prompt_tokens: int, context_tokens: float) -> float:
        """How many tokens of its next prompt are held there; `context_tokens` of a slot, 0: unknown."""
        if (belief := self._beliefs.get(warm.queue)) is None:
            return 0.0  # its peer is gone
        room = context_tokens * belief.slots or self._sessions.config.room_tokens
        return min(prompt_tokens, warm.left(belief.work_done, room)) * belief.kept_share

    def observe(self, reservation: Reservation, outcome: Outcome, now: float) -> None:
        """A turn has ended: who answered it holds the conversation; of one that failed nobody knows what is left."""
        queue, job = reservation.queue, reservation.job
        session, status = job.session, outcome.status
        if session is None or (belief := self._beliefs.get(queue)) is None:
            return
        if status == "ok" and outcome.tokens > 0:
            tokens = job.conversation_tokens + outcome.tokens
            self._sessions.remember(session, Warm(queue, job.agent, tokens, now, belief.work_done))
        elif status == "failed":
            self._sessions.forget(session)
