"""Trains rows with TRL's SFTTrainer as its documentation sets it up; knows no Graft.

    python with_trl.py --checkpoint FOLDER --rows FILE --to FOLDER --batch 8 --bf16 --checkpointing
    python with_trl.py --versions   # only whether its packages are there

Runs in an environment of its own. A row is token ids of prompt and answer, so that both sides
learn the same tokens. Its last line is a JSON object; loading stands before the clock.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import resource

from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

PACKAGES = ("trl", "peft", "transformers", "accelerate", "datasets", "torch")


def main() -> None:
    """Train one pass over the rows and write the adapter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", action="store_true")
    parser.add_argument("--checkpoint")
    parser.add_argument("--rows")
    parser.add_argument("--to")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--group", action="store_true")
    parser.add_argument("--packing", action="store_true")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--alpha", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-4)
    options = parser.parse_args()
    found = {"versions": {name: importlib.metadata.version(name) for name in PACKAGES}}
    if not options.versions:
        found |= train(options)
    print(json.dumps(found))


def train(options: argparse.Namespace) -> dict[str, float]:
    """Return seconds of `train`, the mean loss it reports and the peak memory."""
    with open(options.rows, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    lines = lines[: options.count or None]
    data = Dataset.from_list(
        [
            {
                "input_ids": line["prompt"] + line["answer"],
                "completion_mask": [0] * len(line["prompt"]) + [1] * len(line["answer"]),
            }
            for line in lines
        ]
    )
    settings = SFTConfig(
        output_dir=options.to,
        use_cpu=True,
        bf16=options.bf16,
        gradient_checkpointing=options.checkpointing,
        per_device_train_batch_size=options.batch,
        train_sampling_strategy="group_by_length" if options.group else "random",
        packing=options.packing,
        completion_only_loss=True,
        max_length=1024,
        num_train_epochs=1,
        learning_rate=options.rate,
        lr_scheduler_type="cosine",
        warmup_steps=2,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        seed=7,
    )
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(options.checkpoint),
        args=settings,
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(options.checkpoint),
        peft_config=LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )
    done = trainer.train()
    trainer.model.save_pretrained(options.to)
    return {
        "seconds": done.metrics["train_runtime"],
        "loss": done.training_loss,
        "rows": len(lines),
        "steps": done.global_step,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


if __name__ == "__main__":
    main()
