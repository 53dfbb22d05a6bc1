"""Training as a workspace offers it: train, forecast, check, and what has turned stale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from graft.adapters import TrainReport, read_receipt
from graft.arms import TUNED, Arm, GeneratorArm
from graft.asking import Asking
from graft.assembly import Assembly
from graft.checking import KINDS, CheckReport, ask_changes
from graft.config import Effort
from graft.corpus import Corpus
from graft.errors import BadInput, UsageError
from graft.exporting import ExportReport, export_adapter, parse_formats
from graft.preparing import Preparing
from graft.prompts import PromptContract
from graft.protocols import Progress
from graft.questions import QuestionSet
from graft.results import Results
from graft.staleness import (
    Change,
    Staleness,
    advise,
    changed_pairs,
    read_changes,
    staleness_of,
)
from graft.train_forecast import TrainForecast, forecast_training
from graft.training import SEEDS, Training
from graft.types import GenerateOptions

__all__ = ["ADAPTERS", "Tuning", "chosen_adapters"]

ADAPTERS = ("finetuned", "hybrid")
CHECK_TOKENS = 48


@dataclass(frozen=True, slots=True)
class Tuning:
    """Trains and examines the adapters of one workspace.

    `preparing` and `training` put the material together and open the index, so they are
    called when it is needed.
    """

    assembly: Assembly
    results: Results
    corpus: Corpus
    preparing: Callable[[], Preparing]
    questions: Callable[[], QuestionSet]
    training: Callable[[Effort], Training]
    index: Callable[[], Any]

    def train(
        self,
        names: Sequence[str] = (),
        *,
        effort: Effort = "quick",
        force: bool = False,
        on_progress: Progress | None = None,
    ) -> list[TrainReport]:
        """Train adapters by name (default: both).

        Raises:
            UsageError: there is no such adapter, or the base model is behind a server.
        """
        training = self._training(names, effort, on_progress)
        return [
            training.ensure(name, force=force, on_progress=on_progress)
            for name in names or ADAPTERS
        ]

    def pairs(self) -> int:
        """Return the number of training pairs."""
        return len(self.questions().by_split("train"))

    def forecast(
        self,
        names: Sequence[str] = (),
        *,
        effort: Effort = "quick",
        on_progress: Progress | None = None,
    ) -> list[TrainForecast]:
        """Say what training would do: its rows are built and audited, no model is loaded."""
        training = self._training(names, effort, on_progress)
        return [
            forecast_training(
                name,
                training.assembly.base,
                training.rows(name),
                training.train_plan,
                built=training.is_built(name),
                pilot=training.pilots,
                seeds=SEEDS[effort],
            )
            for name in names or ADAPTERS
        ]

    def stale(self) -> dict[str, Staleness]:
        """Return by adapter what has changed of the documents it was trained on."""
        hashes = {item.id: item.content_hash for item in self.corpus.documents()}
        found = {}
        for name, folder in chosen_adapters(self.assembly.state, self.results).items():
            found[name] = staleness_of(read_receipt(folder), hashes)
        return found

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
        """Ask adapters about changed facts: those of the file, and pairs whose answer changed.

        Raises:
            UsageError: there is no such adapter, or none is trained.
            BadInput: the file of changes cannot be used.
        """
        _known(names)
        folders = chosen_adapters(self.assembly.state, self.results)
        wanted = [name for name in names or ADAPTERS if name in folders]
        if not wanted:
            raise UsageError(
                "there is no adapter to check",
                where=str(self.assembly.state / "adapters"),
                why=f"{' and '.join(names or ADAPTERS)} not trained yet",
                next_step="graft train",
            )
        given = read_changes(Path(changes)) if changes else []
        stale = self.stale()
        reports = []
        for name in wanted:
            receipt = read_receipt(folders[name])
            asked = _distinct([*given, *changed_pairs(receipt, self.questions().questions)])
            counts: dict[str, int] = dict.fromkeys(KINDS, 0)
            answers: list[dict[str, Any]] = []
            if asked:
                arm, declined = self._arm(name, folders[name])
                counts, answers = ask_changes(arm, asked, declined, on_progress)
            advice = advise(
                stale[name],
                questions_a_month=questions_a_month,
                error_cost=error_cost,
                train_cost=train_cost,
            )
            reports.append(CheckReport(name, stale[name], len(asked), counts, advice, answers))
        return reports

    def export(
        self,
        name: str,
        target: Path | str,
        formats: str = "",
        on_progress: Progress | None = None,
    ) -> ExportReport:
        """Write an adapter, or that of an arm, for other programs.

        Without a name it is that of the recommended arm, else of the one adapter there is, else
        `hybrid`. An adapter of a comparison comes before one that was trained since.

        Raises:
            UsageError: there is no such adapter, or none is trained.
            BadInput: the folder is not empty; `export_adapter` has the rest.
        """
        chosen = parse_formats(formats) if formats else ()
        folders = chosen_adapters(self.assembly.state, self.results)
        given = name or self.results.recommended()
        wanted = TUNED.get(given, "" if name else (list(folders) or ["hybrid"])[-1])
        if not wanted:
            raise UsageError(
                f"{name!r} has no adapter to export",
                why="adapters are finetuned and hybrid; the other arms are the plain base model",
                next_step="graft export hybrid --to FOLDER",
            )
        if wanted not in folders:
            raise UsageError(
                f"the adapter {wanted} is not trained yet",
                where=str(self.assembly.state / "adapters"),
                why="there is nothing to export",
                next_step=f"graft train {wanted}",
            )
        measured = self.results.settings().get("options", {})
        return export_adapter(
            self.assembly,
            wanted,
            folders[wanted],
            PromptContract.from_config(self.assembly.config.prompt),
            Path(target),
            chosen,
            max_new_tokens=int(measured.get("max_new_tokens", CHECK_TOKENS)),
            on_progress=on_progress,
        )

    def _arm(self, name: str, folder: Path) -> tuple[Arm, Callable[[str], bool]]:
        """Return the arm of an adapter and what tells that it declines."""
        newest = self.results.adapters().get(name) == folder
        settings: Mapping[str, Any] = self.results.settings() if newest else {}
        asking = Asking(
            self.assembly,
            settings,
            {name: folder},
            self.preparing().contract(self.questions()),
            self.preparing().plan("normal"),
            self.index,
        )
        arm = cast(GeneratorArm, asking.arm(name))
        arm.options = GenerateOptions(max_new_tokens=CHECK_TOKENS)
        return arm, arm.contract.is_decline

    def _training(
        self, names: Sequence[str], effort: Effort, on_progress: Progress | None
    ) -> Training:
        _known(names)
        if self.assembly.api_only:
            raise UsageError(
                "the base model is behind a server",
                where="graft.toml",
                why="its weights cannot be trained here",
                next_step="set base_model to a model on this machine",
            )
        training = self.training(effort)
        self.preparing().index_pairs(training, on_progress)
        return training


def _known(names: Sequence[str]) -> None:
    if unknown := sorted(set(names) - set(ADAPTERS)):
        raise UsageError(
            f"no adapter is called {unknown[0]!r}",
            why="adapters are finetuned and hybrid",
            next_step="graft train",
        )


def _distinct(changes: Sequence[Change]) -> list[Change]:
    return list({item.question: item for item in changes}.values())


def chosen_adapters(state: Path, results: Results) -> dict[str, Path]:
    """Return by name the adapter of the newest comparison, else the one trained last."""
    found = {name: path for name, path in results.adapters().items() if _is_whole(path)}
    for name in ADAPTERS:
        built = [path for path in (state / "adapters").glob(f"{name}-*") if _is_whole(path)]
        if name not in found and built:
            found[name] = max(built, key=_created)
    return found


def _is_whole(folder: Path) -> bool:
    return (folder / "receipt.json").is_file()


def _created(folder: Path) -> float:
    try:
        return float(read_receipt(folder).get("created", 0.0))
    except BadInput:
        return -1.0
