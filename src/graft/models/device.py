"""Which device and number format this machine runs fastest. Imported lazily: torch is heavy."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["best_device", "best_dtype", "has_fast_bf16", "has_gpu", "is_fast", "machine_line"]


def best_device() -> str:
    """Return "cuda", "mps" or "cpu"."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def has_fast_bf16(device: str) -> bool:
    """Tell whether bf16 runs in hardware.

    On a processor that means AVX512-BF16 or AMX: where it is emulated we measured
    16 GFLOP/s against 120 in float32 (docs/log.md).
    """
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device == "mps":
        return False
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16") or found.get("sve_bf16"))


def best_dtype(device: str) -> torch.dtype:
    """Return bf16 where it runs in hardware, else float32."""
    import torch

    if has_fast_bf16(device):
        return torch.bfloat16
    return torch.float32


def has_gpu() -> bool:
    """Tell whether an NVIDIA driver or Apple silicon is there, without importing torch."""
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return apple or Path("/dev/nvidiactl").exists()


def machine_line() -> str:
    """Describe the machine in a line for a report: no host name, no path."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8", errors="replace") if info.exists() else ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    processor = name[1].strip() if name else platform.processor() or platform.machine()
    counted = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if counted else os.cpu_count() or 1
    parts = [processor, f"{cores} cores", platform.system()]
    if has_gpu():
        parts.insert(2, "with a GPU")
    return ", ".join(part for part in parts if part)


def is_fast() -> bool:
    """Tell whether the larger token caps apply: a GPU, or a processor with bf16 in hardware.

    Reads the processor's flags, so that planning does not wait for torch.
    """
    if has_gpu():
        return True
    flags = Path("/proc/cpuinfo")
    if not flags.exists():
        return False
    text = flags.read_text(encoding="utf-8", errors="replace")
    return "avx512_bf16" in text or "amx_bf16" in text
