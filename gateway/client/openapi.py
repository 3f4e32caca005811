"""The OpenAPI page of the applications' side (P): what may be asked, and what every answer and error looks like.

What bodies may hold is written by the decoders that read them, so that page and peer cannot differ. Answers are their
engine's own, and are described no further than OpenAI's clients rely on.
"""

from typing import Any

import msgspec

from gateway.wire.bodies import BODIES, ENDPOINTS, FORM, FORMS, OTHERS
from gateway.wire.request import VIRTUAL_MODEL

RESPONSE_ID = "[.:-]*[A-Za-z0-9_][A-Za-z0-9_.:-]*"  # its whole pattern, of RESPONSE_ID_CHARS characters at most
RESPONSE_ID_CHARS = 256
_JSON, _EVENTS = "application/json", "text/event-stream"
_SCHEMAS = "#/components/schemas/"
_NULLABLE_TEXT = {"type": ["string", "null"]}
_OBJECT: dict[str, Any] = {"type": "object"}
_LIST_OF_OBJECTS = {"type": "array", "items": _OBJECT}


def openapi_page(version: str) -> dict[str, Any]:
    """The whole page; `version` is the peer's own."""
    bodies, components = _bodies()
    paths = {f"/v1/{endpoint}": {"post": _generating(endpoint, bodies[endpoint])} for endpoint in ENDPOINTS}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PPAI",
            "version": version,
            "description": "The OpenAI API of a peer, and what the peer says of itself. See docs/architecture.md.",
        },
        "paths": paths | _others() | _MODELS | _STORED | _STATUS | _OWNER,
        "components": {
            "schemas": components | _ANSWERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "an API key (`ppai key`), or the owner's",
                },
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _bodies() -> tuple[dict[str, Any], dict[str, Any]]:
    """(schema of each endpoint's body, the schemas that they refer to)."""
    written = msgspec.json.schema_components(BODIES.values(), ref_template=_SCHEMAS + "{name}")
    schemas, named = msgspec.json.decode(msgspec.json.encode(written).replace(b"/schemas/_", b"/schemas/"))
    components = {name.removeprefix("_"): schema for name, schema in named.items()}
    components["ChatBody"]["properties"]["messages"]["minItems"] = 1
    return dict(zip(BODIES, schemas, strict=True)), components


def _generating(endpoint: str, body: dict[str, Any]) -> dict[str, Any]:
    answers = {_JSON: {"schema": _ref(_ANSWER_OF.get(endpoint, "EngineAnswer"))}}
    if endpoint not in ("embeddings", "messages/count_tokens"):
        answers[_EVENTS] = {}
    errors = _ANTHROPIC_ERRORS if endpoint.startswith("messages") else _ERRORS
    said = "the answer; a stream of events where `stream` is true, which `[DONE]` or an `error` event ends"
    return {
        "operationId": endpoint.replace("/", "_"),
        "summary": _SUMMARIES[endpoint],
        "security": [{}, {"bearer": []}, {"x-api-key": []}],
        "parameters": [_header(name, said) for name, said in _REQUEST_HEADERS.items()],
        "requestBody": {"required": True, "content": {_JSON: {"schema": body}}},
        "responses": {"200": {"description": said, "headers": _ANSWER_HEADERS, "content": answers}, **errors},
    }


def _others() -> dict[str, Any]:
    """The endpoints beside chat, whose bodies and answers are their engine's own."""
    found: dict[str, Any] = {}
    for endpoint, path in OTHERS.items():
        kind, body = (FORM, _FORM) if endpoint in FORMS else (_JSON, _OBJECT)
        said = {"description": "the answer, as it comes", "headers": _ANSWER_HEADERS, "content": {"*/*": {}}}
        found[path] = {
            "post": {
                "operationId": endpoint.replace("/", "_"),
                "summary": f"{endpoint}, by an engine that has it",
                "security": [{}, {"bearer": []}, {"x-api-key": []}],
                "requestBody": {"required": True, "content": {kind: {"schema": body}}},
                "responses": {"200": said, **_ERRORS},
            }
        }
    return found


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _SCHEMAS + name}


