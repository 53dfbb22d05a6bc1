"""Answers from any OpenAI-compatible server (vLLM, Ollama, llama.cpp, hosted).

The key is read from the environment by the caller and never logged. Tokens are the
server's own count where it reports one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

from graft.addresses import is_loopback, public_url
from graft.errors import GenerationFailed, MissingPrerequisite
from graft.types import Answer, Delta, GenerateOptions, Message

__all__ = ["OpenAIGenerator"]

# What reading an answer raises that is not of the form that the API promises.
_NOT_AN_ANSWER = (ValueError, KeyError, IndexError, TypeError, AttributeError)
WORDS_OF_SERVER = 300  # characters of its error that are shown
CHARACTERS_PER_TOKEN = 4.0  # only to keep prompts inside the window; never reported


class OpenAIGenerator:
    """Talks to `POST {base_url}/chat/completions`."""

    def __init__(
        self,
        base_url: str,
        model: str,
        key: str = "",
        *,
        timeout_seconds: float = 60.0,
        context_tokens: int = 8192,
        transport: Any = None,  # noqa: ANN401 - httpx.BaseTransport, kept out of the import
    ) -> None:
        """Open a connection pool; nothing is sent yet."""
        import httpx

        if not base_url or not model:
            raise MissingPrerequisite(
                "the generator openai needs a server and a model",
                where="graft.toml [openai]",
                why="base_url or model is empty",
                next_step="set base_url (with /v1) and model under [openai]",
            )
        headers = {"Authorization": f"Bearer {key.strip()}"} if key.strip() else {}
        self._client = httpx.Client(
            base_url=base_url.rstrip("/"),
            headers=headers,
            timeout=timeout_seconds,
            transport=transport,
            # a proxy of the environment must not see what is meant for this machine
            trust_env=not is_loopback(base_url),
        )
        self._model = model
        self.identity = f"openai:{public_url(base_url)}:{model}"
        self.context_tokens = context_tokens
        self._wishes: dict[str, Any] = {"logprobs": True}

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Estimate: the server's tokenizer is not ours."""
        letters = sum(len(item.content) for item in messages)
        return int(letters / CHARACTERS_PER_TOKEN) + 4 * len(messages)

    def stream(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Delta]:
        """Yield pieces as server-sent events bring them."""
        import httpx

        body = self._body(messages, options) | {
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        reason = "stop"
        used: dict[str, Any] = {}
        try:
            with self._client.stream("POST", "/chat/completions", json=body) as response:
                if response.status_code >= 400:
                    response.read()
                    raise self._failed(_refusal(response))
                for line in response.iter_lines():
                    data = line.removeprefix("data:").strip()
                    if not line.startswith("data:") or data == "[DONE]":
                        continue
                    chunk = json.loads(data)
                    if chunk.get("error"):
                        raise self._failed(json.dumps(chunk["error"]))
                    used = chunk.get("usage") or used
                    for choice in chunk.get("choices") or []:
                        reason = choice.get("finish_reason") or reason
                        if piece := (choice.get("delta") or {}).get("content"):
                            yield Delta(piece)
        except (httpx.HTTPError, *_NOT_AN_ANSWER) as error:
            raise self._failed(f"{type(error).__name__}: {error}") from error
        yield Delta("", reason, _count(used, "prompt_tokens"), _count(used, "completion_tokens"))

    def generate_many(
        self, prompts: Sequence[Sequence[Message]], options: GenerateOptions
    ) -> Sequence[Answer]:
        """Answer prompts one after the other."""
        return [self._one(messages, options) for messages in prompts]

    def close(self) -> None:
        """Close the connection pool."""
        self._client.close()

    def _one(self, messages: Sequence[Message], options: GenerateOptions) -> Answer:
        import httpx

        started = time.monotonic()
        body = self._body(messages, options)
        try:
            response = self._client.post("/chat/completions", json=body | self._wishes)
            if response.status_code == 400 and self._wishes and "logprob" in response.text:
                self._wishes = {}  # some models refuse to give them
                response = self._client.post("/chat/completions", json=body)
            if response.status_code >= 400:
                raise self._failed(_refusal(response))
            data = response.json()
            choice = data["choices"][0]
            text = choice["message"]["content"] or ""
            used = data.get("usage") or {}
        except (httpx.HTTPError, *_NOT_AN_ANSWER) as error:
            raise self._failed(f"{type(error).__name__}: {error}") from error
        return Answer(
            text.strip(),
            _count(used, "prompt_tokens"),
            _count(used, "completion_tokens"),
            None,
            time.monotonic() - started,
            choice.get("finish_reason") or "stop",
            _confidence(choice),
        )

    def _body(self, messages: Sequence[Message], options: GenerateOptions) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": item.role, "content": item.content} for item in messages],
            "max_tokens": options.max_new_tokens,
            "temperature": options.temperature,
            "seed": options.seed,
        }
        if options.stop:
            body["stop"] = list(options.stop)
        return body

    def _failed(self, why: str) -> GenerationFailed:
        """Return the error; a key that the server repeated is taken out of its words."""
        key = self._client.headers.get("authorization", "").removeprefix("Bearer ")
        return GenerationFailed(
            "the server did not answer",
            where=public_url(str(self._client.base_url)),
            why=(why.replace(key, "***") if key else why)[:WORDS_OF_SERVER],
            next_step="check base_url under [openai] in graft.toml (it ends in /v1)",
        )


def _refusal(response: Any) -> str:  # noqa: ANN401 - httpx.Response, kept out of the import
    return f"status {response.status_code}: {response.text}"


def _count(used: dict[str, Any], name: str) -> int:
    return int(used.get(name) or 0)


def _confidence(choice: dict[str, Any]) -> float | None:
    """Return the mean log-probability of an answer's tokens, None where the server gives none."""
    try:
        values = [float(item["logprob"]) for item in choice["logprobs"]["content"]]
    except _NOT_AN_ANSWER:
        return None
    mean = sum(values) / len(values) if values else None
    return mean if mean is not None and math.isfinite(mean) else None
