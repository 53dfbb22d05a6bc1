"""Who may ask and how much: host, origin, content type and size of every request.

A server on the loopback address is within reach of every web page that the user opens. So a
page of another origin is refused, a host name that is not this machine's is refused (it may
have been pointed here), and a body must be declared as JSON, which a plain form cannot do.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MAX_BODY_BYTES", "RequestLimits"]

MAX_BODY_BYTES = 1_000_000
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
TOO_LARGE = f"the body is larger than {MAX_BODY_BYTES:,} bytes"


class RequestLimits:
    """ASGI middleware that refuses before anything is read or parsed."""

    def __init__(self, app: ASGIApp, *, any_host: bool = False) -> None:
        """Wrap an app; with `any_host` the host is not checked."""
        self._app = app
        self._any_host = any_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on, its body counted as it comes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal is not None:
            status, message = refusal
            shape = {"type": "invalid_request_error", "param": None, "code": None}
            body = {"error": {"message": message, **shape}}
            await JSONResponse(body, status)(scope, receive, send)
            return
        await self._app(scope, _counted(receive), send)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if not self._any_host and _name(f"//{host}") not in LOOPBACK_NAMES:
            return 403, "this host name is not served"
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin, host):
            return 403, "requests from web pages of another origin are refused"
        if method == "POST":
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                return 415, "the content type must be application/json"
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            return 400, "the content length is not a number"
        return (413, TOO_LARGE) if int(length[:20]) > MAX_BODY_BYTES else None

    @staticmethod
    def _is_own(origin: str, host: str) -> bool:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _counted(receive: Receive) -> Receive:
    """Return a `receive` that ends a body which grows past the limit, declared or not."""
    size = 0

    async def receive_counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            raise HTTPException(413, TOO_LARGE)
        return message

    return receive_counted
