"""GET /v1/models: what may be asked for, and who serves it."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from gateway.client.calls import Calls
from gateway.client.running import RunningPeer
from gateway.client.views import model_entries, model_entry
from gateway.wire.errors import InvalidRequest


def add_model_pages(calls: Calls, peer: RunningPeer) -> None:
    @calls.get("/v1/models")
    async def models(_: Request) -> dict[str, Any]:
        return {"object": "list", "data": model_entries(peer.node.roster, peer.node.untold)}

    @calls.get("/v1/models/{name:path}")
    async def model(request: Request) -> dict[str, Any]:
        name: str = request.path_params["name"]
        if not name.strip("/"):  # `/v1/models/`
            raise HTTPException(404)
        entry = model_entry(name, peer.node.roster, peer.node.untold)
        if entry is None:
            raise InvalidRequest(
                f"The model `{name}` does not exist on this network; see GET /v1/models",
                status=404,
                param="model",
                code="model_not_found",
            )
        return entry