def _header(name: str, said: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": said, "schema": {"type": "string"}}


def _response(description: str, schema: Any, content_type: str = _JSON) -> dict[str, Any]:
    return {"description": description, "content": {content_type: {"schema": schema}}}


def _get(summary: str, schema: Any, **more: Any) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": {"200": _response(summary, schema), **_ERRORS}, **more}}


def _post(summary: str, body: Any, answer: Any, security: list[Any] | None = None) -> dict[str, Any]:
    asked = {"required": True, "content": {_JSON: {"schema": body}}}
    responses = {"200": _response(summary, answer), **_ERRORS}
    return {"post": {"summary": summary, "security": security or [], "requestBody": asked, "responses": responses}}


def _fields(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": required | optional}


_ERRORS = {
    "4XX": _response("the request cannot be served; `code` says why", _ref("Error")),
    "5XX": _response("nobody could answer; `retry-after` says when to try again, where it is known", _ref("Error")),
}
_ANTHROPIC_ERRORS = {
    "4XX": _response("the request cannot be served", _ref("AnthropicError")),
    "5XX": _response("nobody could answer; 529: everybody is busy", _ref("AnthropicError")),
}
_SUMMARIES = {
    "chat/completions": "a chat completion, by whoever answers best",
    "completions": "a completion, by whoever answers best",
    "embeddings": "embeddings, by whoever makes them",
    "responses": "OpenAI's responses, by whose engine has them",
    "messages": "Anthropic's messages, by whose engine has them",
    "messages/count_tokens": "the tokens of Anthropic's messages, by whose engine counts them",
}
_REQUEST_HEADERS = {
    "x-ppai-route": "`auto`, `local`, or the name or id of the peer that is to answer",
    "x-ppai-continue": "`0`: a stream that breaks off ends with an error, and nobody else goes on with it",
    "x-ppai-as-peer": "anything but `0`: a personal agent of this peer answers as it answers other peers",
    "x-ppai-local-only": "anything but `0`: the request stays on this machine",
    "x-session-id": "which conversation this is",
    "x-request-id": "given back; made if absent",
}
_ANSWER_HEADERS = {
    name: {"description": said, "schema": {"type": "string"}}
    for name, said in {
        "x-ppai-peer": "who answered",
        "x-ppai-model": "with which model",
        "x-ppai-reason": "how it was chosen",
        "x-request-id": "as given, or ours",
    }.items()
}
_ANSWER_OF = {"chat/completions": "ChatAnswer", "completions": "ChatAnswer", "embeddings": "Embeddings"}

_ANSWERS: dict[str, Any] = {
    "Error": _fields(
        {
            "error": _fields(
                {"message": {"type": "string"}},
                type=_NULLABLE_TEXT,
                param={},
                code={"type": ["string", "integer", "null"]},
            )
        }
    ),
    "AnthropicError": _fields(
        {"type": {"const": "error"}, "error": _fields({"type": {"type": "string"}, "message": {"type": "string"}})},
        request_id={"type": "string"},
    ),
    "ChatAnswer": _fields(
        {"model": {"type": "string"}, "choices": _LIST_OF_OBJECTS}, usage={"type": ["object", "null"]}
    ),
    "Embeddings": _fields({"data": _LIST_OF_OBJECTS}),
    "EngineAnswer": _OBJECT,
    "Model": _fields(
        {
            "id": {"type": "string"},
            "object": {"const": "model"},
            "created": {"type": "integer"},
            "owned_by": {"const": "ppai"},
            "max_model_len": {"type": ["integer", "null"]},
            "context_length": {"type": ["integer", "null"]},
            "architecture": _fields({"input_modalities": {"type": "array", "items": {"type": "string"}}}),
            "metadata": _fields({"context_length": {"type": ["integer", "null"]}}),
            "ppai": _fields(
                {
                    "kind": {"enum": ["virtual", "model"]},
                    "names": {"type": "array", "items": {"type": "string"}},
                    "peers": {"type": "array", "items": {"type": "string"}},
                    "abilities": {"type": "array", "items": {"type": "string"}},
                    "untold": {"type": "array", "items": {"type": "string"}},
                }
            ),
        }
    ),
}

_FORM = {
    **_fields({"file": {"type": "string", "format": "binary"}}),
    "propertyNames": {"minLength": 1},
}
_OWNERS_KEY: list[Any] = [{"bearer": []}]
_MODEL_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_RESPONSE_ID = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": RESPONSE_ID_CHARS, "pattern": f"^{RESPONSE_ID}$"},
}
_ROUTE = _fields(
    {"text": {"type": "string"}},
    model={"type": "string", "default": VIRTUAL_MODEL},
    max_tokens={"type": ["number", "null"], "minimum": 1},
    headers={"type": "object", "additionalProperties": {"type": "string"}},
    key={"type": "string"},
)
_GRADE = {
    **_fields({"request": {"type": "string"}, "score": {"type": "number", "minimum": -1, "maximum": 1}}),
    "additionalProperties": False,
}
_COUNTED = _fields({"request": {"type": "string"}, "counted": {"type": "boolean"}})
_WHO = _fields({"who": {"type": "string"}}, mine={"type": ["boolean", "null"]}, relay={"type": ["boolean", "null"]})
_BOOLEAN = {"type": "boolean"}
_SHARING = _fields(
    {"do": {"enum": ["pause", "resume", "drain"]}},
    seconds={"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 366 * 86400},
)
_RIGHTS = {"type": "array", "items": {"enum": ["ask", "answer"]}, "minItems": 1}
_INVITE = _fields(
    {"expires_s": {"type": "number", "exclusiveMinimum": 0, "maximum": 30 * 86400}, "rights": _RIGHTS},
    **{"for": _NULLABLE_TEXT},
    pin=_BOOLEAN,
    mine=_BOOLEAN,
    secret=_BOOLEAN,
    qr=_BOOLEAN,
)
_UNINVITE = _fields({"who": _NULLABLE_TEXT})
_TEXT = {"type": "string"}
_JOIN = _fields(
    {"rights": _RIGHTS}, line=_TEXT, pin=_TEXT, at={"type": "array", "items": _TEXT}, mine=_BOOLEAN, secret=_BOOLEAN
)
_PROFILE = {
    **_fields(
        {
            "space": {"type": "string"},
            "agent": {"type": "string"},
            "capability": {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}},
            "evidence": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        },
        make={"type": "string"},
    ),
    "additionalProperties": False,
}
_TICKET = _fields({"ticket": {"type": "string"}})
_DOMAIN = _fields({"agent": {"type": "string"}})
_READY = _fields({"ready": {"type": "boolean"}, "missing": {"type": "array", "items": {"type": "string"}}})

_WATCH = {
    "get": {
        "summary": "what is there and what changes, for the page; the owner is told more than others",
        "responses": {"200": _response("one event a change", _TEXT, _EVENTS), **_ERRORS},
    }
}
_REQUEST_ID = {"name": "which", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}

_MODELS = {
    "/v1/models": _get(
        "`auto`, and every model that somebody serves",
        _fields({"object": {"const": "list"}, "data": {"type": "array", "items": _ref("Model")}}),
    ),
    "/v1/models/{name}": _get("one of them", _ref("Model"), parameters=[_MODEL_NAME]),
}
_STORED = {
    "/v1/responses/{name}": {
        **_get("an answer that an engine of this machine keeps", {"type": "object"}, parameters=[_RESPONSE_ID]),
        "delete": _get("it is forgotten", {"type": "object"}, parameters=[_RESPONSE_ID])["get"],
    },
    "/v1/responses/{name}/cancel": {
        "post": _get("one made in the background ends", {"type": "object"}, parameters=[_RESPONSE_ID])["get"]
    },
    "/v1/responses/{name}/input_items": _get("what it was asked", {"type": "object"}, parameters=[_RESPONSE_ID]),
}
_STATUS = {
    "/health": _get("the process lives", _fields({"status": {"const": "ok"}})),
    "/ready": {
        "get": {
            "summary": "somebody can answer",
            "responses": {
                "200": _response("somebody can answer", _READY),
                "503": _response("nobody can, and what is missing", _READY),
                **_ERRORS,
            },
        }
    },
    "/metrics": {
        "get": {
            "summary": "Prometheus text",
            "responses": {"200": _response("Prometheus text", {"type": "string"}, "text/plain"), **_ERRORS},
        }
    },
    "/openapi.json": _get("this page", _OBJECT),
    "/ppai/v1/status": _get("engine, network, gate", _OBJECT),
    "/ppai/v1/watch": _WATCH,
    "/page/enter": _post("a page shows the ticket of its link, and gets a token", _TICKET, _OBJECT),
    "/ppai/v1/peers": _get("every peer known", _LIST_OF_OBJECTS),
    "/ppai/v1/feedback": _post("how good an answer was, from -1 to 1, by its `x-request-id`", _GRADE, _COUNTED),
    "/ppai/v1/route": _post("who would answer, and why; nothing is sent to a model", _ROUTE, _OBJECT),
}
_OWNER = {
    "/ppai/v1/events": _get("the owner reads the last lines of the route log", _LIST_OF_OBJECTS, security=_OWNERS_KEY),
    "/ppai/v1/decisions/{which}": _get(
        "the owner sees what was decided about one of the last requests",
        _OBJECT,
        parameters=[_REQUEST_ID],
        security=_OWNERS_KEY,
    ),
    "/ppai/v1/page/ticket": _post("the owner makes a link to the page, for one use", {}, _OBJECT, _OWNERS_KEY),
    "/ppai/v1/doctor": _post("the owner has the checks of `ppai doctor` made", {}, _LIST_OF_OBJECTS, _OWNERS_KEY),
    "/ppai/v1/look": _post("the owner has other peers dial this one back now", {}, _LIST_OF_OBJECTS, _OWNERS_KEY),
    "/ppai/v1/tabs": _get(
        "the owner sees what each peer and this one gave each other", _LIST_OF_OBJECTS, security=_OWNERS_KEY
    ),
    "/ppai/v1/sharing": _post("the owner lets others have nothing, or something again", _SHARING, _OBJECT, _OWNERS_KEY),
    "/ppai/v1/stop": _post("the owner ends this peer; answers in progress get seconds", {}, _OBJECT, _OWNERS_KEY),
    "/ppai/v1/privacy": _post(
        "the owner sees how far a text may go, and which rules hold", _ROUTE, _OBJECT, _OWNERS_KEY
    ),
    "/ppai/v1/approve": _post("the owner grants a peer both rights", _WHO, _OBJECT, _OWNERS_KEY),
    "/ppai/v1/agents": _get(
        "the owner's personal agents, who may use them, what others see", _LIST_OF_OBJECTS, security=_OWNERS_KEY
    ),
    "/ppai/v1/agents/topics": _post("which questions would come to an agent of ours", _DOMAIN, _OBJECT, _OWNERS_KEY),
    "/ppai/v1/agents/look": _post("the owner has the agents' files read now", {}, _LIST_OF_OBJECTS, _OWNERS_KEY),
    "/ppai/v1/revoke": _post("the owner takes both rights from a peer", _WHO, _OBJECT, _OWNERS_KEY),
    "/ppai/v1/invites": _get("the owner's invitations, open and ended", _LIST_OF_OBJECTS, security=_OWNERS_KEY),
    "/ppai/v1/invite": _post("the owner makes an invitation: a line, or six digits", _INVITE, _OBJECT, _OWNERS_KEY),
    "/ppai/v1/uninvite": _post("the owner ends open invitations", _UNINVITE, _LIST_OF_OBJECTS, _OWNERS_KEY),
    "/ppai/v1/join": _post("the owner takes an invitation of another peer", _JOIN, _OBJECT, _OWNERS_KEY),
    "/ppai/v1/profile": _post("the owner publishes a capability vector", _PROFILE, _OBJECT, _OWNERS_KEY),
    "/ppai/v1/domain": _post("the owner publishes what his questions to an agent found", _DOMAIN, _OBJECT, _OWNERS_KEY),
}
