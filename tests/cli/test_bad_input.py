"""Bad input on the whole product: four parts on stderr, the right exit code, nothing changed."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path

import pytest
from real_workspace import (
    CONFIG,
    _real,  # noqa: F401 - a fixture
    copied,
    done,
    four_parts,
    graft,
    kept,
    make_workspace,
    write_questions,
)

LOCKED = """%PDF-1.4
1 0 obj
<< /Type /Catalog /Pages 2 0 R >>
endobj
2 0 obj
<< /Type /Pages /Kids [] /Count 0 >>
endobj
3 0 obj
<< /Filter /Standard /V 2 /R 3 /Length 128 /P -1 /O <{key}> /U <{key}> >>
endobj
trailer
<< /Size 4 /Root 1 0 R /Encrypt 3 0 R /ID [<00> <00>] >>
%%EOF
"""


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A workspace with material that nothing has been added to."""
    root = make_workspace(tmp_path / "team")
    monkeypatch.chdir(root)
    return root


@pytest.fixture(scope="module")
def _filled(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        from graft.cli import session
        from graft.workspace import Workspace

        patch.setattr(session, "workspace_class", lambda: Workspace)
        return make_workspace(tmp_path_factory.mktemp("filled") / "team", stages=2)


@pytest.fixture
def filled(_filled, tmp_path, monkeypatch):
    """A workspace with documents and questions."""
    root = copied(_filled, tmp_path / "team")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def refused():
    """Run a command that must be refused and change nothing; return stderr."""

    def run(root: Path, code: int, *arguments: str) -> str:
        before = kept(root)
        error = four_parts(graft(*arguments), code)
        assert kept(root) == before
        return error

    return run


@pytest.mark.parametrize("line", ["compare", "search pump", "ask pump", "ask pump --arm rag"])
def test_without_documents_the_next_step_is_to_add_some(fresh, refused, line):
    assert "next   graft add docs/" in refused(fresh, 4, *line.split())


@pytest.mark.parametrize("line", ["compare", "questions check"])
def test_without_questions_the_next_step_is_to_import_some(fresh, refused, line):
    done("add", "docs")
    assert "next   graft questions import FILE" in refused(fresh, 4, *line.split())


@pytest.mark.parametrize("line", ["report", "serve"])
def test_without_a_comparison_the_next_step_is_to_compare(filled, refused, line):
    assert "next   graft compare" in refused(filled, 4, line)


def test_a_broken_line_is_named_and_nothing_of_the_file_is_taken(filled, refused):
    good = '{"question": "Which pump?", "answers": ["Tarn"], "split": "test"}\n'
    Path("new.jsonl").write_text(good + '{"question": \n' + good + '{"answers": ["a"]}\n')
    error = refused(filled, 4, "questions", "import", "new.jsonl")
    assert "line 2: not valid JSON" in error
    assert "line 4: no question" in error


def test_one_question_cannot_tell_arms_apart(filled, refused):
    write_questions(
        Path("one.jsonl"), [{"question": "Which?", "answers": ["Tarn"], "split": "test"}]
    )
    assert "one test question alone" in refused(filled, 4, "questions", "import", "one.jsonl")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no test question"), (b'{"question": "\xff"}\n', "not UTF-8")],
    ids=["empty", "not UTF-8"],
)
def test_a_question_file_without_usable_text_is_refused(filled, refused, content, reason):
    Path("new.jsonl").write_bytes(content)
    assert reason in refused(filled, 4, "questions", "import", "new.jsonl")


@pytest.mark.parametrize("name", ["missing.jsonl", "docs"])
def test_a_question_file_that_cannot_be_opened_is_refused(filled, refused, name):
    assert "cannot be opened" in refused(filled, 4, "questions", "import", name)


def test_a_filter_on_a_field_that_no_line_has_names_the_near_one(filled, refused):
    line = ["questions", "import", "questions.jsonl", "--where", "slpit=test"]
    assert "did you mean split?" in refused(filled, 4, *line)


@pytest.mark.parametrize(
    ("content", "reason", "step"),
    [
        (random.Random(7).randbytes(4_000), "the PDF cannot be read", "save it anew"),
        (LOCKED.format(key="00" * 32).encode(), "the PDF is encrypted", "without a password"),
        (b"", "", ""),
    ],
    ids=["random bytes", "encrypted", "empty"],
)
def test_an_unreadable_pdf_alone_is_refused_and_among_others_skipped(
    filled, refused, content, reason, step
):
    Path("sheet.pdf").write_bytes(content)
    error = refused(filled, 4, "add", "sheet.pdf")
    assert reason in error
    assert step in error
    shutil.move("sheet.pdf", "docs/sheet.pdf")
    result = done("add", "docs")
    assert result.stdout == "4 unchanged, 1 skipped; 4 passages\n"
    assert reason in result.stderr
    assert done("status", "--json").stdout.count("sheet.pdf") == 1


def test_a_folder_of_unreadable_files_counts_the_reasons(filled, refused):
    Path("scans").mkdir()
    Path("scans/a.pdf").write_bytes(b"%PDF-1.4 nothing")
    Path("scans/b.xyz").write_text("text")
    Path("scans/c.xyz").write_text("text")
    error = refused(filled, 4, "add", "scans")
    assert "3 files left out: 2 × no loader for .xyz, 1 × the PDF cannot be read" in error


