"""GET /v1/models: what may be asked for, and who serves it."""

from typing import Any

import fastapi
from fastapi.responses import JSONResponse, Response

from gateway.client.running import RunningPeer
from gateway.client.views import model_entries, model_entry
from gateway.wire.errors import InvalidRequest


def add_model_pages(app: fastapi.FastAPI, peer: RunningPeer) -> None:
    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": model_entries(peer.node.roster, peer.node.untold)}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> Response:
        if not name.strip("/"):  # `/v1/models/`
            raise fastapi.HTTPException(404)
        entry = model_entry(name, peer.node.roster, peer.node.untold)
        if entry is None:
            raise InvalidRequest(
                f"The model `{name}` does not exist on this network; see GET /v1/models",
                status=404,
                param="model",
                code="model_not_found",
            )
        return JSONResponse(entry)
