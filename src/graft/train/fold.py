"""One matmul instead of three: the adapter folded into the weight, backward by hand.

PEFT computes y = x W' + s (x A') B' as three products and two element-wise passes over the
activations. Here W + s B A is formed once a step (2 r d_in d_out operations, nothing beside
the product with thousands of tokens), and

    y  = x (W + s B A)'
    dx = dy (W + s B A)
    dB = s dy' (x A')
    dA = s (dy B)' x

so that activations are touched by one product each way. The values are PEFT's own up to
rounding; a test compares them. Only for plain LoRA without dropout, one adapter, frozen W.
"""

from __future__ import annotations

import types
from typing import Any

import torch

__all__ = ["fold_adapters"]


class _Folded(torch.autograd.Function):
    """y = x (W + s B A)' with x (..., d_in), W (d_out, d_in), A (r, d_in), B (d_out, r)."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own context
        x: torch.Tensor,
        weight: torch.Tensor,
        down: torch.Tensor,
        up: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        whole = torch.addmm(weight, up.to(weight.dtype), down.to(weight.dtype), alpha=scale)
        ctx.save_for_backward(x, whole, down, up)
        ctx.scale = scale
        return torch.nn.functional.linear(x, whole)

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        grad: torch.Tensor,
    ) -> tuple[torch.Tensor | None, None, torch.Tensor, torch.Tensor, None]:
        x, whole, down, up = ctx.saved_tensors
        flat = grad.reshape(-1, grad.shape[-1])
        rows = x.reshape(-1, x.shape[-1])
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (flat @ whole).reshape(x.shape)
        thin = (flat @ up.to(flat.dtype)) * ctx.scale
        grad_down = (thin.t() @ rows).to(down.dtype)
        grad_up = (flat.t() @ ((rows @ down.to(rows.dtype).t()) * ctx.scale)).to(up.dtype)
        return grad_x, None, grad_down, grad_up, None


def fold_adapters(model: Any) -> int:  # noqa: ANN401 - a PEFT model
    """Give every plain LoRA layer of a PEFT model the folded forward; return how many."""
    from peft.tuners.lora import Linear

    folded = 0
    for module in model.modules():
        if not isinstance(module, Linear) or not _is_plain(module):
            continue
        module.forward = types.MethodType(_forward, module)
        folded += 1
    return folded


def _is_plain(layer: Any) -> bool:  # noqa: ANN401
    names = layer.active_adapters
    return (
        len(names) == 1
        and isinstance(layer.lora_dropout[names[0]], torch.nn.Identity)
        and not layer.use_dora.get(names[0], False)
        and getattr(layer.get_base_layer(), "bias", None) is None
    )


def _forward(layer: Any, x: torch.Tensor, *_: object, **__: object) -> torch.Tensor:  # noqa: ANN401
    weight = layer.get_base_layer().weight
    if layer.disable_adapters:
        return torch.nn.functional.linear(x, weight)
    name = layer.active_adapters[0]
    down, up = layer.lora_A[name].weight, layer.lora_B[name].weight
    out: torch.Tensor = _Folded.apply(  # type: ignore[no-untyped-call]
        x, weight, down, up, layer.scaling[name]
    )
    return out
