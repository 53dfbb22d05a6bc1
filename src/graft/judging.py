"""The optional judge over the newest comparison: a sample for people, the gate, the scores.

Verdicts, gate and scores lie in `.graft/judge/<judge>/`, one folder a judge, so that another
server, model or prompt starts without a gate. Nothing here changes a verdict of a comparison.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.addresses import is_loopback, public_url
from graft.config import Config, JudgeConfig
from graft.decide.sheet import score_of
from graft.errors import BadInput, ConfigError, MissingPrerequisite
from graft.files import write_atomically
from graft.judge import Identity, Judge, ToJudge, Verdict, VerdictLog, judge_all
from graft.judge_gate import (
    MIN_LABELS,
    Gate,
    Labelled,
    hold_gate,
    judged_arm,
    judged_differences,
)
from graft.judge_sample import Answers, answers_of, draw, read_labels
from graft.protocols import Generator, Progress
from graft.results import Results

__all__ = ["Judging", "SampleReport"]

SCHEMA = 1
GATE_MISSED = "judge_gate_missed"
GATE_ELSEWHERE = "judge_gate_of_other_answers"


@dataclass(frozen=True, slots=True)
class SampleReport:
    """A file of answers to label: `strata` counts questions that no, some, all arms got right.

    `told_by` says by what right and wrong were told: the judge, else the mechanical measure.
    """

    path: Path
    answers: int
    questions: int
    arms: tuple[str, ...]
    strata: Mapping[str, int]
    told_by: str


def ask_openai(config: JudgeConfig, key: str) -> Generator:
    """Return the generator of a judge."""
    from graft.generate.openai import OpenAIGenerator

    return OpenAIGenerator(
        config.base_url, config.model, key, timeout_seconds=config.timeout_seconds
    )


class Judging:
    """Samples, gates and scores with the judge of a configuration."""

    def __init__(
        self,
        results: Results,
        config: Config,
        state: Path,
        connect: Callable[[JudgeConfig, str], Generator] = ask_openai,
    ) -> None:
        """Take the stored comparisons; nothing is read or asked yet."""
        self._results = results
        self._config = config
        self._state = state
        self._connect = connect

    @property
    def identity(self) -> Identity:
        """Name the configured judge."""
        return Identity.of(self._config.judge)

    @property
    def folder(self) -> Path:
        """Return where this judge's verdicts, gate and scores lie."""
        return self._state / "judge" / self.identity.key

    @property
    def _verdicts(self) -> VerdictLog:
        return VerdictLog(self.folder / "verdicts.jsonl")

    def gate_now(self) -> Gate | None:
        """Return the stored gate of this judge, None where it was never held."""
        path = self.folder / "gate.json"
        if not path.is_file():
            return None
        try:
            return Gate.from_json(json.loads(path.read_text(encoding="utf-8"))["gate"])
        except (ValueError, TypeError, KeyError) as error:
            raise BadInput(
                "the stored gate of the judge cannot be read",
                where=str(path),
                why=f"{type(error).__name__}: {error}",
                next_step="graft judge gate FILE.jsonl",
            ) from error

    def sample(self, path: Path, count: int = MIN_LABELS, *, force: bool = False) -> SampleReport:
        """Write answers for people to label: all arms' answers to the questions drawn.

        Raises:
            BadInput: there is no comparison, no answer to judge, or the file exists.
        """
        if path.exists() and not force:
            raise BadInput(
                "this file exists already",
                where=str(path),
                why="labels in it would be lost",
                next_step="graft judge sample OTHER.jsonl   or   graft judge sample --force FILE",
            )
        answers = answers_of(self._results.comparand())
        if not answers.whole:
            raise BadInput(
                "there is no answer to judge",
                where="the newest comparison",
                why="no answerable question was answered by every arm",
                next_step="graft compare",
            )
        found = draw(answers, self._verdicts.read(), count, self._config.seed)
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in found.rows]
        write_atomically(path, "".join(lines))
        questions = sum(found.strata.values())
        arms = tuple(answers.by_arm)
        return SampleReport(path, len(lines), questions, arms, found.strata, found.told_by)

    def gate(self, path: Path, on_progress: Progress | None = None) -> Gate:
        """Ask the judge about labelled answers, hold its gate and store the result.

        Raises:
            QuestionFileError: a line cannot be used; every such line is named.
            ConfigError, MissingPrerequisite: there is no judge that may be asked.
            GenerationFailed: its server does not answer.
        """
        answers = answers_of(self._results.comparand())
        labels = read_labels(path, answers)
        items = {key: answers.item(*key) for key in labels}
        verdicts = self._judge(list(items.values()), on_progress)
        rows = [
            Labelled(*key, label.right, verdicts[items[key].key].right, label.weight)
            for key, label in labels.items()
        ]
        needed = min(MIN_LABELS, len(answers.items))
        gate = hold_gate(rows, list(answers.by_arm), needed, answers.comparison)
        self._write("gate.json", {"gate": dataclasses.asdict(gate)})
        return gate

    def score(self, on_progress: Progress | None = None) -> dict[str, Any]:
        """Judge every answer of the newest comparison; return and store the numbers.

        Without a passed gate they are `secondary` and flagged. An interrupted call continues.

        Raises:
            ConfigError, MissingPrerequisite: there is no judge that may be asked.
            GenerationFailed: its server does not answer.
        """
        answers, gate = answers_of(self._results.comparand()), self.gate_now()
        verdicts = self._judge(answers.items, on_progress)
        own = {
            arm: {name: verdicts[answers.item(arm, name).key] for name in records}
            for arm, records in answers.by_arm.items()
        }
        read = {
            arm: {name: one.right for name, one in found.items() if one.right is not None}
            for arm, found in own.items()
        }
        arms = [
            {
                "name": arm,
                **judged_arm(read[arm], answers.questions, gate.arm(arm) if gate else None),
                **_counts(answers, arm, own[arm]),
            }
            for arm in answers.by_arm
        ]
        passed = gate is not None and gate.passed
        flags = [] if passed else [GATE_MISSED]
        same = gate is not None and gate.comparison == answers.comparison
        if passed and not same:
            flags.append(GATE_ELSEWHERE)
        rows = gate.rows if gate and same else ()
        scores = {
            "comparison": answers.comparison,
            "gate": _gate_summary(gate),
            "secondary": not passed,
            "flags": flags,
            "arms": arms,
            "differences": judged_differences(read, answers.questions, rows),
        }
        self._write("scores.json", scores)
        return {"judge": dataclasses.asdict(self.identity), **scores}

    def _judge(
        self, items: Sequence[ToJudge], on_progress: Progress | None
    ) -> Mapping[str, Verdict]:
        config = self._config.judge
        judge = Judge(self._connect(config, self._key()), config.instructions, self._config.seed)
        try:
            return judge_all(judge, items, self._verdicts, on_progress)
        finally:
            judge.close()

    def _key(self) -> str:
        """Check that the judge may be asked and can be; return its key, empty where none."""
        config = self._config.judge
        if not config.base_url or not config.model:
            raise MissingPrerequisite(
                "there is no judge",
                where="graft.toml [judge]",
                why="base_url or model is empty",
                next_step="set base_url (with /v1) and model under [judge]; docs/judge.md",
            )
        if self._config.offline and not is_loopback(config.base_url):
            raise ConfigError(
                "the judge cannot be asked offline",
                where="graft.toml [judge]",
                why=f"offline = true, and {public_url(config.base_url)} is not on this machine: "
                "questions and answers would leave it",
                next_step="set offline = false, or set base_url to a server on this machine",
            )
        key = os.environ.get(config.api_key_env, "").strip() if config.api_key_env else ""
        if config.api_key_env and not key:
            raise MissingPrerequisite(
                "there is no key for the judge",
                where=f"the environment variable {config.api_key_env}",
                why="it is not set or empty",
                next_step=f"export {config.api_key_env}=... and run the command again",
            )
        return key

    def _write(self, name: str, values: Mapping[str, Any]) -> None:
        head = {"schema": SCHEMA, "judge": dataclasses.asdict(self.identity)}
        text = json.dumps({**head, **values}, ensure_ascii=False, indent=1)
        write_atomically(self.folder / name, text)


def _gate_summary(gate: Gate | None) -> dict[str, Any] | None:
    if gate is None:
        return None
    return {
        "passed": gate.passed,
        "reasons": gate.reasons,
        "kappa": gate.kappa,
        "labels": gate.labels,
        "unreadable": gate.unreadable,
    }


def _counts(answers: Answers, arm: str, verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """Return what was left out of an arm's shares, and its mechanical score on the rest."""
    records = answers.by_arm[arm]
    scores = [
        value
        for name, one in verdicts.items()
        if one.right is not None and (value := score_of(records[name], "primary")) is not None
    ]
    return {
        "unreadable": sum(one.right is None and not one.error for one in verdicts.values()),
        "not_judged": sum(bool(one.error) for one in verdicts.values()),
        "failed": answers.failed[arm],
        "mechanical": sum(scores) / len(scores) if scores else None,
    }
