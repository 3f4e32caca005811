"""POST /ppai/v1/route and /ppai/v1/privacy: who would answer a query and why, and how far the owner's rules let it go.

Nothing is sent to a model.
"""

from typing import Annotated, Any

import msgspec
from starlette.requests import Request

from gateway.client.calls import Calls, read_json
from gateway.client.owner import owner_only
from gateway.client.running import RunningPeer
from gateway.client.views import candidate_rows, personal_fields, waiting_lines
from gateway.privacy.rules import Verdict, checked
from gateway.routing.choice import Candidate
from gateway.server.fields import read_fields
from gateway.serving.leaving import Came
from gateway.wire.request import read_request

EXPLAIN_S = 30.0  # a person who asks for an explanation waits for the encoder to be loaded


class _Question(msgspec.Struct):
    text: str
    model: str = "auto"
    max_tokens: Annotated[float, msgspec.Meta(ge=1)] | None = None
    headers: dict[str, str] = {}  # of the program that would ask, as far as rules look at them
    key: str = ""  # the name of its API key

    @property
    def body(self) -> bytes:
        """The request that would ask it."""
        said: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": self.text}]}
        if self.max_tokens:
            said["max_tokens"] = self.max_tokens
        return msgspec.json.encode(said)

    @property
    def sent(self) -> dict[str, str]:
        """Its headers."""
        return {name.lower(): value for name, value in self.headers.items()}


def add_explanation(calls: Calls, peer: RunningPeer) -> None:
    @calls.post("/ppai/v1/route")
    async def route(request: Request) -> dict[str, Any]:
        asked = await read_json(request, _Question)
        headers = {name: value for name, value in read_fields(request.scope["headers"]).items() if "ppai" in name}
        routed = await peer.dispatcher.decider.decide(
            "chat/completions", asked.body, {**asked.sent, **headers}, EXPLAIN_S, key=asked.key, everybody=True
        )
        query, choice, target = routed.query, routed.choice, routed.choice.target
        waiting = peer.network.waiting()
        return {
            "target": target and _target(target),
            "reason": choice.reason,
            "privacy": {
                "to": routed.verdict.reach,
                "rule": routed.verdict.rule or None,
                "told": routed.verdict.is_told,
            },
            "problem": None if target else peer.dispatcher.decider.why_nobody(routed).message,
            "category": query.category or None,
            "familiar": query.is_familiar,
            "forms": query.forms,
            "relevance": None if query.relevance is None else [round(float(value), 5) for value in query.relevance],
            "beta_per_s": choice.beta_per_s,
            "candidates": candidate_rows(choice),
            "waiting": list(waiting.values()),
            "say": waiting_lines(waiting),
        }

    @calls.post("/ppai/v1/privacy", owner_only(peer))
    async def privacy(request: Request) -> dict[str, Any]:
        """Owner: how far a text may go, and of every rule whether it holds. What a rule found is not said."""
        asked = await read_json(request, _Question)
        read = read_request("chat/completions", asked.body)
        verdict, rules = await peer.dispatcher.decider.leaving.explain(read, Came(asked.body, asked.sent, asked.key))
        return {
            **_verdict(verdict),
            "rules": [
                {"name": rule.name, "to": rule.to, "holds": holds, "when": checked(rule)} for rule, holds in rules
            ],
        }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    """How far the rules let a request go."""
    return {"to": verdict.reach, "rule": verdict.rule or None, "told": verdict.is_told}


def _target(target: Candidate) -> dict[str, Any]:
    """Who would answer."""
    who = {"peer": target.peer_name, "agent": target.agent, "model": target.model}
    return {**who, **personal_fields(target)}
