"""Everything on the client side that is asked seldom: models, readiness, status, peers, and the owner's own calls."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import fastapi
import msgspec
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from discovery.admission import AdmissionError
from gateway.capacity.door import Door
from gateway.client.openapi import openapi_page
from gateway.client.views import (
    candidate_rows,
    engine_status,
    missing,
    model_entries,
    peer_rows,
    refused_rows,
    waiting_text,
)
from gateway.measuring.profiles import Profiles
from gateway.peering.network import Network
from gateway.routing.node import Node
from gateway.serving.dispatch import Dispatcher
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.route_log import RouteLog
from gateway.topics.reader import GateConfig
from gateway.wire.codec import UNREADABLE
from gateway.wire.errors import InvalidRequest, error_body

BODY_LIMIT_BYTES = 4 << 20
EXPLAIN_S = 30.0  # a person who asks for an explanation waits for the encoder to be loaded


@dataclass(frozen=True, slots=True)
class Parts:
    """What the pages read from, and the few things the owner may change."""

    node: Node
    network: Network
    door: Door
    profiles: Profiles
    dispatcher: Dispatcher
    telemetry: Telemetry
    route_log: RouteLog
    url: str
    token: str
    clock: Callable[[], float]  # monotonic seconds
    began: float
    cards_changed: Callable[[], None]
    gate: GateConfig


class _Who(msgspec.Struct):
    who: str


class _Route(msgspec.Struct):
    text: str
    model: str = "auto"
    max_tokens: Annotated[float, msgspec.Meta(ge=1)] | None = None


def seldom_app(parts: Parts) -> fastapi.FastAPI:
    """The FastAPI app behind the generating endpoints."""
    app = fastapi.FastAPI(title="PPAI", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(HTTPException)
    async def openai_error(request: fastapi.Request, error: HTTPException) -> Response:
        path, code = request.url.path, {404: "not_found", 405: "method_not_allowed"}.get(error.status_code)
        message = f"{request.method} {path}: {error.detail}; docs/architecture.md lists what is here"
        return _error(message, error.status_code, code, headers=error.headers)

    @app.exception_handler(InvalidRequest)
    async def invalid(request: fastapi.Request, error: InvalidRequest) -> Response:
        return _error(error.message, error.status, error.code, error.param)

    _add_model_pages(app, parts)
    _add_status_pages(app, parts)
    _add_owner_calls(app, parts)
    return app


def _add_model_pages(app: fastapi.FastAPI, parts: Parts) -> None:
    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": model_entries(parts.node)}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> Response:
        entry = next((entry for entry in model_entries(parts.node) if entry["id"] == name), None)
        if entry is None:
            message = f"The model `{name}` does not exist on this network; see GET /v1/models"
            return _error(message, 404, "model_not_found", "model")
        return JSONResponse(entry)


def _add_status_pages(app: fastapi.FastAPI, parts: Parts) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> Response:
        lacking = missing(parts.node, parts.door.engine)
        return JSONResponse({"ready": not lacking, "missing": lacking}, 503 if lacking else 200)

    @app.get("/openapi.json")
    async def openapi() -> dict[str, Any]:
        return openapi_page(version("ppai"))

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(parts.telemetry.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/ppai/v1/status")
    async def status() -> dict[str, Any]:
        network, waiting = parts.network, parts.network.waiting()
        return {
            "id": parts.node.me,
            "name": parts.node.name,
            "version": version("ppai"),
            "url": parts.url,
            "uptime_s": round(parts.clock() - parts.began, 1),
            "engine": engine_status(parts.door),
            "network": {
                "admission": network.admission.mode,
                "addresses": [str(address) for address in network.addresses()],
                "peers": sum(member.state in ("alive", "suspect") for member in network.gossip.members()),
                "waiting": waiting,
                "refused": refused_rows(network),
                "identity_in_use": network.gossip.identity_in_use,
            },
            "gate": _gate_status(parts),
            "say": [waiting_text(waiting)] if waiting else [],
            "missing": missing(parts.node, parts.door.engine),
        }

    @app.get("/ppai/v1/peers")
    async def peers() -> list[dict[str, Any]]:
        return peer_rows(parts.node, parts.network, parts.clock())

    @app.get("/ppai/v1/events")
    async def events() -> list[dict[str, object]]:
        return parts.route_log.tail

    @app.post("/ppai/v1/route")
    async def route(request: fastapi.Request) -> dict[str, Any]:
        asked = await _body(request, _Route)
        message = {"role": "user", "content": asked.text}
        body: dict[str, Any] = {"model": asked.model, "messages": [message]}
        if asked.max_tokens:
            body["max_tokens"] = asked.max_tokens
        headers = {name: value for name, value in request.headers.items() if name.startswith("x-ppai-")}
        _, _, decision = await parts.dispatcher.decide(
            "chat/completions", msgspec.json.encode(body), headers, judge_s=EXPLAIN_S
        )
        target = decision.target
        relevance = decision.query.relevance
        return {
            "target": target and {"peer": target.peer_name, "agent": target.agent, "model": target.model},
            "reason": decision.reason,
            "category": decision.query.category or None,
            "familiar": decision.query.is_familiar,
            "relevance": None if relevance is None else [round(float(value), 5) for value in relevance],
            "beta_per_s": decision.beta_per_s,
            "candidates": candidate_rows(decision),
            "waiting": parts.network.waiting(),
        }


def _add_owner_calls(app: fastapi.FastAPI, parts: Parts) -> None:
    """What only the home's owner may do: the token lies in running.json, readable by that user alone."""

    def check_owner(request: fastapi.Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), parts.token.encode()):
            raise InvalidRequest(
                "this call is the owner's: send the token of the peer's running.json as a bearer token",
                status=401,
                code="not_the_owner",
            )

    async def change_rights(request: fastapi.Request, change: Callable[[str], Any]) -> dict[str, Any]:
        check_owner(request)
        asked = await _body(request, _Who)
        try:
            peer = await change(asked.who)
        except AdmissionError as error:
            raise InvalidRequest(str(error), status=404, param="who", code="peer_not_found") from error
        parts.node.rights_changed()
        return {"peer": peer, "rights": sorted(parts.network.admission.rights(peer))}

    @app.post("/ppai/v1/approve")
    async def approve(request: fastapi.Request) -> dict[str, Any]:
        return await change_rights(request, parts.network.approve)

    @app.post("/ppai/v1/revoke")
    async def revoke(request: fastapi.Request) -> dict[str, Any]:
        return await change_rights(request, parts.network.revoke)

    @app.post("/ppai/v1/profile")
    async def profile(request: fastapi.Request) -> dict[str, Any]:
        check_owner(request)
        gate = parts.dispatcher.reader.gate
        parts.profiles.publish(await request.body(), gate.space, gate.K, parts.node.own_agents)
        parts.cards_changed()
        return {"published": True, "seq": parts.network.version}


def _gate_status(parts: Parts) -> dict[str, Any]:
    """Which gate, and who reads for it; `folder` is empty for the shipped one."""
    reader, gate = parts.dispatcher.reader, parts.gate
    return {
        "space": reader.gate.space,
        "prototypes": reader.gate.K,
        "folder": str(Path(gate.gate).expanduser().resolve()) if gate.gate else "",
        "encoder_model": gate.encoder_model,
        "encoders": reader.encoders,
        "problem": reader.problem,
        "lacking": reader.full_problem,
    }


async def _body(request: fastapi.Request, kind: Any) -> Any:
    body = await request.body()
    if len(body) > BODY_LIMIT_BYTES:
        raise InvalidRequest("the body is too large", status=413, code="body_too_large")
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise InvalidRequest(f"invalid request body: {error}") from error


def _error(
    message: str,
    status: int,
    code: str | None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    kind = "not_found_error" if status == 404 else "invalid_request_error"
    return Response(error_body(message, kind, param, code), status, headers, media_type="application/json")
