"""Stored comparisons: what they were made of, the verdict, the reports; read without a model."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.comparing import Measured
from graft.decide import decide
from graft.decide.compare import SCHEMA as COMPARISON_SCHEMA
from graft.errors import BadInput, UsageError
from graft.files import write_atomically
from graft.formats import check_format, sealed, unsealed
from graft.manifests import note
from graft.metrics import METRICS_VERSION, NO_SOURCES, Sources
from graft.report.html import write_html
from graft.report.markdown import render_markdown
from graft.rescoring import check_fingerprints, fingerprints_of, rescore_run, write_scores
from graft.runs import Comparand, question_from_json, read_run
from graft.types import Question, fingerprint

__all__ = ["CompareResult", "RescoreResult", "Results"]

SCHEMA = 1
NEEDS = "0.1.0"  # the first version of Graft that reads it


@dataclass(frozen=True, slots=True)
class CompareResult:
    """A comparison as JSON, where its reports lie, and the number of failed questions."""

    comparison: dict[str, Any]
    report: Path
    markdown: Path
    reused: bool
    failed: int


@dataclass(frozen=True, slots=True)
class RescoreResult:
    """Stored answers scored again: the comparison anew, and how many scores changed by measure.

    `kept` names the arms whose scores of grounding could not be computed anew, because the
    documents are not those that the arms were measured with.
    """

    result: CompareResult
    report_id: str
    records: int
    changed: Mapping[str, int]
    kept: tuple[str, ...]


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
        asked = [comparand.margin, list(comparand.flags), comparand.blockers]
        if comparand.target or any(comparand.limits.values()):
            asked += [comparand.target, dict(comparand.limits)]
        name = fingerprint(runs, *asked)
        folder = self._folder / name
        path = folder / "comparand.json"
        if created := _created(path):
            comparand = dataclasses.replace(comparand, created=created)
        data = {
            field.name: getattr(comparand, field.name)
            for field in dataclasses.fields(comparand)
            if field.name not in ("runs", "questions")
        }
        data |= {"schema": SCHEMA, "needs": NEEDS}
        data["runs"] = [
            {
                "run_id": run.manifest.run_id,
                "changes": run.manifest.adapter_changes_answers,
                "price_per_1000": run.manifest.price_per_1000,
                **fingerprints_of(run.manifest),
            }
            for run in comparand.runs
        ]
        data["questions"] = [dataclasses.asdict(item) for item in comparand.questions]
        data["asked"] = fingerprint(data["questions"])
        write_atomically(path, json.dumps(sealed(data), ensure_ascii=False))
        result = self._draw(folder, comparand, measured.reused)
        write_atomically(self._folder / "newest.txt", name)
        return result

    def redraw(self) -> CompareResult:
        """Draw the newest comparison again.

        Raises:
            BadInput: there is none.
        """
        folder = self._finished_folder()
        return self._draw(folder, self._read(folder), reused=True)

    def comparand(self) -> Comparand:
        """Return what the newest comparison was made of.

        Raises:
            BadInput: there is none, or it cannot be read.
        """
        return self._read(self._finished_folder())

    def rescore(
        self,
        report_id: str = "",
        sources: Callable[[Sequence[Question]], Sources] = lambda _: NO_SOURCES,
        corpus: str = "",
    ) -> RescoreResult:
        """Score the stored answers of a comparison with today's measures and draw it again.

        `sources` gives the texts of the gold documents of questions, `corpus` the version that
        they are of: arms measured with another one keep their scores of grounding.

        Raises:
            BadInput: there is no comparison, or it cannot be read.
            UsageError: there is none of that id.
            FingerprintMismatch: its runs are not those on the disk.
        """
        folder = self._finished_folder(report_id)
        comparand = self._read(folder)
        check_fingerprints(_json(folder / "comparand.json"), comparand.runs, folder)
        questions = {item.id: item for item in comparand.questions}
        found = sources(comparand.questions)
        changed, records, kept = Counter[str](), 0, []
        for run in comparand.runs:
            manifest = run.manifest
            if manifest.not_applicable:
                continue
            known = found if manifest.corpus == corpus else NO_SOURCES
            if not known.documents:
                kept.append(manifest.arm)
            scored, moved = rescore_run(run, questions, comparand.passages, known)
            place = self._state / "runs" / manifest.run_id
            write_scores(place, scored)
            note(place, {"metrics": METRICS_VERSION})
            changed += moved
            records += len(scored)
        result = self._draw(folder, self._read(folder), reused=True)
        return RescoreResult(result, folder.name, records, dict(sorted(changed.items())), (*kept,))

    def newest(self) -> dict[str, Any]:
        """Return the newest comparison as JSON, empty where there is none.

        Raises:
            BadInput: it cannot be read.
        """
        folder = self._newest_folder()
        if folder is None:
            return {}
        path = folder / "comparison.json"
        found = _json(path)
        check_format(found, COMPARISON_SCHEMA, "the comparison was written", str(path))
        found.pop("needs", None)
        if not isinstance(found.get("verdict"), dict):
            raise _unreadable(path, "it has no verdict")
        return found

    def recommended(self) -> str:
        """Return the recommended arm of the newest comparison, or an empty string."""
        verdict = self.newest().get("verdict", {})
        return str(verdict.get("recommended") or "")

    def settings(self) -> dict[str, Any]:
        """Return the derived values of the newest comparison, empty where there is none."""
        folder = self._newest_folder()
        found = _json(folder / "comparand.json").get("settings") if folder else None
        return dict(found or {})

    def adapters(self) -> dict[str, Path]:
        """Return the adapter folders of the newest comparison by name."""
        names = self.settings().get("adapters", {})
        found = {name: self._state / "adapters" / folder for name, folder in names.items()}
        return {name: path for name, path in found.items() if path.is_dir()}

    def _newest_folder(self) -> Path | None:
        pointer = self._folder / "newest.txt"
        if not pointer.is_file():
            return None
        folder = self._folder / pointer.read_text(encoding="utf-8", errors="replace").strip()
        return folder if (folder / "comparison.json").is_file() else None

    def _finished_folder(self, report_id: str = "") -> Path:
        """Return the folder of a comparison by its id, or of the newest one."""
        folder = self._newest_folder()
        known = sorted(path.parent.name for path in self._folder.glob("*/comparand.json"))
        if report_id and report_id not in known:
            raise UsageError(
                f"there is no comparison {report_id!r}",
                where=str(self._folder),
                why=f"comparisons are {', '.join(known)}" if known else "there is none yet",
                next_step="graft score" if known else "graft compare",
            )
        if report_id:
            return self._folder / report_id
        if folder is None:
            raise BadInput(
                "there is no comparison yet",
                where=str(self._folder),
                why="a report is drawn from a finished comparison",
                next_step="graft compare",
            )
        return folder

    def _draw(self, folder: Path, comparand: Comparand, reused: bool) -> CompareResult:
        comparison = decide(comparand).to_json()
        text = json.dumps(sealed({**comparison, "needs": NEEDS}), indent=1, ensure_ascii=False)
        write_atomically(folder / "comparison.json", text)
        report = write_html(folder / "report.html", comparison, comparand)
        markdown = folder / "report.md"
        write_atomically(markdown, render_markdown(comparison))
        failed = sum(1 for run in comparand.runs for record in run.records if record.error)
        return CompareResult(comparison, report, markdown, reused, failed)

    def _read(self, folder: Path) -> Comparand:
        path = folder / "comparand.json"
        data = _json(path)
        check_format(data, SCHEMA, "the comparison was written", str(path))
        try:
            return self._comparand(data)
        except (KeyError, TypeError, AttributeError) as error:
            raise _unreadable(path, f"{type(error).__name__}: {error}") from error

    def _comparand(self, data: Mapping[str, Any]) -> Comparand:
        runs = []
        for entry in data["runs"]:
            run = read_run(self._state / "runs" / entry["run_id"])
            manifest = dataclasses.replace(run.manifest, adapter_changes_answers=entry["changes"])
            if entry.get("price_per_1000") is not None:
                manifest = dataclasses.replace(manifest, price_per_1000=entry["price_per_1000"])
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
    """Read a stored file.

    Raises:
        BadInput: it is missing, broken, or holds no JSON object.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("it holds no JSON object")
        return unsealed(data)
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, why: str) -> BadInput:
    """Return the error: a comparison is drawn anew from what was compared, and that from runs."""
    return BadInput(
        "a stored comparison cannot be read",
        where=str(path),
        why=f"{' '.join(why.split())}; it can be written anew, no answer is lost",
        next_step="graft report" if path.name == "comparison.json" else "graft compare",
    )


def _created(path: Path) -> str:
    """Return the day on which a comparison was first stored; a broken file is written anew."""
    try:
        return str(_json(path)["created"]) if path.exists() else ""
    except (BadInput, KeyError):
        return ""
