"""A chat completion: the request as it is read, the answer as it is written.

What is asked is the last user message: arms were measured on single questions, so earlier
turns are not shown to them. `max_tokens`, `temperature` and the like are accepted and change
nothing, since the arm answers with the settings that it was measured with.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import anyio
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from graft.errors import UsageError
from graft.prompts import reading_order
from graft.server.failures import body_of
from graft.types import Delta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graft.arms import ArmAnswer
    from graft.server.arms import Served
    from graft.types import Hit

__all__ = ["ChatRequest", "Reply", "answered", "asked", "streamed"]

LOG = logging.getLogger("graft.server")


class TextPart(BaseModel):
    """A part of a message; only text can be read."""

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """Return the text of all parts."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """What a stream carries besides the answer."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """What is read of a request; other fields of the API are accepted and ignored."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    n: int | None = Field(None, ge=1, le=1)


@dataclass(frozen=True, slots=True)
class Reply:
    """What all parts of one reply share."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def shaped(self, kind: str, **rest: object) -> dict[str, Any]:
        """Return one object of the reply."""
        head = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return head | rest


def asked(request: ChatRequest) -> str:
    """Return the question: the last user message.

    Raises:
        UsageError: there is none, or it is empty.
    """
    texts = [message.text for message in request.messages if message.role == "user"]
    if not texts or not texts[-1].strip():
        raise UsageError("messages: the last user message is missing or empty")
    return texts[-1]


async def answered(served: Served, question: str, reply: Reply) -> dict[str, Any]:
    """Return the whole reply to a question."""
    async with served.turns.take():
        answer = await run_in_threadpool(served.arm.answer, question)
    message = {"role": "assistant", "content": answer.text}
    choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason}
    return reply.shaped(
        "chat.completion",
        choices=[choice],
        usage=_usage(answer),
        citations=_citations(answer.hits),
    )


async def streamed(
    served: Served, question: str, reply: Reply, *, with_usage: bool
) -> AsyncIterator[str]:
    """Yield the reply as server-sent events; the last but `[DONE]` has citations and usage.

    A failure after the first event can no longer change the status, so it is an event too.
    """
    empty = {"usage": None} if with_usage else {}

    def event(delta: dict[str, str], finish_reason: str | None = None, **rest: object) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return _event(reply.shaped("chat.completion.chunk", choices=[choice], **rest, **empty))

    try:
        yield event({"role": "assistant", "content": ""})
        async with aclosing(_pieces(served, question)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Delta):
                    if piece.text:
                        yield event({"content": piece.text})
                    continue
                yield event({}, piece.finish_reason, citations=_citations(piece.hits))
                if with_usage:
                    usage = _usage(piece)
                    yield _event(reply.shaped("chat.completion.chunk", choices=[], usage=usage))
    except Exception as error:  # noqa: BLE001 - the border: it becomes the stream's last event
        LOG.error("a stream failed", exc_info=error)
        yield _event(body_of(error))
    yield "data: [DONE]\n\n"


async def _pieces(served: Served, question: str) -> AsyncGenerator[Delta | ArmAnswer, None]:
    """Yield what an arm streams, each step in a thread; the arm stops when the client leaves."""
    async with served.turns.take():
        pieces = served.arm.stream(question)
        try:
            while (piece := await run_in_threadpool(next, pieces, None)) is not None:
                yield piece
        finally:
            # Before the turn is given on, also where this task was cancelled.
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(_close, pieces)


def _close(pieces: Iterator[Delta | ArmAnswer]) -> None:
    close = getattr(pieces, "close", None)
    if close is not None:
        close()


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


def _usage(answer: ArmAnswer) -> dict[str, int]:
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
    }


def _citations(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return the passages that the answer was made from, in the order of their numbers."""
    return [
        {
            "doc_id": passage.doc_id,
            "page": passage.page,
            "heading": " > ".join(passage.heading_path),
            "text": passage.text,
        }
        for passage in reading_order([hit.passage for hit in hits])
    ]
