"""The HTTP API: `/health`, `/v1/models` and `/v1/chat/completions`.

A request is answered by the very arm object that was measured. This file has the routes and
nothing else: who may ask is in `limits.py`, what is said and how in `chat.py`, failures in
`failures.py`, the arms in `arms.py`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response, StreamingResponse

from graft import __version__
from graft.server.arms import ServedArms
from graft.server.chat import ChatRequest, Reply, answered, asked, streamed
from graft.server.failures import add_failure_handlers
from graft.server.limits import RequestLimits

if TYPE_CHECKING:
    from graft.workspace import Workspace

__all__ = ["build_app"]


def build_app(workspace: Workspace, *, arm: str = "", any_host: bool = False) -> FastAPI:
    """Return the app that serves a workspace's arms.

    `arm` stands behind the bare model id, else the recommended arm does. With `any_host` a
    request may name any host; without it only this machine, so that a web page elsewhere
    cannot reach the API through a name that it controls.
    """
    # The documentation pages load scripts from a hosted site; the schema itself stays.
    app = FastAPI(title="Graft", version=__version__, docs_url=None, redoc_url=None)
    arms = ServedArms(workspace, arm)
    started = int(time.time())
    app.state.arms = arms
    app.add_middleware(RequestLimits, any_host=any_host)
    add_failure_handlers(app)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Tell that the server is up."""
        return {"status": "ok"}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        """List every arm as a model; the bare id is the recommended one."""
        parent = workspace.config.base_model
        shape = {"object": "model", "created": started, "owned_by": "graft", "parent": parent}
        return {"object": "list", "data": [{"id": name, **shape} for name in arms.model_ids()]}

    @app.post("/v1/chat/completions")
    async def chat_completions(request: ChatRequest) -> Response:
        """Answer the last user message."""
        question = asked(request)
        served = await arms.serve(request.model)
        reply = Reply(request.model)
        if not request.stream:
            return JSONResponse(await answered(served, question, reply))
        with_usage = request.stream_options is not None and request.stream_options.include_usage
        return StreamingResponse(
            streamed(served, question, reply, with_usage=with_usage),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache"},
        )

    return app
