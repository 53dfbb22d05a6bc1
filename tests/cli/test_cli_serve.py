"""`graft serve` up to the moment of serving."""

from __future__ import annotations

import socket

import pytest

from graft.testing.workspace import FakeWorkspace


@pytest.fixture(autouse=True)
def served(monkeypatch):
    """Collect what would be served."""
    found = []
    monkeypatch.setattr(
        "graft.cli.serve.run_server", lambda app, listener: found.append((app, listener))
    )
    return found


def test_the_base_url_ends_in_v1_and_the_recommended_arm_is_served(graft, workspace, served):
    workspace.compare()
    result = graft("serve", "--port", "0")
    assert result.exit_code == 0
    assert result.stdout.startswith("http://127.0.0.1:")
    assert result.stdout.endswith("/v1\n")
    assert "models: handbook, handbook:base" in result.stderr
    assert "warning" not in result.stderr
    assert len(served) == 1


def test_as_json_it_names_url_and_models(document, workspace):
    data = document("serve", "--port", "0", "--arm", "rag")
    assert data["base_url"].endswith("/v1")
    assert data["models"] == ["handbook", "handbook:base", "handbook:rag", "handbook:decline"]


def test_without_a_comparison_an_arm_must_be_named(graft, workspace, served):
    result = graft("serve")
    assert result.exit_code == 4
    assert len(result.stderr.splitlines()) == 4
    assert served == []


def test_without_a_recommendation_an_arm_must_be_named(graft, undecided, served):
    result = graft("serve")
    assert result.exit_code == 4
    assert result.stderr.splitlines() == [
        "error: no arm is recommended, so you must choose one",
        f"  where  {undecided.root}",
        "  why    No clear winner.",
        "  next   graft serve --arm rag",
    ]
    assert graft("serve", "--arm", "rag", "--port", "0").exit_code == 0


def test_a_verdict_that_was_not_clear_is_said(graft, workspace):
    workspace.compare()
    workspace.change_verdict(clear=False, sentence="Close.")
    result = graft("serve", "--port", "0")
    assert result.exit_code == 0
    assert "warning: no clear winner; serving hybrid. Close." in result.stderr


def test_an_unknown_arm_is_a_usage_error(graft, workspace, served):
    assert graft("serve", "--arm", "magic").exit_code == 2
    assert served == []


def test_a_host_within_reach_of_others_needs_the_unsafe_flag(graft, workspace, served):
    assert graft("serve", "--arm", "rag", "--host", "0.0.0.0", "--port", "0").exit_code == 2
    assert served == []
    allowed = ("--host", "0.0.0.0", "--unsafe-host", "--port", "0")
    assert graft("serve", "--arm", "rag", *allowed).exit_code == 0


def test_a_taken_port_is_said_in_four_lines(graft, workspace):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = graft("serve", "--arm", "rag", "--port", port, "-q")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[1] == f"  where  127.0.0.1:{port}"


def test_ctrl_c_is_how_a_server_ends(graft, workspace, monkeypatch):
    def interrupted(app, listener):
        raise KeyboardInterrupt

    monkeypatch.setattr("graft.cli.serve.run_server", interrupted)
    result = graft("serve", "--arm", "rag", "--port", "0")
    assert result.exit_code == 0
    assert result.stderr.endswith("stopped\n")


def test_the_fake_has_every_method_of_the_workspace():
    from graft.workspace import Workspace

    for name in ("add", "import_questions", "check_questions", "search", "ask", "ask_all",
                 "arm_names", "recommended", "arm", "train", "plan_compare", "compare", "report",
                 "status", "doctor", "create", "open"):  # fmt: skip
        real, fake = getattr(Workspace, name), getattr(FakeWorkspace, name)
        names = real.__code__.co_varnames[: _count(real)]
        assert fake.__code__.co_varnames[: _count(fake)] == names, name


def _count(function) -> int:
    return function.__code__.co_argcount + function.__code__.co_kwonlyargcount
