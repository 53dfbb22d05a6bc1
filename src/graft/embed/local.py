"""Sentence embeddings on the processor, from a sentence-transformers folder.

Texts are put side by side by their number of tokens, not of characters: tables and code have
twice the tokens of prose of the same length, and a batch is as dear as its longest row. On
512 passages of technical documentation that took away a third of all computed tokens.
Knows nothing of indexes or documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from graft.embed.encoders import can_run, load_encoder
from graft.errors import BadInput, MissingPrerequisite
from graft.models.cache import hash_file
from graft.spaces import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Encoding

    from graft.embed.encoders import Encoder

__all__ = ["LocalEmbedder", "batches"]

MAX_TOKENS = 256  # what all-MiniLM-L6-v2 was trained on; longer passages are cut
SLOTS = 2_048  # tokens of a batch, padding included
WINDOW = 1_024  # texts put in order together; bounds the memory


class LocalEmbedder:
    """Mean-pooled, unit-length embeddings of a BERT-like encoder.

    `prefixes` are put before passages and queries (some models were trained with them).
    `precision` is the fastest that is true to the weights on this processor unless it is given.
    `like` is the space of vectors that there are: its precision is used if it differs in nothing
    else and this machine can run it, so that an index serves on machines of another kind.
    """

    def __init__(
        self,
        folder: Path,
        *,
        query_prefix: str = "",
        passage_prefix: str = "",
        precision: Literal["bf16", "f32", "int8"] | None = None,
        like: Space | None = None,
        name: str = "",
    ) -> None:
        """Convert the encoder on first use and load it; `name` is what people call the model.

        Raises:
            MissingPrerequisite: the extra `local` is not installed.
            BadInput: the model does not pool by the mean.
        """
        _refuse_other_pooling(folder)
        try:
            import onnxruntime  # noqa: F401 - only whether it is there
            import openvino  # noqa: F401
            from tokenizers import Tokenizer

            digest = hash_file(folder / "model.safetensors")[:16]
            length = _max_tokens(folder)
            space = Space(name or folder.name, digest, "mean", query_prefix, passage_prefix, length)
            chosen = precision or _precision_like(like, space, folder)
            self._encoder: Encoder = load_encoder(folder, digest, chosen)
        except ImportError as error:
            raise MissingPrerequisite(
                "embedding needs the extra `local`",
                where=str(folder),
                why=str(error),
                next_step="pip install -e '.[local]'   # in the folder of Graft's source",
            ) from error
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._padding = _padding_id(folder, self._tokenizer.padding)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(length)
        self._prefixes = {"query": query_prefix, "passage": passage_prefix}
        self.dimension = self._encoder.dimension
        self.space = replace(space, precision=self._encoder.precision, dimension=self.dimension)
        self.identity = str(self.space)

    def embed(
        self, texts: Sequence[str], kind: Literal["passage", "query"] = "passage"
    ) -> NDArray[np.float32]:
        """Return unit-length vectors of shape (n, dimension) in the order of `texts`."""
        import numpy as np

        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        prefix = self._prefixes[kind]
        for start in range(0, len(texts), WINDOW):
            rows = self._tokenizer.encode_batch(
                [prefix + text for text in texts[start : start + WINDOW]]
            )
            for part in batches([len(row.ids) for row in rows]):
                places = [start + item for item in part]
                vectors[places] = self._encoder(*self._padded([rows[item] for item in part]))
        return vectors

    def _padded(self, rows: Sequence[Encoding]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        import numpy as np

        width = max(len(row.ids) for row in rows)
        ids = np.full((len(rows), width), self._padding, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        for place, row in enumerate(rows):
            ids[place, : len(row.ids)] = row.ids
            mask[place, : len(row.ids)] = 1
        return ids, mask


def batches(lengths: Sequence[int], slots: int = SLOTS) -> Iterator[list[int]]:
    """Yield the places of rows of like length, at most `slots` a batch with their padding.

    >>> list(batches([9, 2, 8, 2], slots=18))
    [[1, 3], [2, 0]]
    """
    part: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda item: lengths[item]):
        if part and (len(part) + 1) * lengths[place] > slots:
            yield part
            part = []
        part.append(place)
    if part:
        yield part


def _precision_like(like: Space | None, own: Space, folder: Path) -> str | None:
    """Return the precision of vectors that there are, None where it is not to be used here."""
    if like is None or replace(like, precision="", dimension=0) != replace(own, precision=""):
        return None
    return like.precision if can_run(folder, own.revision, like.precision) else None


def _max_tokens(folder: Path) -> int:
    path = folder / "sentence_bert_config.json"
    if not path.is_file():
        return MAX_TOKENS
    return int(json.loads(path.read_text(encoding="utf-8")).get("max_seq_length") or MAX_TOKENS)


def _padding_id(folder: Path, padding: dict[str, object] | None) -> int:
    """Return what fills rows: some models count positions by it, so a wrong one moves vectors."""
    if padding and isinstance(found := padding.get("pad_id"), int):
        return found
    path = folder / "config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return int(settings.get("pad_token_id") or 0)


def _refuse_other_pooling(folder: Path) -> None:
    pooling = folder / "1_Pooling" / "config.json"
    if pooling.is_file() and not json.loads(pooling.read_text("utf-8")).get(
        "pooling_mode_mean_tokens", True
    ):
        raise BadInput(
            "this embedder does not pool by the mean",
            where=str(pooling),
            why="only mean pooling is known",
            next_step="set embedder to a model with mean pooling, e.g. embedded:all-minilm-l6-v2",
        )
