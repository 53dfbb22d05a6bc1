"""Stored comparisons: what they were made of, the verdict, the reports; read without a model."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.comparing import Measured
from graft.decide import decide
from graft.errors import BadInput
from graft.files import write_atomically
from graft.report.html import write_html
from graft.report.markdown import render_markdown
from graft.runs import Comparand, question_from_json, read_run
from graft.types import fingerprint

__all__ = ["CompareResult", "Results"]

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class CompareResult:
    """A comparison as JSON, where its reports lie, and the number of failed questions."""

    comparison: dict[str, Any]
    report: Path
    markdown: Path
    reused: bool
    failed: int


class Results:
    """The folder `.graft/reports`: one folder a comparison, `newest.txt` names the last."""

    def __init__(self, state: Path) -> None:
        """Remember the folder."""
        self._state = state
        self._folder = state / "reports"

    def store(self, measured: Measured) -> CompareResult:
        """Write down what was measured, decide, draw the reports."""
        comparand = measured.comparand
        runs = [run.manifest.run_id for run in comparand.runs]
        name = fingerprint(runs, comparand.margin, list(comparand.flags), comparand.blockers)
        folder = self._folder / name
        path = folder / "comparand.json"
        if path.exists():
            created = json.loads(path.read_text(encoding="utf-8"))["created"]
            comparand = dataclasses.replace(comparand, created=created)
        data = {
            field.name: getattr(comparand, field.name)
            for field in dataclasses.fields(comparand)
            if field.name not in ("runs", "questions")
        }
        data["schema"] = SCHEMA
        data["runs"] = [
            {"run_id": run.manifest.run_id, "changes": run.manifest.adapter_changes_answers}
            for run in comparand.runs
        ]
        data["questions"] = [dataclasses.asdict(item) for item in comparand.questions]
        write_atomically(path, json.dumps(data, ensure_ascii=False, default=dict))
        result = self._draw(folder, comparand, measured.reused)
        write_atomically(self._folder / "newest.txt", name)
        return result

    def redraw(self) -> CompareResult:
        """Draw the newest comparison again.

        Raises:
            BadInput: there is none.
        """
        folder = self._newest_folder()
        if folder is None:
            raise BadInput(
                "there is no comparison yet",
                where=str(self._folder),
                why="a report is drawn from a finished comparison",
                next_step="graft compare",
            )
        return self._draw(folder, self._read(folder), reused=True)

    def newest(self) -> dict[str, Any]:
        """Return the newest comparison as JSON, empty where there is none."""
        folder = self._newest_folder()
        return _json(folder / "comparison.json") if folder else {}

    def recommended(self) -> str:
        """Return the recommended arm of the newest comparison, or an empty string."""
        newest = self.newest()
        return str(newest["verdict"]["recommended"] or "") if newest else ""

    def settings(self) -> dict[str, Any]:
        """Return the derived values of the newest comparison, empty where there is none."""
        folder = self._newest_folder()
        settings: dict[str, Any] = _json(folder / "comparand.json")["settings"] if folder else {}
        return settings

    def adapters(self) -> dict[str, Path]:
        """Return the adapter folders of the newest comparison by name."""
        names = self.settings().get("adapters", {})
        found = {name: self._state / "adapters" / folder for name, folder in names.items()}
        return {name: path for name, path in found.items() if path.is_dir()}

    def _newest_folder(self) -> Path | None:
        pointer = self._folder / "newest.txt"
        if not pointer.is_file():
            return None
        folder = self._folder / pointer.read_text(encoding="utf-8").strip()
        return folder if (folder / "comparison.json").is_file() else None

    def _draw(self, folder: Path, comparand: Comparand, reused: bool) -> CompareResult:
        comparison = decide(comparand).to_json()
        text = json.dumps(comparison, indent=1, ensure_ascii=False)
        write_atomically(folder / "comparison.json", text)
        report = write_html(folder / "report.html", comparison, comparand)
        markdown = folder / "report.md"
        write_atomically(markdown, render_markdown(comparison))
        failed = sum(1 for run in comparand.runs for record in run.records if record.error)
        return CompareResult(comparison, report, markdown, reused, failed)

    def _read(self, folder: Path) -> Comparand:
        data = _json(folder / "comparand.json")
        runs = []
        for entry in data["runs"]:
            run = read_run(self._state / "runs" / entry["run_id"])
            manifest = dataclasses.replace(run.manifest, adapter_changes_answers=entry["changes"])
            runs.append(dataclasses.replace(run, manifest=manifest))
        return Comparand(
            base_model=data["base_model"],
            created=data["created"],
            questions=tuple(question_from_json(item) for item in data["questions"]),
            exposure=data["exposure"],
            runs=tuple(runs),
            passages=data["passages"],
            flags=tuple(data["flags"]),
            blockers=tuple(data["blockers"]),
            settings=data["settings"],
            curves=data["curves"],
            margin=data["margin"],
            seed=data["seed"],
            probes=data.get("probes", {}),
            leakage=data.get("leakage", {}),
            target=data.get("target", 0.0),
            limits=data.get("limits", {}),
        )


def _json(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data
