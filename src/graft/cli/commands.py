"""All commands as one Typer app, in the order in which a newcomer needs them.

A command is a function whose first parameter is a `Session`. `register` gives it the options
that every command takes and runs it inside the border.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from graft import __version__
from graft.cli.add import EXAMPLES as ADD
from graft.cli.add import add
from graft.cli.ask import EXAMPLES as ASK
from graft.cli.ask import ask
from graft.cli.border import border, usage_border
from graft.cli.changes import (
    DIFF_EXAMPLES,
    REMOVE_EXAMPLES,
    ROLLBACK_EXAMPLES,
    TAG_EXAMPLES,
    VERIFY_EXAMPLES,
    VERSIONS_EXAMPLES,
    diff,
    remove,
    rollback,
    tag,
    verify,
    versions,
)
from graft.cli.compare import EXAMPLES as COMPARE
from graft.cli.compare import compare
from graft.cli.config import EXAMPLES as CONFIG
from graft.cli.config import config
from graft.cli.demo import EXAMPLES as DEMO
from graft.cli.demo import demo
from graft.cli.doctor import EXAMPLES as DOCTOR
from graft.cli.doctor import doctor
from graft.cli.export import EXAMPLES as EXPORT
from graft.cli.export import export
from graft.cli.first_sign import FirstSign
from graft.cli.init import EXAMPLES as INIT
from graft.cli.init import init
from graft.cli.judge import (
    GATE_EXAMPLES,
    SAMPLE_EXAMPLES,
    SCORE_EXAMPLES,
    gate_judge,
    sample_answers,
    score_answers,
)
from graft.cli.options import JsonOption, QuietOption, VerboseOption, WorkspaceOption
from graft.cli.questions import (
    CHECK_EXAMPLES,
    EXPORT_EXAMPLES,
    IMPORT_EXAMPLES,
    check_questions,
    export_questions,
    import_questions,
)
from graft.cli.reindex import EXAMPLES as REINDEX
from graft.cli.reindex import reindex
from graft.cli.report import EXAMPLES as REPORT
from graft.cli.report import report
from graft.cli.score import EXAMPLES as SCORE
from graft.cli.score import score
from graft.cli.search import EXAMPLES as SEARCH
from graft.cli.search import search
from graft.cli.serve import EXAMPLES as SERVE
from graft.cli.serve import serve
from graft.cli.session import Session
from graft.cli.status import EXAMPLES as STATUS
from graft.cli.status import status
from graft.cli.train import EXAMPLES as TRAIN
from graft.cli.train import train

__all__ = ["app"]

QUESTIONS = "questions"
JUDGE = "judge"
START = """\b
Start with:
  graft demo
or, on your own documents and questions:
  graft init
  graft add docs/
  graft questions import questions.jsonl
  graft compare
  graft serve"""
HELP = {"help_option_names": ["-h", "--help"]}


def register(
    group: typer.Typer,
    name: str,
    function: Callable[..., None],
    examples: Sequence[str],
    *,
    with_workspace: bool = True,
) -> None:
    """Add a command to a group; its help is the docstring and the examples."""

    def run(
        ctx: typer.Context,
        json: bool,
        quiet: bool,
        verbose: bool,
        workspace: Path | None = None,
        **own: Any,  # noqa: ANN401 - whatever the command declares
    ) -> None:
        sign = ctx.find_root().obj
        session = Session(json, quiet, verbose, workspace)
        if isinstance(sign, FirstSign):
            session = Session(json, quiet, verbose, workspace, sign)
        with border(session):
            function(session, **own)

    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(
            item.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for item in list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        ),
        _common("json", JsonOption, False),
        _common("quiet", QuietOption, False),
        _common("verbose", VerboseOption, False),
    ]
    if with_workspace:
        parameters.append(_common("workspace", WorkspaceOption, None))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {item.name: item.annotation for item in parameters}
    epilog = "\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples)
    group.command(name, help=inspect.getdoc(function), epilog=epilog, context_settings=HELP)(run)


def _common(name: str, annotation: object, default: object) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


class GoldenPath(TyperGroup):
    """The root group; it lists its commands in the order in which they are needed."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - Typer's own context
        """Put each group behind its command; Typer lists groups behind all commands."""
        names = super().list_commands(ctx)
        for group, before in ((QUESTIONS, "add"), (JUDGE, "score")):
            names.remove(group)
            names.insert(names.index(before) + 1, group)
        return names

    def make_context(self, *args: Any, **settings: Any) -> Any:  # noqa: ANN401 - Typer's own
        """Read the options of the root; what is refused is told in our form."""
        with usage_border(settings.get("obj")):
            return super().make_context(*args, **settings)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer's own context
        """Read and run a command; what is refused is told in our form."""
        with usage_border(ctx.obj):
            return super().invoke(ctx)


def _group(text: str, **settings: Any) -> typer.Typer:  # noqa: ANN401 - settings of Typer
    return typer.Typer(
        help=text,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=HELP,
        **settings,
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"graft {__version__}")
        raise typer.Exit


app = _group(
    "Fine-tune, retrieve, or both? Builds every kind of custom LLM from your documents, "
    "measures them on your questions and serves the one to use.",
    cls=GoldenPath,
    epilog=START,
)
_questions = _group("Import, check and export the questions that arms are asked.")
_judge = _group("Judge long answers with a model (optional).")


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="The version.")
    ] = False,
) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


register(app, "init", init, INIT)
register(app, "add", add, ADD)
register(_questions, "import", import_questions, IMPORT_EXAMPLES)
register(_questions, "check", check_questions, CHECK_EXAMPLES)
register(_questions, "export", export_questions, EXPORT_EXAMPLES)
app.add_typer(_questions, name=QUESTIONS, no_args_is_help=True)
register(app, "search", search, SEARCH)
register(app, "ask", ask, ASK)
register(app, "train", train, TRAIN)
register(app, "compare", compare, COMPARE)
register(app, "report", report, REPORT)
register(app, "score", score, SCORE)
register(_judge, "sample", sample_answers, SAMPLE_EXAMPLES)
register(_judge, "gate", gate_judge, GATE_EXAMPLES)
register(_judge, "score", score_answers, SCORE_EXAMPLES)
app.add_typer(_judge, name=JUDGE, no_args_is_help=True)
register(app, "serve", serve, SERVE)
register(app, "export", export, EXPORT)
register(app, "remove", remove, REMOVE_EXAMPLES)
register(app, "versions", versions, VERSIONS_EXAMPLES)
register(app, "tag", tag, TAG_EXAMPLES)
register(app, "rollback", rollback, ROLLBACK_EXAMPLES)
register(app, "diff", diff, DIFF_EXAMPLES)
register(app, "verify", verify, VERIFY_EXAMPLES)
register(app, "reindex", reindex, REINDEX)
register(app, "status", status, STATUS)
register(app, "doctor", doctor, DOCTOR)
register(app, "config", config, CONFIG)
# The demo has a workspace of its own: GRAFT_WORKSPACE must not lead it into the user's.
register(app, "demo", demo, DEMO, with_workspace=False)
