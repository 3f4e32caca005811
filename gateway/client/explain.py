"""POST /ppai/v1/route: who would answer a query, and why. Nothing is sent to a model."""

from typing import Annotated, Any

import fastapi
import msgspec

from gateway.client.bodies import read_json
from gateway.client.running import RunningPeer
from gateway.client.views import candidate_rows, personal_fields, waiting_lines
from gateway.routing.choice import Candidate
from gateway.server.edge import headers_of

EXPLAIN_S = 30.0  # a person who asks for an explanation waits for the encoder to be loaded


class _Question(msgspec.Struct):
    text: str
    model: str = "auto"
    max_tokens: Annotated[float, msgspec.Meta(ge=1)] | None = None


def add_explanation(app: fastapi.FastAPI, peer: RunningPeer) -> None:
    @app.post("/ppai/v1/route")
    async def route(request: fastapi.Request) -> dict[str, Any]:
        asked = await read_json(request, _Question)
        message = {"role": "user", "content": asked.text}
        body: dict[str, Any] = {"model": asked.model, "messages": [message]}
        if asked.max_tokens:
            body["max_tokens"] = asked.max_tokens
        headers = {name: value for name, value in headers_of(request.scope).items() if "ppai" in name}
        routed = await peer.dispatcher.decide(
            "chat/completions", msgspec.json.encode(body), headers, judge_s=EXPLAIN_S, everybody=True
        )
        query, choice, target = routed.query, routed.choice, routed.choice.target
        waiting = peer.network.waiting()
        return {
            "target": target and _target(target),
            "reason": choice.reason,
            "problem": None if target else peer.dispatcher.why_nobody(routed).message,
            "category": query.category or None,
            "familiar": query.is_familiar,
            "forms": query.forms,
            "relevance": None if query.relevance is None else [round(float(value), 5) for value in query.relevance],
            "beta_per_s": choice.beta_per_s,
            "candidates": candidate_rows(choice),
            "waiting": list(waiting.values()),
            "say": waiting_lines(waiting),
        }


def _target(target: Candidate) -> dict[str, Any]:
    """Who would answer."""
    who = {"peer": target.peer_name, "agent": target.agent, "model": target.model}
    return {**who, **personal_fields(target)}
