"""The encoder of an embedder in 8-bit integers, with ONNX Runtime.

Weights have a scale a column and seven bits, so that processors without VNNI do not overflow;
activations get their scale from each batch. Down-projections stay in fp32: what a GELU lets
through has outliers, and they carried half of the error. Measured with all-MiniLM-L6-v2 on two
cores with AVX2: 1.4 times the passages a second of fp32. Since a scale belongs to a batch, the
same text beside others gets a vector that differs in the third decimal of the cosine.
"""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.models.cache import cache_root, made_once

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

__all__ = ["TRUE_ENOUGH", "Int8Encoder", "int8_graph"]

TRUE_ENOUGH = 0.99  # mean cosine to fp32 on the bundled texts; below it fp32 is used
_CHECK_CHARACTERS = 500
_CHECK_BATCH = 8
_OPSET = 17


class Int8Encoder:
    """Runs a graph that `int8_graph` made."""

    precision = "int8"

    def __init__(self, graph: Path) -> None:
        """Load the graph."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(graph), options, providers=["CPUExecutionProvider"]
        )
        self.dimension = int(self._session.get_outputs()[0].shape[1])

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return unit-length rows of shape (n, dimension)."""
        found: NDArray[np.float32] = self._session.run(None, {"ids": ids, "mask": mask})[0]
        return found


def int8_graph(folder: Path, digest: str) -> Path | None:
    """Return the graph of a folder in int8, made on first use; None if it is not true enough."""
    made = made_once(
        cache_root() / "embedders" / f"{folder.name}-{digest}-int8",
        lambda draft: _convert(folder, draft),
    )
    check = json.loads((made / "check.json").read_text(encoding="utf-8"))
    return made / "encoder.onnx" if check["mean_cosine"] >= TRUE_ENOUGH else None


def _convert(folder: Path, draft: Path) -> None:
    """Trace and quantise the encoder; write how near it comes to fp32."""
    from graft.embed.tracing import pooled_encoder

    module = pooled_encoder(folder)
    with tempfile.TemporaryDirectory(prefix="graft-") as place:
        whole = Path(place) / "whole.onnx"
        _export(module, whole)
        _quantise(whole, draft / "encoder.onnx")
    cosine = _mean_cosine(module, Int8Encoder(draft / "encoder.onnx"), folder)
    (draft / "check.json").write_text(json.dumps({"mean_cosine": cosine}), encoding="utf-8")


def _export(module: torch.nn.Module, target: Path) -> None:
    import torch

    from graft.embed.tracing import example_input

    axes = {"ids": {0: "texts", 1: "tokens"}, "mask": {0: "texts", 1: "tokens"}}
    with _silence(), torch.no_grad():
        torch.onnx.export(
            module,
            example_input(),
            str(target),
            input_names=["ids", "mask"],
            output_names=["vectors"],
            dynamic_axes={**axes, "vectors": {0: "texts"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def _quantise(whole: Path, target: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _silence():
        quantize_dynamic(
            whole,
            target,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=_kept_whole(whole),
        )


def _kept_whole(path: Path) -> list[str]:
    """Name the products that stay in fp32: those of two activations, and down-projections."""
    import onnx

    graph = onnx.load(path).graph
    shapes = {weight.name: tuple(weight.dims) for weight in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type == "MatMul":
            shape = shapes.get(node.input[1], ())
            if len(shape) != 2 or shape[0] > shape[1]:
                kept.append(node.name)
    return kept


def _mean_cosine(module: torch.nn.Module, encoder: Int8Encoder, folder: Path) -> float:
    """Return the mean cosine between the vectors of both on the bundled texts."""
    import numpy as np
    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    tokenizer.enable_truncation(128)
    texts = _texts()
    found = []
    for start in range(0, len(texts), _CHECK_BATCH):
        rows = tokenizer.encode_batch(texts[start : start + _CHECK_BATCH])
        ids = np.array([row.ids for row in rows], dtype=np.int64)
        mask = np.array([row.attention_mask for row in rows], dtype=np.int64)
        with torch.inference_mode():
            whole = module(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        found.append((whole * encoder(ids, mask)).sum(1))
    return float(np.concatenate(found).mean())


def _texts() -> Sequence[str]:
    """Return a piece of each Markdown document of the example, by name."""
    folder: Any = resources.files("graft") / "example" / "docs"
    paths = sorted(path for path in Path(str(folder)).rglob("*.md"))
    return [path.read_text(encoding="utf-8")[:_CHECK_CHARACTERS] for path in paths]


@contextmanager
def _silence() -> Iterator[None]:
    """Keep tracing and quantising from talking: their advice is for who writes models."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
