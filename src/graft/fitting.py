"""One adapter fitted: learning rate by pilot where the effort asks, seeds, the run itself.

Every run has its folder under the draft, so that a command that was stopped finds each of them
where it stood, the pilot's too.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.protocols import Progress
from graft.rows import RowSet
from graft.train.halving import Trial, choose_rate, rates_around
from graft.train.loop import Trained, train_adapter
from graft.train.plan import TrainPlan

__all__ = ["Fitted", "fit_adapter"]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The run that was kept, its plan, and what other rates and seeds came to."""

    plan: TrainPlan
    trained: Trained
    trials: Sequence[Trial] = ()
    seeds: Sequence[dict[str, float]] = ()


def fit_adapter(
    base: Any,  # noqa: ANN401 - graft.assembly.BaseModel
    rows: RowSet,
    plan: TrainPlan,
    draft: Path,
    *,
    start_from: Path | None,
    pilot: bool,
    seeds: int,
    on_progress: Progress,
) -> Fitted:
    """Fit an adapter and leave its PEFT folder in `draft`.

    The pilot needs `dev` rows. Of several seeds the one with the best answers on `dev` is kept,
    then the lower loss; all are told, so that the worst is seen.
    """
    pilot = pilot and bool(rows.dev)
    runs = _Runs(base, rows, draft, start_from, seeds > 1 or pilot, on_progress)
    trials: list[Trial] = []
    if pilot:
        rate, trials = choose_rate(
            lambda rate, share: runs.attempt(dataclasses.replace(plan, learning_rate=rate), share),
            rates_around(plan.learning_rate),
        )
        plan = dataclasses.replace(plan, learning_rate=rate)
    seeded = [dataclasses.replace(plan, seed=plan.seed + number) for number in range(seeds)]
    ended = []
    for item in seeded:
        note = f"seed {item.seed}, " if seeds > 1 else ""
        ended.append((item, runs.run(item, prefix=note)))
    kept_plan, kept = max(ended, key=lambda item: _quality(item[1]))
    _settle(runs.place(kept_plan), draft)
    told = [_told(item, trained) for item, trained in ended] if seeds > 1 else []
    return Fitted(kept_plan, kept, trials, told)


@dataclass(frozen=True, slots=True)
class _Runs:
    """The runs of one adapter. Where there are several, each is kept where it stands.

    So the best rate goes on from its last look, and nothing is run twice.
    """

    base: Any
    rows: RowSet
    draft: Path
    start_from: Path | None
    several: bool
    on_progress: Progress

    def place(self, plan: TrainPlan) -> Path:
        """Return the folder of a run."""
        if not self.several:
            return self.draft
        return self.draft / f"rate-{plan.learning_rate:g}-seed-{plan.seed}"

    def run(self, plan: TrainPlan, share: float = 0.0, prefix: str = "") -> Trained:
        """Run to the end, or for a share of the steps."""
        place = self.place(plan)
        place.mkdir(parents=True, exist_ok=True)

        def tell(phase: str, done: int, total: int, note: str = "") -> None:
            self.on_progress(phase, done, total, f"{prefix}{note}")

        return train_adapter(
            self.base.checkpoint,
            self.base.chat,
            self.rows.epochs,
            self.rows.dev,
            plan,
            place,
            start_from=self.start_from,
            max_row_tokens=10**6,
            on_progress=tell,
            resume=place / ".resume" if self.several else None,
            stop_share=share,
        )

    def attempt(self, plan: TrainPlan, share: float) -> tuple[float, float]:
        """Return loss and share of answers on `dev` after a share of the steps."""
        found = self.run(plan, share, f"rate {plan.learning_rate:g}, ")
        last = found.curve[-1:]  # of a run too short to be stopped
        return found.stopped or (last[0].dev_loss, last[0].dev_answers)


def _quality(trained: Trained) -> tuple[float, float]:
    """Return share of answers and negative loss on `dev` of the step that was kept."""
    kept = [point for point in trained.curve if point.step == trained.kept_step]
    return (kept[0].dev_answers, -kept[0].dev_loss) if kept else (0.0, 0.0)


def _told(plan: TrainPlan, trained: Trained) -> dict[str, float]:
    answers, loss = _quality(trained)
    return {"seed": plan.seed, "dev_answers": answers, "dev_loss": -loss}


def _settle(place: Path, draft: Path) -> None:
    """Put the adapter that was kept into the draft and remove all other runs."""
    if place != draft:
        for path in sorted(place.iterdir()):
            if path.is_file():
                path.replace(draft / path.name)
    for path in sorted(draft.iterdir()):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
