"""The steps of `benchmarks.training` that run alone in a process; each prints one JSON line.

python -m benchmarks.training_steps rows --to FOLDER --rows 64
python -m benchmarks.training_steps graft --data FOLDER --set hybrid --to FOLDER
python -m benchmarks.training_steps loss --data FOLDER --set hybrid --adapter FOLDER
python -m benchmarks.training_steps ceiling --data FOLDER --set hybrid
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graft import Workspace
from graft.models.chat import Chat
from graft.models.device import best_dtype
from graft.models.resolve import set_offline
from graft.rows import row_tokens
from graft.train.audit import audit_rows
from graft.train.batches import planned_steps
from graft.train.loop import train_adapter
from graft.train.packing import encode_rows, grow_trees
from graft.train.plan import make_plan
from graft.types import Message, TrainingRow

SETS = ("hybrid", "short")
SHORT = 4  # short rows for one of the others


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=sorted(STEPS))
    parser.add_argument("--to", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--set", choices=SETS, default="hybrid")
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--batch-tokens", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args(arguments)
    set_offline(True)
    print(json.dumps(STEPS[options.step](options)))
    return 0


def rows(options: argparse.Namespace) -> dict[str, Any]:
    """Write the example's rows as messages and as token ids, and name the checkpoint."""
    place = options.to / "team"
    shutil.rmtree(place, ignore_errors=True)
    workspace = Workspace.create(place, example=True)
    workspace.add([place / "docs"])
    workspace.import_questions(place / "questions.jsonl", {})
    training = workspace.tuning._training((), "normal", None)  # noqa: SLF001
    base = training.assembly.base
    chosen = {
        "hybrid": (training.rows("hybrid"), options.rows),
        "short": (training.rows("finetuned"), options.rows * SHORT),
    }
    counts = {}
    for name, (found, count) in chosen.items():
        learned = [row for row in found.epochs[0] if name == "hybrid" or row.kind != "section"]
        write(options.to / f"{name}.jsonl", learned[:count], base.chat)
        write(options.to / f"{name}-held.jsonl", found.dev, base.chat)
        counts[name] = sum(row_tokens(base.chat.count, row) for row in learned[:count])
    (options.to / "checkpoint.txt").write_text(str(base.checkpoint), encoding="utf-8")
    return {"tokens": counts, "hidden_size": base.hidden_size}


def write(path: Path, found: Sequence[TrainingRow], chat: Chat) -> None:
    """Write rows, a JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for item in encode_rows(found, chat, 10**6):
            line = {
                "row": dataclasses.asdict(item.row),
                "prompt": list(item.prompt),
                "answer": list(item.answer),
            }
            file.write(json.dumps(line) + "\n")


def read(path: Path) -> list[TrainingRow]:
    """Read the rows of a file."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)["row"]
        messages = tuple(Message(**turn) for turn in row.pop("messages"))
        names = {key: tuple(row.pop(key)) for key in ("doc_ids", "gold_doc_ids")}
        found.append(TrainingRow(messages=messages, **names, **row))
    return found


def plan_of(options: argparse.Namespace, checkpoint: Path) -> Any:  # noqa: ANN401 - TrainPlan
    """Return the plan of the default settings: r = 16 on all linear layers."""
    from graft.config import TrainConfig

    config = TrainConfig()
    if options.batch_tokens:
        config = dataclasses.replace(config, batch_tokens=options.batch_tokens)
    size = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))["hidden_size"]
    return make_plan(config, hidden_size=size, tokens=None, seed=7, adapted_share=1.0)


