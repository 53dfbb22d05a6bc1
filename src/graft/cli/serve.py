"""`graft serve`: an OpenAI-compatible server for the arms, on this machine only by default."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from graft.cli.session import Session
from graft.errors import BadInput, UsageError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from graft.workspace import Workspace

__all__ = ["EXAMPLES", "run_server", "serve"]

EXAMPLES = ("graft serve", "graft serve --arm rag --port 9000")


def serve(
    session: Session,
    arm: Annotated[
        str, typer.Option("--arm", metavar="NAME", help="The arm; else the recommended one.")
    ] = "",
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 8321,
    unsafe_host: Annotated[
        bool,
        typer.Option("--unsafe-host", help="Allow a host that others can reach; no password."),
    ] = False,
) -> None:
    """Serve an arm over an OpenAI-compatible API.

    It is the same arm that was measured; every other one is served by its name.
    """
    from graft.server.app import build_app

    loopback = _is_loopback(host)
    if not loopback and not unsafe_host:
        raise UsageError(
            "this host can be reached from other machines",
            where=f"--host {host}",
            why="the server has no password, so anyone there could read your documents",
            next_step="graft serve   or, behind a proxy that checks who asks, with --unsafe-host",
        )
    workspace = session.open()
    chosen = arm or _recommended(session, workspace)
    app = build_app(workspace, arm=chosen, any_host=not loopback)
    session.note(f"loading {chosen}")
    app.state.arms.load(chosen)
    with _listen(host, port) as listener:
        _announce(session, app, listener, host)
        try:
            run_server(app, listener)
        except KeyboardInterrupt:
            session.note("stopped")


def run_server(app: FastAPI, listener: socket.socket) -> None:
    """Serve until interrupted."""
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listener])


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _recommended(session: Session, workspace: Workspace) -> str:
    """Return the recommended arm and say where the verdict was not clear.

    Raises:
        BadInput: no arm is recommended, or nothing has been compared.
    """
    verdict = workspace.report().comparison.get("verdict") or {}
    recommended = workspace.recommended()
    sentence = str(verdict.get("sentence") or "the verdict names no arm")
    if not recommended:
        tied = verdict.get("tie_set") or ["NAME"]
        raise BadInput(
            "no arm is recommended, so you must choose one",
            where=str(workspace.root),
            why=sentence,
            next_step=f"graft serve --arm {tied[0]}",
        )
    if not verdict.get("clear"):
        session.complain(f"warning: no clear winner; serving {recommended}. {sentence}")
    return recommended


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            "the server cannot listen there",
            where=f"{host}:{port}",
            why=error.strerror or str(error),
            next_step="graft serve --port 0   takes a free port",
        ) from error
    return listener


def _announce(session: Session, app: FastAPI, listener: socket.socket, host: str) -> None:
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listener.getsockname()[1]}/v1"
    models = app.state.arms.model_ids()
    session.document({"base_url": url, "models": models})
    session.show(url)
    session.note(f"models: {', '.join(models)}")
    session.note(f"try: OPENAI_BASE_URL={url} OPENAI_API_KEY=none   Ctrl-C stops the server")