def test_a_folder_without_files_and_a_missing_one_are_refused(fresh, refused):
    Path("empty").mkdir()
    assert "there are no files" in refused(fresh, 4, "add", "empty")
    error = refused(fresh, 4, "add", "docs", "nowhere")
    assert "no such file or folder" in error
    assert "docs/nowhere" not in error


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('generatr = "fake"\n', "unknown key 'generatr', did you mean 'generator'?"),
        ("[retrieval]\npasages = 2\n", "did you mean 'retrieval.passages'?"),
        ('seed = "x"\ngenerator = "fak"\n', "'seed' is 'x', expected a whole number from 0"),
        ('generator = "fake\n', "line 1"),
        ("retrieval = 3\n", "'retrieval' must be a table"),
    ],
)
@pytest.mark.parametrize("line", ["status", "compare"])
def test_a_wrong_configuration_is_refused_with_the_near_name(filled, refused, text, reason, line):
    Path("graft.toml").write_text(text)
    assert reason in refused(filled, 4, line)


def test_a_configuration_that_is_not_utf8_is_refused(filled, refused):
    Path("graft.toml").write_bytes(b'generator = "\xff"\n')
    refused(filled, 4, "status")


def test_an_unknown_arm_in_the_configuration_is_refused(filled, refused):
    Path("graft.toml").write_text(CONFIG + '[compare]\narms = ["ragg"]\n')
    refused(filled, 4, "compare")


@pytest.mark.parametrize(
    "line", ["compare --arms base,ragg", "ask pump --arm ragg", "serve --arm ragg"]
)
def test_an_unknown_arm_is_refused_with_the_known_ones(filled, line):
    before = kept(filled)
    result = graft(*line.split())
    assert result.exit_code == 2
    assert "error: unknown arm 'ragg'" in result.stderr
    assert "base, finetuned, rag, hybrid" in result.stderr
    assert "  next" in result.stderr
    assert kept(filled) == before


def test_an_arm_without_its_adapter_is_refused(filled, refused):
    assert "no comparison has trained its adapter" in refused(
        filled, 2, "ask", "pump", "--arm", "hybrid"
    )


@pytest.mark.parametrize("line", [["ask", " "], ["search", ""]])
def test_an_empty_question_is_refused(filled, refused, line):
    assert "is empty" in refused(filled, 2, *line)


def test_init_never_overwrites(filled, refused):
    assert "is a workspace already" in refused(filled, 4, "init")


def test_outside_a_workspace_the_next_step_is_init(tmp_path):
    assert "next   graft init" in four_parts(graft("status"), 4)
    assert list(tmp_path.iterdir()) == []


def test_another_embedder_than_that_of_the_index_is_refused(filled, monkeypatch):
    from graft.embed.fake import FakeEmbedder

    before = kept(filled)
    with monkeypatch.context() as patch:
        patch.setattr(FakeEmbedder, "identity", "another")
        error = four_parts(graft("search", "pump"), 4)
    assert "the index and the embedder do not belong together" in error
    assert kept(filled) == before


def test_questions_changed_after_the_import_are_refused(filled, refused):
    path = Path(".graft/questions.jsonl")
    path.write_text(path.read_text().replace("Tarn 1", "Torn 1"))
    assert "changed after their import" in refused(filled, 4, "compare")


def test_a_catalogue_that_is_none_is_refused(filled):
    Path(".graft/catalog.sqlite").write_bytes(b"not a database" * 100)
    assert "the catalogue cannot be used" in four_parts(graft("status"), 4)
    Path(".graft/catalog.sqlite").unlink()
    assert done("add", "docs").stdout == "4 added; 4 passages\n"


@pytest.fixture
def model_folder(tmp_path):
    """A folder that looks like a model, as far as anything is read before the imports."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text(
        json.dumps(
            {
                "version": "1.0",
                "truncation": None,
                "padding": None,
                "added_tokens": [],
                "normalizer": None,
                "pre_tokenizer": {"type": "Whitespace"},
                "post_processor": None,
                "decoder": None,
                "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
            }
        )
    )
    return folder


@pytest.mark.parametrize("line", ["add docs", "search pump"])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    filled, refused, model_folder, monkeypatch, line
):
    Path("graft.toml").write_text(f'generator = "fake"\nembedder = "{model_folder}"\n')
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert "pip install -e '.[local]'" in refused(filled, 3, *line.split())


def test_a_missing_engine_is_named_with_the_command_that_installs_it(filled, monkeypatch, refused):
    def no_engine(*_: object) -> None:
        from graft.generate.openvino import OpenVinoGenerator

        OpenVinoGenerator(Path("model.gguf"), None, "base", 100)  # type: ignore[arg-type]

    from graft.assembly import Assembly

    monkeypatch.setitem(sys.modules, "openvino_genai", None)
    monkeypatch.setattr(Assembly, "_load", no_engine)
    error = refused(filled, 3, "ask", "pump", "--arm", "base")
    assert "pip install -e '.[local]'" in error


@pytest.mark.parametrize("model", ["embedded:nothing", "./nowhere", "someone/nothing"])
def test_a_model_that_is_not_here_is_named_and_nothing_is_fetched(filled, refused, model):
    Path("graft.toml").write_text(f'generator = "fake"\nembedder = "{model}"\n')
    refused(filled, 4 if model.startswith("embedded") else 3, "search", "pump")


def test_training_behind_a_server_is_refused(filled, refused):
    assert "weights cannot be trained here" in refused(filled, 2, "train")
