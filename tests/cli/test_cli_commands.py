"""Every command over the fake workspace: what it prints where, and its exit code."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from typer.main import get_command

from graft.cli import commands
from graft.cli.comparison import note_plan
from graft.cli.session import Session
from graft.config import Config, parse_config
from graft.corpus import AddReport
from graft.estimate import ComparePlan
from graft.testing.workspace import FakeWorkspace

COMMANDS = [
    "init", "add", "questions import", "questions check", "questions export", "search", "ask",
    "train", "compare", "report", "score", "serve", "export", "remove", "versions", "tag",
    "rollback", "diff", "verify", "reindex", "status", "doctor", "config", "demo",
]  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_two_examples_and_the_common_options(graft, name):
    result = graft(*name.split(), "--help")
    assert result.exit_code == 0
    examples = result.stdout.partition("Examples:\n")[2].strip().splitlines()
    assert len(examples) == 2
    assert all(line.strip().startswith(f"graft {name}") for line in examples)
    for option in ("--json", "-q", "-v"):
        assert option in result.stdout
    assert ("--workspace" in result.stdout) == (name != "demo")


def test_the_list_of_commands_follows_the_golden_path():
    group = get_command(commands.app)
    names = group.list_commands(None)
    wanted = ["init", "add", "questions", "compare", "score", "judge", "serve"]
    assert sorted(wanted, key=names.index) == wanted


def test_no_line_of_the_list_of_commands_is_cut_off(graft):
    listed = graft("--help").stdout.partition("Commands:")[2].partition("Start with")[0]
    assert "..." not in listed
    assert "without a recommendation rag" in " ".join(graft("ask", "--help").stdout.split())


@pytest.mark.parametrize(
    ("line", "command", "why"),
    [
        ("--bogus", "graft", "--bogus"),
        ("compare --effort fast", "graft compare", "'fast'"),
        ("ask", "graft ask", "question"),
        ("judge nosuch", "graft judge", "nosuch"),
    ],
)
def test_what_the_parser_refuses_has_four_lines_too(graft, line, command, why):
    result = graft(*line.split())
    lines = result.stderr.splitlines()
    assert (result.exit_code, len(lines)) == (2, 4)
    assert lines[1] == f"  where  {command}"
    assert why in lines[2]
    assert lines[3] == f"  next   {command} --help"


def test_a_group_without_a_command_shows_its_help(graft):
    result = graft("judge")
    assert result.exit_code == 2
    assert "Usage: graft judge" in result.output
    assert "error:" not in result.output


@pytest.mark.parametrize(
    ("option", "value"),
    [("--arms", "rag"), ("--arms", ""), ("--limit", "3"), ("--junit", "x.xml"), ("--arm", "rag"),
     ("--fail-under", "0.8"), ("--fail-if-regressed", "graft.toml")],
)  # fmt: skip
def test_retrieval_alone_refuses_what_it_would_ignore(graft, workspace, option, value):
    result = graft("compare", "--retrieval", option, value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: --retrieval measures no arm\n  where  {option}\n")


def test_an_empty_list_of_arms_is_not_every_arm(graft, workspace):
    result = graft("compare", "--arms", "")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "a name is missing in a list" in result.stderr


def test_a_second_export_keeps_its_form_and_quotes_the_path(graft, workspace):
    assert graft("questions", "export", "my beir", "--format", "beir").exit_code == 0
    refused = graft("questions", "export", "my beir", "--format", "beir")
    assert refused.exit_code == 4
    assert "graft questions export 'my beir' --format beir --force" in refused.stderr
    unknown = graft("questions", "export", "qa.txt")
    assert unknown.exit_code == 2
    assert "next   graft questions export qa.txt --format jsonl" in unknown.stderr
    assert not Path("qa.txt").exists()
    assert graft("questions", "export", "qa.txt", "--format", "jsonl").exit_code == 0


def test_without_a_command_the_help_is_shown(graft):
    result = graft()
    assert result.exit_code == 0
    assert "graft questions import questions.jsonl" in result.stdout


def test_the_version_is_printed(graft):
    assert graft("--version").stdout == "graft 0.1.0\n"


@pytest.mark.parametrize(
    "line",
    ["--bogus", "compar", "compare --effort fast", "ask", "ask Q --arm rag --all",
     "search x --limit 0", "questions import q.jsonl --where core", "compare --arms base,,rag",
     "serve --host 0.0.0.0"],
)  # fmt: skip
def test_a_usage_error_exits_with_2(graft, workspace, line):
    result = graft(*line.split())
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "rror" in result.stderr


def test_init_says_what_it_made_and_what_comes_next(graft, tmp_path):
    result = graft("init", "team")
    assert result.stdout == f"created the workspace {tmp_path / 'team'}\n"
    assert f"next: cd {tmp_path / 'team'} && graft add docs/" in result.stderr
    assert f"next: cd '{tmp_path / 'our team'}' && graft add" in graft("init", "our team").stderr
    again = graft("init", "team")
    assert again.exit_code == 4
    assert again.stderr.splitlines()[0] == "error: this folder is a workspace already"


def test_init_takes_the_folder_of_the_common_option(graft, tmp_path):
    assert graft("init", "--workspace", "there", "--base-model", "fake").exit_code == 0
    assert parse_config((tmp_path / "there" / "graft.toml").read_text()).base_model == "fake"


def test_outside_a_workspace_the_error_has_four_lines_and_exit_code_4(graft, tmp_path):
    result = graft("status")
    assert result.exit_code == 4
    assert result.stdout == ""
    assert [line.split()[0] for line in result.stderr.splitlines()] == [
        "error:",
        "where",
        "why",
        "next",
    ]


def test_the_workspace_can_be_named_by_option_and_by_variable(graft, workspace, monkeypatch):
    monkeypatch.chdir("/")
    assert graft("status").exit_code == 4
    assert graft("status", "--workspace", str(workspace.root)).exit_code == 0
    monkeypatch.setenv("GRAFT_WORKSPACE", str(workspace.root))
    assert graft("status").exit_code == 0


def test_add_counts_and_names_what_it_skipped(graft, workspace):
    (workspace.root / "docs" / "logo\x1b[31m.png").write_bytes(b"")
    (workspace.root / "docs" / "new.txt").write_text("The canteen opens at noon.")
    result = graft("add", "docs")
    assert result.stdout == "1 added, 1 unchanged, 1 skipped; 2 passages\n"
    assert r"skipped logo\x1b[31m.png: no loader for .png" in result.stderr
    assert "next: graft questions import questions.jsonl" in result.stderr


def test_add_says_how_many_documents_a_newer_loader_read_again(graft, workspace, monkeypatch):
    report = AddReport(unchanged=("a.md",), reread=("b.epub", "c.epub"), passages=9)
    monkeypatch.setattr(type(workspace), "add", lambda *_, **__: report)
    told = "1 unchanged, 2 read again with a newer loader; 9 passages\n"
    assert graft("add", "docs").stdout == told


def test_add_as_json_lists_the_documents(document, workspace):
    data = document("add", "docs")
    assert data["unchanged"] == ["kiln.md"]
    assert data["skipped"] == []


def test_questions_are_imported_under_a_condition(document, graft, workspace):
    result = graft("questions", "import", "questions.jsonl", "--where", "core=true")
    assert result.stdout == "4 questions imported: 1 train, 1 dev, 2 test\n"
    assert "1 test line left out by --where" in result.stderr
    assert "next: graft questions check" in result.stderr
    data = document("questions", "import", "questions.jsonl")
    assert data["questions"] == {"train": 1, "dev": 1, "test": 3}


def test_questions_check_says_what_stands_out(graft, document, workspace):
    assert graft("questions", "check").stdout == "5 questions.\n"
    assert document("questions", "check")["remarks"] == ["5 questions."]


def test_search_shows_where_each_passage_stands(graft, document, workspace):
    result = graft("search", "kiln fired")
    assert result.stdout == "1. kiln.md > Fake\n   The kiln is fired on Mondays.\n"
    assert document("search", "kiln")["hits"][0]["passage"]["doc_id"] == "kiln.md"


def test_ask_puts_the_answer_alone_on_stdout(graft, document, workspace):
    result = graft("ask", "When is the kiln fired?")
    assert result.stdout == "Mondays\n"
    assert "[1] kiln.md > Fake" in result.stderr
    assert graft("ask", "When?", "-q").stderr == ""
    assert document("ask", "When?", "--arm", "base")["answers"][0]["declined"] is True


def test_ask_all_shows_every_arm(graft, workspace):
    lines = graft("ask", "--all", "When is the kiln fired?").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["base", "rag", "decline"]


def test_train_reuses_what_is_there(graft, document, workspace):
    first = graft("train", "hybrid")
    assert "hybrid  trained, 3 steps, 1,200 tokens, 2 s" in first.stdout
    assert "right answers on dev 50%" in first.stderr
    assert "hybrid  reused, nothing changed" in graft("train").stdout
    assert [item["adapter"] for item in document("train")["adapters"]] == ["finetuned", "hybrid"]


def test_a_dry_run_says_what_training_would_take_and_trains_nothing(graft, document, workspace):
    result = graft("train", "--dry-run", "--effort", "normal")
    first, second, *_ = result.stdout.splitlines()
    assert first == "finetuned  12 rows in 5 passes, 3 steps, 1,200 tokens, 96 of them learned"
    assert "1.9 GB of memory, 50 MB of disk, of which 10 MB stay" in second
    assert "a pilot of the learning rate" in second
    assert "⟦90 seconds⟧" in result.stderr
    assert document("train", "--dry-run")["adapters"][0]["memory_bytes"] == 1_900_000_000
    assert "trained, 3 steps" in graft("train", "hybrid").stdout


def test_training_shows_its_curve_and_what_it_learns(graft, workspace):
    said = graft("train", "hybrid").stderr
    assert "training loss █▄▁" in said
    assert "settled at 50%" in said
    assert "train: 12 rows, 96 tokens learned of 600; a row 4 to 20, median 8" in said
    assert "⟦" not in said
    assert "⟦90 seconds⟧" in graft("train", "finetuned", "-v").stderr


def test_a_check_asks_about_changes_and_advises(graft, document, workspace, tmp_path):
    graft("train", "hybrid")
    changes = tmp_path / "changes.jsonl"
    changes.write_text('{"question": "When?", "old": "Mondays", "new": "Fridays"}\n')
    result = graft("train", "--check", "--changes", str(changes))
    assert "hybrid  trained on 10 documents: 1 changed, 0 removed since" in result.stdout
    assert "asked 1 changed question: new 0, old 1, other 0, declined 0" in result.stdout
    assert "--questions-per-month" in result.stdout
    assert "old: When?  Mondays" in result.stderr
    money = ("--questions-per-month", "1000", "--error-cost", "5", "--train-cost", "10")
    assert "Retrain now" in graft("train", "--check", *money).stdout
    assert document("train", "--check")["shares"] == {
        "hybrid": {"new": 0.0, "old": 0.0, "other": 0.0, "declined": 0.0}
    }


@pytest.mark.parametrize(
    "line", ["--check --force", "--check --dry-run", "--changes x.jsonl", "--error-cost 2"]
)
def test_options_of_train_that_do_not_go_together_are_refused(graft, workspace, line):
    assert graft("train", *line.split()).exit_code == 2


def test_export_says_what_was_asked_of_each_written_model(graft, document, workspace):
    result = graft("export", "finetuned", "--to", "out", "--formats", "gguf,peft")
    assert result.stdout.splitlines() == [
        "peft  6 of 6 probes answered as after training",
        "gguf  5 of 6 probes answered as after training",
        "2 files, 3 MB, in out",
    ]
    assert "next: read README.md in out" in result.stderr
    assert document("export", "--to", "out")["formats"] == ["peft", "merged", "gguf", "ollama"]


@pytest.mark.parametrize(
    "line", ["export", "export rag --to out", "export --to out --formats onnx"]
)
def test_an_export_of_nothing_is_a_usage_error(graft, workspace, line):
    assert graft(*line.split()).exit_code == 2


def test_compare_says_first_what_it_will_do_then_shows_the_table(graft, workspace):
    result = graft("compare")
    assert result.exit_code == 0
    plan, work = result.stderr.split("Ctrl-C stops it")
    assert "this takes about 4 min" in plan
    assert ["train", "finetuned", "3", "min"] in [line.split() for line in plan.splitlines()]
    assert "effort quick, caps.limit -" in plan
    assert "ask 4/4" in work
    assert "next: graft serve" in work
    assert result.stdout.startswith("Use hybrid: it is the fake winner.")
    assert "\x1b" not in result.stdout
    assert result.stdout.rstrip().endswith("report.html")


def test_compare_again_says_that_nothing_was_done_twice(graft, workspace):
    first = graft("compare")
    second = graft("compare")
    assert second.stdout == first.stdout
    assert "every answer was reused" in second.stderr


def test_compare_as_json_is_the_comparison(document, workspace):
    data = document("compare", "--arms", "base,rag")
    assert [arm["name"] for arm in data["arms"]] == ["base", "rag"]


def test_failed_questions_give_exit_code_5_after_the_table(graft, workspace, monkeypatch):
    whole = FakeWorkspace.compare

    def two_failed(self, **settings):
        return dataclasses.replace(whole(self, **settings), failed=2)

    monkeypatch.setattr(FakeWorkspace, "compare", two_failed)
    result = graft("compare", "-q")
    assert result.exit_code == 5
    assert "Use hybrid" in result.stdout
    assert result.stderr == "2 questions failed; the report names them\n"


def test_report_shows_the_newest_comparison_again(graft, workspace):
    assert graft("report").exit_code == 4
    compared = graft("compare").stdout
    assert graft("report").stdout == compared


def test_without_a_recommendation_the_next_step_is_not_to_serve(graft, undecided):
    page = undecided.report().report
    assert f'next: open {page}, its part "Why"' in graft("report").stderr


def with_comparison(workspace, monkeypatch, verdict, failures):
    whole = FakeWorkspace._result

    def changed(self, reused):
        result = whole(self, reused)
        data = result.comparison
        data = data | {"verdict": data["verdict"] | verdict, "failures": failures}
        return dataclasses.replace(result, comparison=data)

    monkeypatch.setattr(FakeWorkspace, "_result", changed)


@pytest.mark.parametrize(
    ("verdict", "failures", "step"),
    [
        ({"recommended": ""}, ["graft report", "graft doctor"], 'open {}, its part "Why"'),
        ({"recommended": ""}, ["graft doctor"], "cd graft-demo && graft doctor"),
        ({"blocked_by": ["clusters:3"]}, [], 'open {}, its part "Why"'),
        ({}, ["graft doctor"], "cd graft-demo && graft serve"),
    ],
)
def test_the_next_step_of_the_demo_goes_to_what_stands_in_the_way(
    graft, tmp_path, monkeypatch, verdict, failures, step
):
    told = [
        {"arm": "rag", "kind": "failed", "n": 1, "share": 0.1, "text": "it failed", "command": item}
        for item in failures
    ]
    with_comparison(FakeWorkspace, monkeypatch, verdict, told)
    result = graft("demo")
    page = tmp_path / "graft-demo" / ".graft" / "reports" / "fake" / "report.html"
    assert result.exit_code == 0
    assert f"next: {step.format(page)}\n" in result.stderr


def test_status_shows_one_fact_a_line(graft, document, workspace):
    lines = [" ".join(line.split()) for line in graft("status").stdout.splitlines()]
    assert "documents 1" in lines
    assert "questions.test 5" in lines
    assert "skipped logo.png: no loader for .png" in lines
    assert "recommended -" in lines
    told = (
        "fake, weights hashed-words-1, sum pooling, of any length, f32, 64 dimensions, no prefixes"
    )
    assert f"embeddings {told}" in lines
    data = document("status")
    assert data["questions"]["test"] == 5
    assert data["embeddings"]["parts"]["precision"] == "f32"


def test_doctor_exits_with_3_where_something_is_missing(graft, workspace):
    result = graft("doctor")
    assert result.exit_code == 3
    assert "next: free some space" in result.stdout
    assert json.loads(graft("doctor", "--json").stdout)["ok"] is False


def test_config_prints_toml_that_reads_back_the_same(graft, document, workspace):
    assert parse_config(graft("config").stdout) == Config()
    assert document("config")["config"]["retrieval"]["passages"] == 3


def test_the_demo_is_the_golden_path_and_does_nothing_twice(graft, tmp_path, monkeypatch):
    monkeypatch.setenv("GRAFT_WORKSPACE", str(tmp_path / "elsewhere"))
    first = graft("demo")
    assert first.exit_code == 0
    assert "about ten minutes" in first.stderr.splitlines()[0]
    assert "1 document new or changed" in first.stderr
    second = graft("demo")
    assert second.stdout == first.stdout
    assert "0 documents new or changed, 1 unchanged" in second.stderr
    assert "every answer was reused" in second.stderr
    assert not Path("elsewhere").exists()


def test_the_demo_leaves_the_workspace_of_somebody_else_alone(graft, tmp_path):
    graft("init", "mine")
    result = graft("demo", "--folder", "mine")
    assert result.exit_code == 4
    assert "not that of the demo" in result.stderr


def test_a_plan_with_nothing_to_do_says_that_all_is_measured(capsys):
    note_plan(Session(), ComparePlan((), 0.0, {"effort": "quick"}, "20 questions", done=True))
    said = capsys.readouterr().err
    assert said == "everything is measured already; the verdict is drawn anew\n"
