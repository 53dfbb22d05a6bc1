"""The encoder of an embedder with OpenVINO: bf16 where the processor has it, else fp32.

Measured on an AVX512-BF16 server core: 78 passages a second in bf16 against 29 for
sentence-transformers in fp32 with cosine 0.99998 between them.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.models.cache import cache_root, made_once
from graft.types import fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["OpenVinoEncoder", "has_bf16", "processor"]


class OpenVinoEncoder:
    """Runs the encoder of a folder in "bf16" or "f32"; it is converted on first use."""

    def __init__(self, folder: Path, digest: str, precision: str) -> None:
        """Compile the graph for this processor."""
        import openvino

        graph = made_once(
            cache_root() / "embedders" / f"{folder.name}-{digest}",
            lambda draft: _convert(folder, draft),
        )
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",  # both cores on one batch: half the memory, as fast
            "INFERENCE_PRECISION_HINT": precision,
        }
        self._model = openvino.Core().compile_model(graph / "encoder.xml", "CPU", options)
        self.precision = precision
        self.dimension = int(self._model.output(0).partial_shape[1].get_length())

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return unit-length rows of shape (n, dimension)."""
        found: NDArray[np.float32] = self._model([ids, mask])[0]
        return found


def has_bf16() -> bool:
    """Tell whether OpenVINO multiplies in bf16 on this processor."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def processor() -> str:
    """Return a short name of the processor and of what it multiplies in, for names of files."""
    import openvino

    core = openvino.Core()
    abilities = sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    return fingerprint(f"{core.get_property('CPU', 'FULL_DEVICE_NAME')} {abilities}")[:12]


def _convert(folder: Path, draft: Path) -> None:
    """Trace encoder, pooling and normalisation into one OpenVINO graph."""
    import openvino

    from graft.embed.tracing import example_input, pooled_encoder

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of shape checks that hold for any text
        import torch

        with torch.no_grad():
            graph = openvino.convert_model(pooled_encoder(folder), example_input=example_input())
    openvino.save_model(graph, draft / "encoder.xml", compress_to_fp16=False)
