"""The training loop: LoRA on frozen weights, the head only on learned positions.

Weights in bf16 where the device has it in hardware, the adapter always in fp32. The best
checkpoint by answers on `dev` is kept, never the last. A run that was stopped goes on where it
was. Knows nothing of arms or workspaces.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from graft.errors import MissingPrerequisite, TrainingFailed
from graft.models.chat import Chat
from graft.models.device import best_device
from graft.protocols import Progress
from graft.train.adapting import adapted_model, frozen_layers
from graft.train.audit import Audit, audit_rows
from graft.train.batches import Step, looks_at, planned_steps
from graft.train.checkpoint import Checkpoints, Saved, save_adapter, weights_digest
from graft.train.forward import Forward
from graft.train.looking import logits_moved, score_rows
from graft.train.memory import out_of_memory_named
from graft.train.packing import Tree, collate, encode_rows, group_trees, grow_trees
from graft.train.plan import Curve, CurvePoint, TrainPlan
from graft.types import TrainingRow, fingerprint

if TYPE_CHECKING:
    import torch

__all__ = ["Trained", "train_adapter"]


class Trained(NamedTuple):
    """What came of a run: the curve, the step that was kept and the counts.

    `resumed_at` is the step that it went on from, `differing` what kept an earlier run that was
    stopped from being gone on with. `stopped` is the look at `dev` of a run that was told to
    stop early, which wrote no adapter.
    """

    curve: Curve
    kept_step: int
    steps: int
    tokens: int
    learned_tokens: int
    seconds: float
    changed: float  # mean absolute change of a learned token's logit against the base
    losses: tuple[float, ...] = ()
    audit: Audit = Audit()
    resumed_at: int = 0
    differing: tuple[str, ...] = ()
    stopped: tuple[float, float] | None = None  # loss and share of answers on dev


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
    resume: Path | None = None,
    stop_share: float = 0.0,
) -> Trained:
    """Train on the rows of each epoch, choose by `dev_rows`, write a PEFT folder.

    `checkpoint` is the folder of the float32 base weights; `folder` receives
    `adapter_config.json` and `adapter_model.safetensors`; with `start_from` training goes on
    from an adapter, else from zero. In `resume` lie the states to go on from after a stop
    (default: a folder inside `folder`, removed at the end; a given one stays). With `stop_share`
    the run looks at `dev` after that share of its steps, keeps its state there and ends; the
    same call without it goes on to the end.

    Raises:
        TrainingFailed: nothing to learn, the loss is not a number, or memory runs out.
        MissingPrerequisite: the extra `local` is not installed.
        OSError: the disk is full or not writable; the states so far stand.
    """
    _need_packages()
    _need_rows(epochs)
    import accelerate
    import torch

    torch.manual_seed(plan.seed)
    forest = [grow_trees(encode_rows(rows, chat, max_row_tokens)) for rows in epochs]
    dev = group_trees(grow_trees(encode_rows(dev_rows, chat, max_row_tokens)), plan.batch_tokens)
    steps = planned_steps(forest, plan)
    batches = [group for step in steps for group in step]
    audit = audit_rows({"train": batches, "dev": dev}, chat)
    states = Checkpoints(
        resume or folder / ".resume", _inputs(checkpoint, epochs, dev_rows, plan, start_from)
    )
    saved = states.load()
    with out_of_memory_named(plan.batch_tokens):
        model = adapted_model(checkpoint, plan, start_from)
        learned = [weight for weight in model.parameters() if weight.requires_grad]
        optimiser = torch.optim.AdamW(
            learned, lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True
        )
        accelerator = accelerate.Accelerator(cpu=best_device() == "cpu")
        model, optimiser = accelerator.prepare(model, optimiser)
        run = _Run(model, optimiser, accelerator, plan, dev, batches, states, on_progress)
        if saved is not None:
            run.go_on_from(saved)
        stop_after = max(1, round(len(steps) * stop_share)) if stop_share else 0
        ended = run.train(steps, folder, stop_after, keep=resume is not None)
        return ended._replace(audit=audit)


def _need_packages() -> None:
    try:
        import accelerate  # noqa: F401
        import peft  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingPrerequisite(
            "training needs the extra `local`",
            why=str(error),
            next_step="pip install -e '.[local]'   # in the folder of Graft's source",
        ) from error


def _need_rows(epochs: Sequence[Sequence[TrainingRow]]) -> None:
    if not any(epochs):
        raise TrainingFailed(
            "there is nothing to train on",
            why="no training rows",
            next_step="graft questions check",
        )


def _inputs(
    checkpoint: Path,
    epochs: Sequence[Sequence[TrainingRow]],
    dev_rows: Sequence[TrainingRow],
    plan: TrainPlan,
    start_from: Path | None,
) -> dict[str, str]:
    """Name all that a run depends on: where one of these differs, it is another run."""
    import peft
    import torch
    import transformers

    def texts(rows: Sequence[TrainingRow]) -> list[list[str]]:
        return [[*(turn.content for turn in row.messages), row.answer] for row in rows]

    versions = [module.__version__ for module in (torch, transformers, peft)]
    return {
        "the base model": weights_digest(checkpoint),
        "the training rows": fingerprint([texts(rows) for rows in epochs]),
        "the dev rows": fingerprint(texts(dev_rows)),
        "the settings": fingerprint(dataclasses.asdict(plan)),
        "the adapter to start from": weights_digest(start_from) if start_from else "",
        "the device": f"{best_device()}, {torch.get_num_threads()} threads",
        "the versions of packages": " ".join(versions),
    }


class _Run:
    """One run of the loop; holds what the steps share."""

    def __init__(  # noqa: PLR0913
        self,
        model: Any,  # noqa: ANN401 - a PEFT model
        optimiser: torch.optim.Optimizer,
        accelerator: Any,  # noqa: ANN401
        plan: TrainPlan,
        dev: Sequence[Sequence[Tree]],
        batches: Sequence[Sequence[Tree]],
        states: Checkpoints,
        on_progress: Progress | None,
    ) -> None:
        self.model, self.optimiser, self.accelerator = model, optimiser, accelerator
        self.plan, self.dev, self.states = plan, dev, states
        self.on_progress = on_progress
        inner = accelerator.unwrap_model(model).get_base_model()
        device = accelerator.device
        self.forward = Forward(inner, device, frozen_layers(inner, plan), [*batches, *dev])
        self.curve: Curve = []
        self.best = (0.0, math.inf)  # answers, loss
        self.kept_step = self.worse = self.step = self.resumed_at = 0
        self.tokens = self.learned_tokens = 0
        self.losses: list[float] = []
        self.stops: dict[int, tuple[float, float]] = {}  # looks of a pilot, by step
        self.before = 0.0  # seconds of the run before it was stopped

    def train(self, steps: Sequence[Step], folder: Path, stop_after: int, *, keep: bool) -> Trained:
        """Run to the token cap or the last epoch, with early stop; `keep` leaves the states."""
        self.started = time.monotonic()
        if stop_after in self.stops:
            return self._result(0.0)._replace(stopped=self.stops[stop_after])
        looks = looks_at(len(steps), self.plan.evaluations if self.dev else 0)
        self.model.train()
        ended = bool(self.worse >= self.plan.patience)
        for number, step in enumerate(steps[self.step :], self.step + 1):
            if ended or 0 < stop_after <= self.step:
                break
            self._learn(number, step, len(steps))
            if number in looks:
                ended = self._look()
                self._save()
            elif self.states.due():
                self._save()
        if 0 < stop_after <= self.step < len(steps) and not ended:
            self.stops[stop_after] = score_rows(self.model, self.forward, self.dev)
            self._save()
            return self._result(0.0)._replace(stopped=self.stops[stop_after])
        if not self.kept_step:
            self._keep(self.step)
        model = self.accelerator.unwrap_model(self.model)
        changed = logits_moved(model, self.forward, steps[0][0])
        if keep:
            self._save()
        for path in sorted(self.states.kept(self.kept_step).iterdir()):
            shutil.copy2(path, folder / path.name)
        if not keep:
            shutil.rmtree(self.states.folder, ignore_errors=True)
        return self._result(changed)

    def _learn(self, number: int, step: Step, steps: int) -> None:
        """Move the weights by one step; its loss is the mean of a learned token."""
        import torch

        count = sum(len(item.answer) for group in step for tree in group for item in tree.rows)
        for entry in self.optimiser.param_groups:
            entry["lr"] = self.plan.learning_rate * self.plan.schedule(number - 1, steps)
        value = 0.0
        for group in step:
            batch = collate(group)
            target = batch.learned_ids.to(self.accelerator.device)
            loss = torch.nn.functional.cross_entropy(self.forward.logits(group, batch), target)
            loss = loss * (len(target) / count)
            value += float(loss.detach())
            if not math.isfinite(value):
                raise self._not_a_number(number)
            self.accelerator.backward(loss)
            self.tokens += batch.tokens
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step, self.learned_tokens = number, self.learned_tokens + count
        self.losses.append(value)
        self._tell(number, steps, value)

    def _not_a_number(self, number: int) -> TrainingFailed:
        return TrainingFailed(
            "the loss is not a number",
            where=f"step {number}",
            why=f"learning rate {self.plan.learning_rate:g} is too high or a row is broken",
            next_step="set learning_rate under [train] to a third of it",
        )

    def _look(self) -> bool:
        """Score `dev`, keep the adapter unless an earlier one was better; true means stop."""
        dev_loss, answers = score_rows(self.model, self.forward, self.dev)
        recent = self.losses[-max(1, len(self.losses) // 4) :]
        mean = sum(recent) / len(recent)
        self.curve.append(
            CurvePoint(self.step, self.tokens, self._seconds(), mean, dev_loss, answers)
        )
        if self._is_good_enough(answers, dev_loss):
            self.best = (max(self.best[0], answers), min(self.best[1], dev_loss))
            self.worse = 0
            self._keep(self.step)
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

    def _keep(self, step: int) -> None:
        self.kept_step = step
        save_adapter(self.accelerator.unwrap_model(self.model), self.states.kept(step))

    def _seconds(self) -> float:
        return self.before + time.monotonic() - self.started

    def _learned(self) -> dict[str, torch.Tensor]:
        named = self.accelerator.unwrap_model(self.model).named_parameters()
        return {name: weight for name, weight in named if weight.requires_grad}

    def _save(self) -> None:
        """Write all that the next step depends on."""
        import torch

        moments = self.optimiser.state_dict()["state"]
        tensors = {f"weight:{name}": weight for name, weight in self._learned().items()}
        for number, state in moments.items():
            tensors |= {f"moment:{number}:{key}": value for key, value in state.items()}
        tensors["random"] = torch.get_rng_state()
        if self.accelerator.device.type == "cuda":
            tensors["random:cuda"] = torch.cuda.get_rng_state()
        values: dict[str, Any] = {
            "step": self.step,
            "kept_step": self.kept_step,
            "worse": self.worse,
            "tokens": self.tokens,
            "learned_tokens": self.learned_tokens,
            "seconds": self._seconds(),
            "losses": self.losses,
            "stops": list(self.stops.items()),
            "best": [self.best[0], repr(self.best[1])],
            "curve": [dataclasses.asdict(point) for point in self.curve],
        }
        self.states.save(values, tensors)

    def go_on_from(self, saved: Saved) -> None:
        """Take up a state: the next step is the one after it."""
        import torch

        values, tensors = saved
        with torch.no_grad():
            for name, weight in self._learned().items():
                weight.copy_(tensors[f"weight:{name}"])
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for key, tensor in tensors.items():
            if key.startswith("moment:"):
                _, number, part = key.split(":")
                moments.setdefault(int(number), {})[part] = tensor
        whole = self.optimiser.state_dict()
        self.optimiser.load_state_dict({**whole, "state": moments})
        torch.set_rng_state(tensors["random"])
        if "random:cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random:cuda"])
        self.step = self.resumed_at = values["step"]
        self.kept_step, self.worse = values["kept_step"], values["worse"]
        self.tokens, self.learned_tokens = values["tokens"], values["learned_tokens"]
        self.before, self.losses = values["seconds"], list(values["losses"])
        self.stops = {step: (look[0], look[1]) for step, look in values["stops"]}
        self.best = (values["best"][0], float(values["best"][1]))
        self.curve = [CurvePoint(**point) for point in values["curve"]]

    def _result(self, changed: float) -> Trained:
        return Trained(
            self.curve,
            self.kept_step,
            self.step,
            self.tokens,
            self.learned_tokens,
            self._seconds(),
            changed,
            tuple(self.losses),
            resumed_at=self.resumed_at,
            differing=self.states.differing,
        )

    def _tell(self, step: int, steps: int, loss: float) -> None:
        if self.on_progress is not None:
            note = f"loss {loss:.2f}"
            if self.curve:
                note += f", dev {self.curve[-1].dev_answers:.0%}"
            self.on_progress("train", step, steps, note)
