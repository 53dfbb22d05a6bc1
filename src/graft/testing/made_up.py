"""Training that is made up, for tests of the command line; it is called fake."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.adapters import TrainReport
from graft.checking import CheckReport
from graft.config import Effort
from graft.errors import UsageError
from graft.exporting import FORMATS, ExportReport, parse_formats
from graft.protocols import Progress
from graft.staleness import Staleness, advise, read_changes
from graft.train.audit import Audit, SplitAudit
from graft.train_forecast import TrainForecast

__all__ = ["FakeTuning"]

AUDIT = Audit({"train": SplitAudit(12, 96, 600, 4, 8, 20)}, ("user\nHow long?\n⟦90 seconds⟧",))
NAMES = ("finetuned", "hybrid")


@dataclass(frozen=True, slots=True)
class FakeTuning:
    """The methods of `graft.tuning.Tuning` without anything heavy behind them."""

    root: Path
    state: Mapping[str, Any]
    store: Callable[..., None]

    def export(
        self,
        name: str,
        target: Path | str,
        formats: str = "",
        on_progress: Progress | None = None,
    ) -> ExportReport:
        """Pretend to write an adapter; one of six probes changed in the GGUF file."""
        chosen = parse_formats(formats) if formats else FORMATS
        if name not in ("", *NAMES):
            raise UsageError(f"{name!r} has no adapter to export", next_step="graft train")
        probes = {
            item: {"asked": 6, "changed": [["?", "a", "b"]] if item == "gguf" else []}
            for item in chosen
            if item != "ollama"
        }
        files = {"README.md": 1_000_000, "export.json": 2_000_000}
        return ExportReport(name or "hybrid", Path(target), chosen, files, probes, {})

    def train(
        self,
        names: Sequence[str] = (),
        *,
        effort: Effort = "quick",
        force: bool = False,
        on_progress: Progress | None = None,
    ) -> list[TrainReport]:
        """Pretend to train; the second time the adapters are reused."""
        reports = []
        built = set(self.state["adapters"])
        for name in names or NAMES:
            reused = name in built and not force
            if on_progress is not None:
                on_progress(f"train {name}", 3, 3)
            built.add(name)
            self.store(adapters=sorted(built))
            folder = self.root / ".graft" / "adapters" / name
            said = "Answers on dev settled at 50%; step 3 is kept."
            reports.append(
                TrainReport(
                    name, folder, reused, 3, 1200, 2.0, 0.5, {"too long": 1}, said, "█▄▁", AUDIT
                )
            )
        return reports

    def pairs(self) -> int:
        """Return as many training pairs as can teach facts."""
        return 3_000

    def forecast(
        self,
        names: Sequence[str] = (),
        *,
        effort: Effort = "quick",
        on_progress: Progress | None = None,
    ) -> list[TrainForecast]:
        """Return made-up forecasts."""
        left_out = {"too long": 1}
        return [
            TrainForecast(
                name,
                name in self.state["adapters"],
                rows=12,
                dev_rows=4,
                epochs=5,
                steps=3,
                tokens=1200,
                learned_tokens=96,
                seconds=100.0,
                memory_bytes=1_900_000_000,
                disk_bytes=50_000_000,
                kept_bytes=10_000_000,
                pilot=effort != "quick",
                seeds=3 if effort == "thorough" else 1,
                left_out=left_out,
                audit=AUDIT,
            )
            for name in names or NAMES
        ]

    def stale(self) -> dict[str, Staleness]:
        """Return one changed document of ten for each adapter."""
        return {name: Staleness(10, ("kiln.md",), (), 1.0) for name in self.state["adapters"]}

    def check(
        self,
        names: Sequence[str] = (),
        *,
        changes: Path | str | None = None,
        questions_a_month: float = 0.0,
        error_cost: float = 0.0,
        train_cost: float = 0.0,
        on_progress: Progress | None = None,
    ) -> list[CheckReport]:
        """Pretend that every changed question gets its old answer."""
        asked = read_changes(Path(changes)) if changes else []
        counts = {"new": 0, "old": len(asked), "other": 0, "declined": 0}
        answers = [
            {"question": item.question, "answer": item.old[0], "kind": "old"} for item in asked
        ]
        reports = []
        for name, stale in self.stale().items():
            advice = advise(
                stale,
                questions_a_month=questions_a_month,
                error_cost=error_cost,
                train_cost=train_cost,
            )
            reports.append(CheckReport(name, stale, len(asked), counts, advice, answers))
        return reports
