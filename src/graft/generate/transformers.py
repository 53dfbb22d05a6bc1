"""Answers with transformers on CUDA, Apple MPS or the processor, from a checkpoint folder.

An adapter is merged into the float32 weights before they are cast, so that every arm runs
the same way. Batches are padded on the left and sorted by length.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import GenerationFailed, MissingPrerequisite
from graft.models.chat import Chat
from graft.models.device import best_device, best_dtype
from graft.models.loading import load_adapter, load_model
from graft.types import Answer, Delta, GenerateOptions, Message

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["TransformersGenerator"]

BATCH = 16


class TransformersGenerator:
    """Wraps one loaded model; `merged` replaces weights of the checkpoint by name."""

    def __init__(
        self,
        checkpoint: Path,
        chat: Chat,
        identity: str,
        merged: Mapping[str, NDArray[np.float32]] | None = None,
        device: str = "",
        *,
        adapter: Path | None = None,
        exact: bool = False,
    ) -> None:
        """Load the checkpoint onto the best device there is.

        `adapter` stays unmerged beside the weights, as in training; `exact` computes in float32.
        """
        try:
            import torch
            import transformers  # noqa: F401 - loaded by `load_model`
        except ImportError as error:
            raise MissingPrerequisite(
                "the generator transformers needs the extra `local`",
                where=str(checkpoint),
                why=str(error),
                next_step="pip install -e '.[local]'   # in the folder of Graft's source",
            ) from error
        self._device = device or best_device()
        dtype = torch.float32 if exact else best_dtype(self._device)
        model = load_model(checkpoint, dtype=torch.float32)
        if merged:
            state = {name: torch.from_numpy(values) for name, values in merged.items()}
            unknown = model.load_state_dict(state, strict=False).unexpected_keys
            if unknown:
                raise GenerationFailed("the adapter does not fit", why=", ".join(unknown[:3]))
        if adapter is not None:
            model = load_adapter(model, adapter, checkpoint)
        self._model: Any = model.to(device=self._device, dtype=dtype).eval()
        self._chat = chat
        self.identity = (
            f"transformers:{self._device}:{str(dtype).removeprefix('torch.')}:{identity}"
        )
        self.context_tokens = int(getattr(model.config, "max_position_embeddings", 4096))

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Count the tokens of the rendered prompt."""
        return self._chat.count(messages)

    def generate_many(
        self, prompts: Sequence[Sequence[Message]], options: GenerateOptions
    ) -> Sequence[Answer]:
        """Answer prompts in batches of like length; times are None since batches share them."""
        rows = [self._chat.encode(self._chat.render(messages)) for messages in prompts]
        order = sorted(range(len(rows)), key=lambda item: len(rows[item]))
        answers: dict[int, Answer] = {}
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            chosen = _Confidence() if options.temperature == 0 else None
            made = self._generate([rows[item] for item in part], options, chosen=chosen)
            for place, (item, ids) in enumerate(zip(part, made, strict=True)):
                answers[item] = self._answer(len(rows[item]), ids, options)
                if chosen is not None:
                    count = answers[item].completion_tokens
                    count += answers[item].finish_reason == "stop"
                    mean = chosen.mean(place, count)
                    answers[item] = replace(answers[item], confidence=mean)
        return [answers[item] for item in range(len(rows))]

    def stream(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Delta]:
        """Yield pieces of text as they come; closing the iterator stops the model."""
        from transformers import StoppingCriteria, TextIteratorStreamer

        cancelled = threading.Event()

        class Cancel(StoppingCriteria):  # type: ignore[misc]
            def __call__(self, *_: object, **__: object) -> bool:
                return cancelled.is_set()

        row = self._chat.encode(self._chat.render(messages))
        streamer = TextIteratorStreamer(_Decoder(self._chat), skip_prompt=True, timeout=300)
        made: list[list[int]] = []
        failed: list[GenerationFailed] = []

        def work() -> None:
            try:
                made.extend(self._generate([row], options, streamer, [Cancel()]))
            except GenerationFailed as error:
                failed.append(error)
            finally:
                streamer.end()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            for piece in streamer:
                if piece:
                    yield Delta(piece)
        finally:
            cancelled.set()
            thread.join()
        if failed:
            raise failed[0]
        answer = self._answer(len(row), made[0], options)
        yield Delta("", answer.finish_reason, answer.prompt_tokens, answer.completion_tokens)

    @contextlib.contextmanager
    def without_adapter(self) -> Iterator[None]:
        """Answer as the plain base does; only where the adapter is not merged."""
        with self._model.disable_adapter():
            yield

    def close(self) -> None:
        """Free the model's memory."""
        self._model = None

    def _generate(
        self,
        rows: Sequence[Sequence[int]],
        options: GenerateOptions,
        streamer: Any = None,  # noqa: ANN401 - a class of transformers
        stopping: Sequence[Any] = (),
        chosen: _Confidence | None = None,
    ) -> list[list[int]]:
        import torch

        width = max(len(row) for row in rows)
        pad = self._chat.stop_ids[0] if self._chat.stop_ids else 0
        ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        if options.temperature > 0:
            torch.manual_seed(options.seed)
        sampling = {"temperature": options.temperature} if options.temperature > 0 else {}
        try:
            with torch.inference_mode():
                out = self._model.generate(
                    input_ids=ids.to(self._device),
                    attention_mask=mask.to(self._device),
                    max_new_tokens=options.max_new_tokens,
                    do_sample=options.temperature > 0,
                    eos_token_id=list(self._chat.stop_ids),
                    pad_token_id=pad,
                    streamer=streamer,
                    stopping_criteria=list(stopping) or None,
                    logits_processor=[chosen] if chosen is not None else None,
                    **sampling,
                )
        except (RuntimeError, ValueError, IndexError) as error:
            raise GenerationFailed(
                "transformers could not answer",
                where=self.identity,
                why=str(error) or type(error).__name__,
                next_step="graft doctor",
            ) from error
        made: list[list[int]] = out[:, width:].tolist()
        return made

    def _answer(self, prompt: int, ids: Sequence[int], options: GenerateOptions) -> Answer:
        kept: list[int] = []
        for item in ids:
            if item in self._chat.stop_ids:
                break
            kept.append(item)
        reason = "length" if len(kept) >= options.max_new_tokens else "stop"
        text = self._chat.decode(kept)
        for stop in options.stop:
            text = text.split(stop)[0]
        return Answer(text.strip(), prompt, len(kept), None, None, reason)


class _Decoder:
    """What `TextIteratorStreamer` needs of a tokenizer."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def decode(self, ids: Sequence[int], **_: object) -> str:
        return self._chat.decode([int(item) for item in ids])


class _Confidence:
    """Looks on at greedy decoding and keeps the log-probability of each token chosen.

    One number a token; keeping the scores themselves would take a vocabulary a token.
    """

    def __init__(self) -> None:
        self._steps: list[list[float]] = []

    def __call__(self, _ids: Any, scores: Any) -> Any:  # noqa: ANN401 - tensors
        wide = scores.float()
        self._steps.append((wide.amax(-1) - wide.logsumexp(-1)).tolist())
        return scores

    def mean(self, row: int, count: int) -> float | None:
        """Return the mean over the first `count` tokens of a row, None where there is none."""
        kept = [step[row] for step in self._steps[:count]]
        return sum(kept) / len(kept) if kept else None
