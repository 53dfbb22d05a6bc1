"""`train --dry-run`: rows, tokens, minutes, memory and disk of a training, before its first step.

The rows are the real ones and are audited as the loop audits them; time, memory and disk are
forecasts, whose constants were fitted to measured runs (docs/training.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from graft.assembly import BaseModel
from graft.estimate import LOOK_SECONDS, TRAIN_RATE
from graft.models.device import best_device, best_dtype, is_fast
from graft.rows import RowSet
from graft.train.audit import Audit, audit_rows
from graft.train.batches import planned_steps
from graft.train.halving import PILOT_COST
from graft.train.packing import encode_rows, group_trees, grow_trees
from graft.train.plan import TrainPlan

__all__ = ["TrainForecast", "forecast_training"]

PROCESS_BYTES = 7.5e8  # Python with torch, transformers and the retriever
CACHE_BYTES = 1024**3  # at most, of states that enter the adapted layers
STATES = 4  # adapter, two moments and the kept copy, while a run may be stopped


@dataclass(frozen=True, slots=True)
class TrainForecast:
    """What a training would do; seconds, bytes of memory at the peak and of disk are forecasts.

    `tokens` are computed in all passes, `learned_tokens` learned. `disk_bytes` are needed while it
    runs, `kept_bytes` stay. `pilots` and `seeds` multiply the seconds, which count them.
    """

    adapter: str
    built: bool
    rows: int
    dev_rows: int
    epochs: int
    steps: int
    tokens: int
    learned_tokens: int
    seconds: float
    memory_bytes: int
    disk_bytes: int
    kept_bytes: int
    pilot: bool
    seeds: int
    left_out: Mapping[str, int]
    audit: Audit


def forecast_training(
    name: str,
    base: BaseModel,
    rows: RowSet,
    plan: TrainPlan,
    *,
    built: bool,
    pilot: bool,
    seeds: int,
) -> TrainForecast:
    """Plan a training without a model in memory.

    Raises:
        TrainingFailed: a row would teach nothing, as the run itself would say.
    """
    forest = [grow_trees(encode_rows(epoch, base.chat, 10**6)) for epoch in rows.epochs]
    dev = group_trees(grow_trees(encode_rows(rows.dev, base.chat, 10**6)), plan.batch_tokens)
    steps = planned_steps(forest, plan)
    batches = [group for step in steps for group in step]
    audit = audit_rows({"train": batches, "dev": dev}, base.chat)
    trees = [tree for group in batches for tree in group]
    tokens = sum(tree.tokens for tree in trees)
    distinct = {tuple(item.row.id for item in tree.rows): tree.tokens for tree in trees}
    share = (1 + plan.adapted_share) / 2
    runs = seeds + (PILOT_COST if pilot and rows.dev else 0.0)
    largest = max((len(group) * max(t.tokens for t in group) for group in batches), default=0)
    sizes = _sizes(base, plan)
    own = int(sizes["adapter"])
    return TrainForecast(
        adapter=name,
        built=built,
        rows=len(rows.rows),
        dev_rows=len(rows.dev),
        epochs=len(rows.epochs),
        steps=len(steps),
        tokens=tokens,
        learned_tokens=audit.splits["train"].learned_tokens if batches else 0,
        seconds=tokens * share * runs / TRAIN_RATE[is_fast()] + LOOK_SECONDS,
        memory_bytes=_memory(sizes, largest, sum(distinct.values()), plan),
        disk_bytes=(STATES + 1) * own,
        kept_bytes=own,
        pilot=pilot and bool(rows.dev),
        seeds=seeds,
        left_out=rows.left_out,
        audit=audit,
    )


def _sizes(base: BaseModel, plan: TrainPlan) -> dict[str, float]:
    """Return bytes of weights and adapter, and the shape of a layer, from the model's settings."""
    import json

    config = json.loads((base.checkpoint / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config", config)
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    heads = config.get("num_attention_heads", 1)
    narrow = hidden * config.get("num_key_value_heads", heads) // heads
    inner = config.get("intermediate_size", 4 * hidden)
    adapted = max(1, math.ceil(layers * plan.adapted_share))
    widths = 2 * (hidden + hidden) + 2 * (hidden + narrow) + 3 * (hidden + inner)
    stored = sum(path.stat().st_size for path in base.checkpoint.glob("*.safetensors"))
    width = best_dtype(best_device()).itemsize
    vocabulary = config.get("vocab_size", 50_000)
    parameters = layers * (2 * hidden * (hidden + narrow) + 3 * hidden * inner)
    weights = width * (parameters + 2 * vocabulary * hidden)
    return {
        "adapter": 4 * plan.rank * widths * adapted,
        "weights": min(weights, stored) if stored else weights,
        "hidden": hidden,
        "inner": inner,
        "layers": adapted,
        "vocabulary": vocabulary,
        "width": width,
    }


def _memory(sizes: dict[str, float], batch: int, distinct: int, plan: TrainPlan) -> int:
    """Return the bytes at the peak: weights, adapter with moments, activations, kept states."""
    width = sizes["width"]
    kept = distinct * sizes["hidden"] * width if plan.adapted_share < 1 else 0.0
    layer = (12 * sizes["hidden"] + 4 * sizes["inner"]) * width
    # the folded weight of each adapted matrix lives until its backward pass
    folded = sizes["layers"] * (4 * sizes["hidden"] ** 2 + 3 * sizes["hidden"] * sizes["inner"])
    logits = 3 * 4 * sizes["vocabulary"] * batch / 4
    return int(
        PROCESS_BYTES
        + sizes["weights"]
        + 4 * sizes["adapter"]
        + min(CACHE_BYTES, kept)
        + batch * layer * sizes["layers"]
        + folded * width
        + logits
    )