def graft(options: argparse.Namespace) -> dict[str, Any]:
    """Train one pass over the rows of a set with Graft's loop."""
    checkpoint = Path((options.data / "checkpoint.txt").read_text(encoding="utf-8"))
    learned = read(options.data / f"{options.set}.jsonl")
    chat = Chat(checkpoint)
    shutil.rmtree(options.to, ignore_errors=True)
    options.to.mkdir(parents=True)
    plan = plan_of(options, checkpoint)
    done = train_adapter(checkpoint, chat, [learned], [], plan, options.to, max_row_tokens=10**6)
    own = sum(item.tokens for item in encode_rows(learned, chat, 10**6))
    return {
        "seconds": done.seconds,
        "loss": sum(done.losses) / len(done.losses),
        "rows": len(learned),
        "steps": done.steps,
        "tokens": own,
        "computed_tokens": done.tokens,
        "learned_tokens": done.learned_tokens,
        "rate": plan.learning_rate,
        "batch_tokens": plan.batch_tokens,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def loss(options: argparse.Namespace) -> dict[str, Any]:
    """Return the loss on rows held out, by PEFT itself, one row at a time, in float32."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    checkpoint = Path((options.data / "checkpoint.txt").read_text(encoding="utf-8"))
    base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, options.adapter).eval()
    losses: list[float] = []
    for item in encode_rows(
        read(options.data / f"{options.set}-held.jsonl"), Chat(checkpoint), 10**6
    ):
        ids = torch.tensor([item.prompt + item.answer])
        with torch.inference_mode():
            out = model(input_ids=ids).logits[0, len(item.prompt) - 1 : -1]
        target = torch.tensor(item.answer)
        losses += torch.nn.functional.cross_entropy(out, target, reduction="none").tolist()
    return {"held_loss": sum(losses) / len(losses), "held_tokens": len(losses)}


def ceiling(options: argparse.Namespace) -> dict[str, Any]:
    """Return the rate of matrix products at the model's shapes, and operations of the rows.

    A token costs, in each layer, a product forward and one backward with every frozen matrix
    (no gradient of frozen weights): 4 operations a weight. The head costs the same for learned
    tokens alone. Adapter and attention are left out, so the ceiling errs on the high side.
    """
    import torch

    checkpoint = Path((options.data / "checkpoint.txt").read_text(encoding="utf-8"))
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    narrow = hidden * config["num_key_value_heads"] // config["num_attention_heads"]
    shapes = [(hidden, hidden)] * 2 + [(hidden, narrow)] * 2 + [(hidden, inner)] * 3
    kinds = {"float32": torch.float32, "bf16": torch.bfloat16}
    rates = {name: matmul_rate(shapes, kind, options.seconds) for name, kind in kinds.items()}
    learned = read(options.data / f"{options.set}.jsonl")
    chat = Chat(checkpoint)
    forest = [grow_trees(encode_rows(learned, chat, 10**6))]
    steps = planned_steps(forest, plan_of(options, checkpoint))
    groups = [group for step in steps for group in step]
    audit = audit_rows({"train": groups}, chat).splits["train"]
    weights = config["num_hidden_layers"] * sum(a * b for a, b in shapes)
    head = config["vocab_size"] * hidden
    own = sum(item.tokens for item in encode_rows(learned, chat, 10**6))
    return {
        "gflops": rates,
        "dtype_of_graft": str(best_dtype("cpu")).removeprefix("torch."),
        "operations": 4.0 * (weights * own + head * audit.learned_tokens),
        "operations_computed": 4.0 * (weights * audit.read_tokens + head * audit.learned_tokens),
    }


def matmul_rate(shapes: Sequence[tuple[int, int]], kind: Any, seconds: float) -> float:  # noqa: ANN401
    """Return GFLOP/s of products of 256 tokens with matrices of these shapes, in turns."""
    import torch

    pairs = [(torch.randn(256, a).to(kind), torch.randn(b, a).to(kind)) for a, b in shapes]
    best, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.perf_counter()
        for _ in range(10):
            for left, right in pairs:
                torch.nn.functional.linear(left, right)
        taken = time.perf_counter() - started
        best = max(best, 10 * sum(2 * 256 * a * b for a, b in shapes) / taken / 1e9)
    return best


STEPS = {"rows": rows, "graft": graft, "loss": loss, "ceiling": ceiling}

if __name__ == "__main__":
    sys.exit(main())
