"""What becomes of failures and interruptions."""

from __future__ import annotations

from graft.errors import MissingPrerequisite
from graft.testing.workspace import FakeWorkspace


def fail_with(monkeypatch, error: BaseException) -> None:
    def status(self):
        raise error

    monkeypatch.setattr(FakeWorkspace, "status", status)


def test_a_foreseen_failure_has_its_own_exit_code(graft, workspace, monkeypatch):
    fail_with(monkeypatch, MissingPrerequisite("no model", next_step="pip install 'graft[local]'"))
    result = graft("status")
    assert result.exit_code == 3
    assert result.stderr == "error: no model\n  next   pip install 'graft[local]'\n"


def test_an_interruption_says_how_to_go_on(graft, workspace, monkeypatch):
    fail_with(monkeypatch, KeyboardInterrupt())
    result = graft("status", "-q")
    assert result.exit_code == 130
    assert result.stderr == "interrupted; run the same command again to continue\n"


def test_an_unforeseen_failure_writes_a_log_file_and_names_it(graft, workspace, monkeypatch):
    fail_with(monkeypatch, ValueError("seven is not prime enough"))
    result = graft("status")
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    assert "why    ValueError: seven is not prime enough" in result.stderr
    [log] = (workspace.root / ".graft" / "logs").iterdir()
    assert f"where  {log}" in result.stderr
    assert "Traceback" in log.read_text()


def test_where_there_is_no_workspace_the_log_goes_to_the_temporary_folder(
    graft, tmp_path, monkeypatch
):
    def broken(cls, folder=None):
        raise ValueError("broken")

    monkeypatch.setattr(FakeWorkspace, "open", classmethod(broken))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    assert graft("status").exit_code == 1
    assert len(list((tmp_path / "tmp").glob("graft-*.log"))) == 1


def test_verbose_shows_the_traceback(graft, workspace, monkeypatch):
    fail_with(monkeypatch, ValueError("seven"))
    assert "Traceback" in graft("status", "-v").stderr


def test_an_escape_sequence_in_an_error_does_not_reach_the_terminal(graft, workspace, monkeypatch):
    fail_with(monkeypatch, MissingPrerequisite("no \x1b[2Jmodel"))
    assert "\x1b" not in graft("status").stderr
