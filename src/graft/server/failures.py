"""Failures as OpenAI clients expect them: `{"error": {message, type, param, code}}`.

This is the server's border: what Graft foresaw is told to the client, what it did not is
logged and told without details.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from graft.errors import BadInput, GraftError, MissingPrerequisite, UsageError

__all__ = ["Overloaded", "UnknownModel", "add_failure_handlers", "body_of"]

LOG = logging.getLogger("graft.server")


class UnknownModel(UsageError):
    """A request names a model that is not served."""

    def __init__(self, model: str, known: Sequence[str]) -> None:
        super().__init__(f"no model {model[:200]!r} is served", why=f"served: {', '.join(known)}")


class Overloaded(GraftError):
    """Too many requests wait for their turn."""

    def __init__(self, waiting: int) -> None:
        super().__init__("the server is busy, try again later", why=f"{waiting} requests wait")


def body_of(error: Exception) -> dict[str, Any]:
    """Return the body that tells a client of an exception."""
    if not isinstance(error, GraftError):
        return _body("the server failed in a way that it did not foresee", "server_error")
    message = f"{error.what}: {error.why}" if error.why else error.what
    if isinstance(error, UnknownModel):
        return _body(message, "invalid_request_error", "model", "model_not_found")
    kind = "invalid_request_error" if _status(error) < 500 else "server_error"
    return _body(message, kind, code="overloaded" if isinstance(error, Overloaded) else None)


def add_failure_handlers(app: FastAPI) -> None:
    """Make an app answer every failure in that form."""
    app.add_exception_handler(GraftError, _foreseen)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _unforeseen)


async def _foreseen(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, GraftError)
    return JSONResponse(body_of(error), _status(error))


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Name the first field that is wrong; the others follow once it is mended."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part != "body"]
    param = ".".join(place) or None
    broken = first["type"] == "json_invalid"
    message = "the body is not valid JSON" if broken else f"{param or 'body'}: {first['msg']}"
    return JSONResponse(_body(message, "invalid_request_error", None if broken else param), 400)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    body = _body(str(error.detail), "invalid_request_error")
    return JSONResponse(body, error.status_code, headers=error.headers)


async def _unforeseen(_: Request, error: Exception) -> JSONResponse:
    LOG.error("a request failed", exc_info=error)
    return JSONResponse(body_of(error), 500)


def _status(error: GraftError) -> int:
    if isinstance(error, UnknownModel):
        return 404
    if isinstance(error, BadInput | UsageError):
        return 400
    return 503 if isinstance(error, Overloaded | MissingPrerequisite) else 500


def _body(
    message: str, kind: str, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
