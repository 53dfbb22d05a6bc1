"""The training loop: LoRA on frozen weights, the head only on learned positions.

Weights in bf16 where the device has it in hardware, the adapter always in fp32. The best
checkpoint by answers on `dev` is kept, never the last. Knows nothing of arms or workspaces.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from graft.errors import MissingPrerequisite, TrainingFailed
from graft.models.chat import Chat
from graft.models.device import best_device, best_dtype
from graft.models.loading import load_adapter, load_model
from graft.protocols import Progress
from graft.train.forward import Forward, has_llama_layout
from graft.train.packing import Batch, Tree, collate, encode_rows, group_trees, grow_trees
from graft.train.plan import Curve, CurvePoint, TrainPlan
from graft.types import TrainingRow

if TYPE_CHECKING:
    import torch

__all__ = ["Trained", "train_adapter"]


class Trained(NamedTuple):
    """What came of a run: the curve, the step that was kept and the counts."""

    curve: Curve
    kept_step: int
    steps: int
    tokens: int
    learned_tokens: int
    seconds: float
    changed: float  # mean absolute change of a learned token's logit against the base


def train_adapter(  # noqa: PLR0913 - the run's whole input
    checkpoint: Path,
    chat: Chat,
    epochs: Sequence[Sequence[TrainingRow]],
    dev_rows: Sequence[TrainingRow],
    plan: TrainPlan,
    folder: Path,
    *,
    start_from: Path | None = None,
    max_row_tokens: int = 512,
    on_progress: Progress | None = None,
) -> Trained:
    """Train on the rows of each epoch, choose by `dev_rows`, write a PEFT folder.

    `checkpoint` is the folder of the float32 base weights; `folder` receives
    `adapter_config.json` and `adapter_model.safetensors`; with `start_from` training goes on
    from an adapter, else from zero.

    Raises:
        TrainingFailed: nothing to learn, or the loss is not a number.
        MissingPrerequisite: the extra `local` is not installed.
    """
    try:
        import accelerate
        import torch
    except ImportError as error:
        raise MissingPrerequisite(
            "training needs the extra `local`",
            why=str(error),
            next_step="pip install -e '.[local]'   # in the folder of Graft's source",
        ) from error
    if not any(epochs):
        raise TrainingFailed(
            "there is nothing to train on",
            why="no training rows",
            next_step="graft questions check",
        )
    torch.manual_seed(plan.seed)
    forest = [grow_trees(encode_rows(rows, chat, max_row_tokens)) for rows in epochs]
    dev = group_trees(grow_trees(encode_rows(dev_rows, chat, max_row_tokens)), plan.batch_tokens)
    model = _load(checkpoint, plan, start_from)
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(
        learned, lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True
    )
    accelerator = accelerate.Accelerator(cpu=best_device() == "cpu")
    model, optimiser = accelerator.prepare(model, optimiser)
    run = _Run(model, optimiser, accelerator, plan, dev, folder, on_progress)
    return run.train(forest)


def _load(checkpoint: Path, plan: TrainPlan, start_from: Path | None) -> Any:  # noqa: ANN401
    import torch
    from peft import LoraConfig, get_peft_model

    from graft.train.fold import fold_adapters

    base = load_model(checkpoint, dtype=best_dtype(best_device()), attn_implementation="sdpa")
    if start_from is not None:
        model = load_adapter(base, start_from, checkpoint, trainable=True)
        fold_adapters(model)
        return model
    torch.manual_seed(plan.seed)
    config = LoraConfig(
        r=plan.rank,
        lora_alpha=plan.alpha,
        lora_dropout=plan.dropout,
        target_modules=_targets(base, plan),
        task_type="CAUSAL_LM",
        layers_to_transform=_adapted_layers(base, plan),
    )
    model = get_peft_model(base, config)
    fold_adapters(model)
    return model


def _targets(base: Any, plan: TrainPlan) -> list[str]:  # noqa: ANN401
    """Return the names of the matrices that get an adapter: all linear ones but the head."""
    import torch

    if plan.targets != "all-linear":
        return plan.targets.split(",")
    linear = (name for name, part in base.named_modules() if isinstance(part, torch.nn.Linear))
    return sorted({name.rpartition(".")[2] for name in linear} - {"lm_head"})


def _frozen_layers(base: Any, plan: TrainPlan) -> int:  # noqa: ANN401
    """Return how many layers at the bottom carry no adapter."""
    decoder = getattr(base, "model", None)
    if plan.adapted_share >= 1.0 or decoder is None or not hasattr(decoder, "layers"):
        return 0
    if not has_llama_layout(decoder):
        return 0
    count = len(decoder.layers)
    return count - max(1, round(count * plan.adapted_share))


def _adapted_layers(base: Any, plan: TrainPlan) -> list[int] | None:  # noqa: ANN401
    frozen = _frozen_layers(base, plan)
    return list(range(frozen, len(base.model.layers))) if frozen else None


class _Run:
    """One run of the loop; holds what the steps share."""

    def __init__(  # noqa: PLR0913
        self,
        model: Any,  # noqa: ANN401 - a PEFT model
        optimiser: torch.optim.Optimizer,
        accelerator: Any,  # noqa: ANN401
        plan: TrainPlan,
        dev: Sequence[Sequence[Tree]],
        folder: Path,
        on_progress: Progress | None,
    ) -> None:
        self.model, self.optimiser, self.accelerator = model, optimiser, accelerator
        self.plan, self.dev, self.folder = plan, dev, folder
        self.on_progress = on_progress
        inner = accelerator.unwrap_model(model).get_base_model()
        self.forward = Forward(inner, accelerator.device, _frozen_layers(inner, plan))
        self.curve: Curve = []
        self.best = (0.0, math.inf)  # answers, loss
        self.kept_step = 0
        self.worse = 0

    def train(self, forest: Sequence[Sequence[Tree]]) -> Trained:
        """Run to the token cap or the last epoch, with early stop."""
        import torch

        batches = list(_planned(forest, self.plan))
        looks = _looks(len(batches), self.plan.evaluations if self.dev else 0)
        started = time.monotonic()
        done, learned_tokens, losses = 0, 0, []
        step = 0
        self.model.train()
        for step, group in enumerate(batches, 1):
            batch = collate(group)
            for entry in self.optimiser.param_groups:
                entry["lr"] = self.plan.learning_rate * self.plan.schedule(step - 1, len(batches))
            loss = self._loss(group, batch)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise TrainingFailed(
                    "the loss is not a number",
                    where=f"step {step}",
                    why=f"learning rate {self.plan.learning_rate:g} is too high or a row is broken",
                    next_step="set learning_rate under [train] to a third of it",
                )
            self.accelerator.backward(loss)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()
            self.optimiser.zero_grad()
            losses.append(value)
            done += batch.tokens
            learned_tokens += len(batch.learned_ids)
            self._tell(step, len(batches), value)
            if step in looks and self._look(step, done, time.monotonic() - started, losses):
                break
        if not self.curve:
            self._keep(step)
        return Trained(
            self.curve,
            self.kept_step,
            step,
            done,
            learned_tokens,
            time.monotonic() - started,
            self._change(forest[0]),
        )

    def _loss(self, trees: Sequence[Tree], batch: Batch) -> torch.Tensor:
        import torch

        target = batch.learned_ids.to(self.accelerator.device)
        return torch.nn.functional.cross_entropy(self.forward.logits(trees, batch), target)

    def _look(self, step: int, tokens: int, seconds: float, losses: Sequence[float]) -> bool:
        """Score `dev`, keep the adapter unless an earlier one was better; true means stop."""
        dev_loss, answers = self._score_dev()
        recent = losses[-max(1, len(losses) // 4) :]
        self.curve.append(
            CurvePoint(step, tokens, seconds, sum(recent) / len(recent), dev_loss, answers)
        )
        if self._is_good_enough(answers, dev_loss):
            self.best = (max(self.best[0], answers), min(self.best[1], dev_loss))
            self.worse = 0
            self._keep(step)
            return False
        self.worse += 1
        return self.worse >= self.plan.patience

    def _is_good_enough(self, answers: float, loss: float) -> bool:
        """Tell whether `dev` answers are within one standard error of the best so far.

        The later step has seen more rows at a lower learning rate: a difference that so few
        `dev` rows cannot tell from luck is no reason to go back (one-standard-error rule, Breiman
        and others 1984). While nothing is answered the loss decides.
        """
        best, least = self.best
        if not best and not answers:
            return loss < least
        rows = sum(len(tree.rows) for group in self.dev for tree in group)
        error = math.sqrt(best * (1 - best) / max(1, rows))
        return answers >= best - error

    def _score_dev(self) -> tuple[float, float]:
        """Return mean loss of a learned token and share of rows that greedy decoding gets."""
        import torch

        self.model.eval()
        loss, tokens, right, rows = 0.0, 0, 0, 0
        with torch.inference_mode():
            for group in self.dev:
                batch = collate(group)
                logits = self.forward.logits(group, batch).cpu()
                loss += float(
                    torch.nn.functional.cross_entropy(logits, batch.learned_ids, reduction="sum")
                )
                tokens += len(batch.learned_ids)
                wrong = batch.row_numbers[logits.argmax(1) != batch.learned_ids]
                right += len(batch.rows) - len(set(wrong.tolist()))
                rows += len(batch.rows)
        self.model.train()
        return loss / max(1, tokens), right / max(1, rows)

    def _change(self, trees: Sequence[Tree]) -> float:
        """Return how far the trained adapter moves the logits of a few learned tokens."""
        import torch

        group = [min(trees, key=lambda tree: tree.tokens)]
        batch = collate(group)
        self.model.eval()
        with torch.inference_mode():
            tuned = self.forward.logits(group, batch)
            with self.accelerator.unwrap_model(self.model).disable_adapter():
                plain = self.forward.logits(group, batch)
        return float((tuned - plain).abs().mean())

    def _keep(self, step: int) -> None:
        self.kept_step = step
        self.accelerator.unwrap_model(self.model).save_pretrained(self.folder)

    def _tell(self, step: int, steps: int, loss: float) -> None:
        if self.on_progress is not None:
            note = f"loss {loss:.2f}"
            if self.curve:
                note += f", dev {self.curve[-1].dev_answers:.0%}"
            self.on_progress("train", step, steps, note)


def _planned(forest: Sequence[Sequence[Tree]], plan: TrainPlan) -> Iterator[list[Tree]]:
    """Yield the batches of all epochs, shuffled anew each, up to the token cap."""
    shuffler = random.Random(plan.seed)
    spent = 0
    for trees in forest:
        mixed = list(trees)
        shuffler.shuffle(mixed)
        batches = group_trees(mixed, plan.batch_tokens)
        shuffler.shuffle(batches)
        for batch in batches:
            size = sum(tree.tokens for tree in batch)
            if plan.tokens is not None and spent + size > plan.tokens and spent:
                return
            spent += size
            yield batch


def _looks(steps: int, evaluations: int) -> set[int]:
    """Return the steps after which `dev` is scored; the last step always is."""
    if not evaluations:
        return set()
    return {max(1, round(steps * (number + 1) / evaluations)) for number in range(evaluations)}
