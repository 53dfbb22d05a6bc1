"""Answers on the processor with OpenVINO GenAI, from the Q8_0 GGUF export of an arm.

Continuous batching and a prefix cache: prompts that begin alike (system text, examples, the
same passages) are computed once. Prompts are rendered by our own `Chat`, so what is sent is
what training saw.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from graft.errors import GenerationFailed, MissingPrerequisite
from graft.models.chat import Chat
from graft.models.gguf_files import check_gguf
from graft.types import Answer, Delta, GenerateOptions, Message

__all__ = ["OpenVinoGenerator"]

CACHE_GIGABYTES = 1


class OpenVinoGenerator:
    """Wraps one loaded model; `identity` is the caller's name of the weights."""

    def __init__(self, model: Path, chat: Chat, identity: str, context_tokens: int) -> None:
        """Load the model (about five seconds for 135M parameters)."""
        try:
            import openvino_genai
        except ImportError as error:
            raise MissingPrerequisite(
                "the generator openvino needs the extra `local`",
                where=str(model),
                why=str(error),
                next_step="pip install -e '.[local]'   # in the folder of Graft's source",
            ) from error
        self._genai: Any = openvino_genai
        check_gguf(model)
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.enable_prefix_caching = True
        scheduler.cache_size = CACHE_GIGABYTES
        try:
            self._pipeline = openvino_genai.LLMPipeline(
                str(model), "CPU", scheduler_config=scheduler
            )
        except RuntimeError as error:
            raise GenerationFailed(
                "OpenVINO cannot load the model",
                where=str(model),
                why=str(error).splitlines()[-1],
                next_step="graft doctor",
            ) from error
        self._tokenizer = self._pipeline.get_tokenizer()
        self._chat = chat
        self.identity = f"openvino:{identity}"
        self.context_tokens = context_tokens
        self._lock = threading.Lock()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Count the tokens of the rendered prompt."""
        return self._chat.count(messages)

    def generate_many(
        self, prompts: Sequence[Sequence[Message]], options: GenerateOptions
    ) -> Sequence[Answer]:
        """Answer a batch; times are None since the batch shares them."""
        rendered = [self._chat.render(messages) for messages in prompts]
        try:
            with self._lock:
                result = self._pipeline.generate(rendered, self._config(options))
        except RuntimeError as error:
            raise GenerationFailed("OpenVINO failed on a batch", why=str(error)) from error
        answers = []
        for prompt, text, total in zip(rendered, result.texts, result.scores, strict=True):
            made = len(self._chat.encode(text))
            reason = "length" if made >= options.max_new_tokens else "stop"
            # the engine sums over all that it chose, the end of the turn included
            confidence = total / (made + (reason == "stop"))
            asked = len(self._chat.encode(prompt))
            answers.append(Answer(text.strip(), asked, made, None, None, reason, confidence))
        return answers

    def stream(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Delta]:
        """Yield pieces of text as they come; closing the iterator stops the engine."""
        pieces: queue.Queue[str | BaseException | None] = queue.Queue()
        cancelled = threading.Event()
        prompt = self._chat.render(messages)
        status = self._genai.StreamingStatus

        def on_piece(piece: str) -> Any:  # noqa: ANN401 - an enum of the engine
            pieces.put(piece)
            return status.CANCEL if cancelled.is_set() else status.RUNNING

        def work() -> None:
            try:
                with self._lock:
                    self._pipeline.generate(prompt, self._config(options), on_piece)
                pieces.put(None)
            except RuntimeError as error:
                pieces.put(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        text = ""
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise GenerationFailed("OpenVINO failed", why=str(piece)) from piece
                text += piece
                yield Delta(piece)
        finally:
            cancelled.set()
            thread.join()
        made = len(self._chat.encode(text))
        reason = "length" if made >= options.max_new_tokens else "stop"
        yield Delta("", reason, len(self._chat.encode(prompt)), made)

    def close(self) -> None:
        """Free the model's memory."""
        self._pipeline = None

    def _config(self, options: GenerateOptions) -> Any:  # noqa: ANN401 - the engine's own class
        config = self._genai.GenerationConfig()
        config.max_new_tokens = options.max_new_tokens
        config.apply_chat_template = False
        config.logprobs = 1  # without it every score is 0; a batch takes no longer with it
        config.do_sample = options.temperature > 0
        if config.do_sample:
            config.temperature = options.temperature
            config.rng_seed = options.seed
        config.stop_token_ids = set(self._chat.stop_ids)
        if self._chat.stop_ids:
            config.eos_token_id = self._chat.stop_ids[0]
        if options.stop:
            config.stop_strings = set(options.stop)
        return config
