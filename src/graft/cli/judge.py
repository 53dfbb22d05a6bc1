"""`graft judge`: draw answers to label, hold the judge's gate, score with the judge."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft.cli.session import Session
from graft.cli.texts import counted

if TYPE_CHECKING:
    from graft.judge_gate import ArmGate, Gate

__all__ = [
    "GATE_EXAMPLES",
    "SAMPLE_EXAMPLES",
    "SCORE_EXAMPLES",
    "gate_judge",
    "sample_answers",
    "score_answers",
]

GATE_NOT_MET = 100
SOME_FAILED = 5
RULE = "the rule: kappa at least 0.6, and for every arm sensitivity + specificity at least 1.5"
SAMPLE_EXAMPLES = ("graft judge sample labels.jsonl", "graft judge sample --count 200 labels.jsonl")
GATE_EXAMPLES = ("graft judge gate labels.jsonl", "graft judge gate labels.jsonl --json")
SCORE_EXAMPLES = ("graft judge score", "graft judge score --json > judged.json")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="The file of labels.")]


def sample_answers(
    session: Session,
    file: FileArgument,
    count: Annotated[int, typer.Option("--count", min=1, help="At least so many answers.")] = 100,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Overwrite the file, labels included.")
    ] = False,
) -> None:
    """Draw answers of the newest comparison for people to label.

    Each line has question, reference answers, answer and an empty label: write right or wrong.
    """
    report = session.open().judging.sample(file, count, force=force)
    session.document({"sample": report})
    session.show(f"{counted(report.answers, 'answer')} to label in {report.path}")
    strata = ", ".join(f"{number} {name}" for name, number in report.strata.items())
    session.note(
        f"{counted(report.questions, 'question')} by how many arms the {report.told_by} "
        f"{'measure' if report.told_by == 'mechanical' else 'verdict'} calls right: {strata}"
    )
    session.note('write "right" or "wrong" as the label of each line')
    session.note(f"next: graft judge gate {shlex.quote(str(report.path))}")


def gate_judge(session: Session, file: FileArgument) -> None:
    """Hold the judge against labels; exit code 100 where it misses.

    A judge that another server, model or prompt makes needs a gate of its own.
    """
    judging = session.open().judging
    with session.progress() as progress:
        gate = judging.gate(file, on_progress=progress)
    session.document({"judge": judging.identity, "gate": gate})
    session.show(f"the gate is {'passed' if gate.passed else 'missed'}")
    for reason in gate.reasons:
        session.show(f"  {reason}")
    _show_gate(session, gate)
    session.note(RULE)
    if not gate.passed:
        session.note("its numbers are secondary: mechanical measures decide, as they always do")
    session.note("next: graft judge score")
    if not gate.passed:
        raise typer.Exit(GATE_NOT_MET)


def _show_gate(session: Session, gate: Gate) -> None:
    kappa = "–" if gate.kappa is None else f"{gate.kappa:.2f}"
    unread = f", {gate.unreadable} unreadable or failed" if gate.unreadable else ""
    session.show(f"kappa {kappa} over {counted(gate.labels, 'label')}{unread}")
    width = max((len(item.arm) for item in gate.arms), default=0)
    for item in gate.arms:
        session.show(f"{item.arm:<{width}}  {_arm_line(item)}")


def _arm_line(item: ArmGate) -> str:
    from graft.report.numbers import interval, percent

    sees = [
        f"{name} {percent(share)} {interval(*bounds) if bounds else ''}".rstrip()
        for name, share, bounds in (
            ("sensitivity", item.sensitivity, item.sensitivity_interval),
            ("specificity", item.specificity, item.specificity_interval),
        )
    ]
    return ", ".join([*sees, counted(item.labels, "label")])


def score_answers(session: Session) -> None:
    """Judge all answers of the newest comparison.

    The numbers are advisory: they never change the verdict. Interrupted, the same command
    continues.
    """
    judging = session.open().judging
    with session.progress() as progress:
        scores = judging.score(on_progress=progress)
    session.document(scores)
    _show_scores(session, scores)
    failed = sum(arm["not_judged"] for arm in scores["arms"])
    if scores["secondary"]:
        reasons = (scores["gate"] or {}).get("reasons") or ["no gate was held for this judge"]
        session.complain(f"secondary numbers ({', '.join(scores['flags'])}): {'; '.join(reasons)}")
        session.note("next: graft judge sample labels.jsonl")
    elif scores["flags"]:
        session.complain("the gate was held on other answers; labels of these would be better")
        session.note("next: graft judge sample labels.jsonl")
    if failed:
        session.complain(f"{counted(failed, 'answer')} not judged; the same command asks again")
        raise typer.Exit(SOME_FAILED)


def _show_scores(session: Session, scores: Mapping[str, Any]) -> None:
    from graft.report.numbers import percent, points, points_interval

    judge = scores["judge"]
    session.show(f"judged by {judge['model']} at {judge['host']}; advisory, the verdict stands")
    width = max((len(arm["name"]) for arm in scores["arms"]), default=0)
    for arm in scores["arms"]:
        left_out = [
            f"{arm[name]} {text}"
            for name, text in (
                ("unreadable", "unreadable"),
                ("not_judged", "not judged"),
                ("failed", "failed"),
            )
            if arm[name]
        ]
        parts = [
            f"corrected {_cell(arm['corrected'])}",
            f"judged {_cell(arm['judged'])}",
            f"mechanical {percent(arm['mechanical'])}",
            f"n {arm['judged']['n']}",
            *left_out,
        ]
        session.show(f"{arm['name']:<{width}}  {', '.join(parts)}")
    for item in scores["differences"]:
        how = (
            f"with {counted(item['labelled'], 'labelled question')}"
            if item["corrected"]
            else "not corrected: no labels of these answers"
        )
        session.show(
            f"{item['a']} against {item['b']}: {points(item['difference'])} points "
            f"({points_interval(item['low'], item['high'])}), "
            f"judged {points(item['judged'])}, {how}"
        )


def _cell(cell: Mapping[str, Any]) -> str:
    from graft.report.numbers import interval, percent

    return f"{percent(cell['score'])} {interval(cell['low'], cell['high'])}".rstrip()
