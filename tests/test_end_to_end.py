"""The golden path on the embedded models, without a network: eight documents, twelve questions.

The token budget is far too small to teach anything well: what is tested is that every part
does its work, that adapters change answers, and that what was measured is what is served.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import socket
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import pytest

from graft import Workspace, preparing
from graft.config import effort_plan
from graft.runs import read_records

pytestmark = pytest.mark.models

DOCUMENTS = (
    "products/tarn-40-pump.md",
    "products/hesper-conveyor.md",
    "products/ovre-kiln-note.md",
    "products/kestrin-compressor.html",
    "safety/hot-work-permit.md",
    "service/warranty-terms.md",
    "policies/canteen.md",
    "policies/visitors.txt",
)
ARMS = ("base", "finetuned", "rag", "hybrid", "top-passage", "decline")
QUESTIONS = 12
TRAIN_TOKENS = 3_000  # for both adapters together; there is no key for it in graft.toml
TIMED = 2
DEV = 4  # scoring the dev rows four times would cost more than the training


def write_material(root: Path) -> None:
    """Copy some documents of the example and the questions that are about them."""
    example = Path(str(resources.files("graft") / "example"))
    for name in DOCUMENTS:
        (root / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(example / "docs" / name, root / "docs" / name)
    lines = (example / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    about = [line for line in lines if json.loads(line)["group"] in DOCUMENTS]
    dev = [line for line in about if json.loads(line)["split"] == "dev"]
    chosen = [line for line in about if line not in dev[DEV:]]
    (root / "questions.jsonl").write_text("\n".join(chosen) + "\n", encoding="utf-8")


def small_plan(*values: object, **named: object) -> object:
    """Return the plan of an effort with a training budget of seconds and short prompts."""
    plan = effort_plan(*values, **named)  # type: ignore[arg-type]
    return dataclasses.replace(
        plan, train_tokens=TRAIN_TOKENS, latency_questions=TIMED, passages=1, prompt_tokens=300
    )


def refuse(*values: object, **_: object) -> None:
    raise AssertionError(f"a connection was tried: {values}")


@pytest.fixture(scope="module")
def offline():
    """Refuse every connection and every look-up of a name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket.socket, "connect_ex", refuse)
        patch.setattr(socket, "create_connection", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


@pytest.fixture(scope="module")
def built(tmp_path_factory, offline):
    """Everything built and compared once."""
    root = tmp_path_factory.mktemp("end") / "team"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "effort_plan", small_plan)
        made = Workspace.create(root)
        write_material(root)
        added = made.add([root / "docs"])
        made.import_questions(root / "questions.jsonl", {})
        trained = made.train()
        phases: list[str] = []
        result = made.compare(
            arms=ARMS, limit=QUESTIONS, on_progress=lambda phase, *_: phases.append(phase)
        )
        yield SimpleNamespace(
            workspace=made, added=added, trained=trained, result=result, phases=phases
        )
        made.assembly.close()


def records_of(state: Path, arm: str, name: str = "records"):
    (folder,) = state.glob(f"runs/{arm}-*")
    return {record.question_id: record for record in read_records(folder / f"{name}.jsonl")}


def test_documents_are_read_and_found(built):
    assert len(built.added.added) == len(DOCUMENTS)
    assert built.added.skipped == ()
    hits = built.workspace.search("How long may a Tarn 40 pump run with its delivery valve shut?")
    assert any(hit.passage.doc_id == DOCUMENTS[0] for hit in hits[:3])


def test_both_adapters_are_trained_within_the_budget_and_change_answers(built):
    assert [report.adapter for report in built.trained] == ["finetuned", "hybrid"]
    for report in built.trained:
        assert report.steps > 0
        assert (report.folder / "adapter_model.safetensors").is_file()
        receipt = json.loads((report.folder / "receipt.json").read_text(encoding="utf-8"))
        assert receipt["changed"] > 0
        assert any(probe["tuned"] != probe["base"] for probe in receipt["probes"])
        assert not set(receipt["kept_out"]) & set(receipt["doc_ids"])
    assert sum(report.tokens for report in built.trained) <= 1.5 * TRAIN_TOKENS
    state = built.workspace.state
    base, tuned = (records_of(state, name) for name in ("base", "finetuned"))
    assert any(base[name].answer != tuned[name].answer for name in base)
    assert not any(phase.startswith("train") for phase in built.phases)


def test_every_arm_has_one_record_a_question_and_none_failed(built):
    comparison = built.result.comparison
    assert [arm["name"] for arm in comparison["arms"]] == list(ARMS)
    asked = set(records_of(built.workspace.state, "base"))
    assert abs(len(asked) - QUESTIONS) <= 2  # strata are rounded
    for name in ARMS:
        records = records_of(built.workspace.state, name)
        assert set(records) == asked
        assert all(not record.error and "primary" in record.scores for record in records.values())
        assert len(records_of(built.workspace.state, name, "latency")) == TIMED
    assert built.result.failed == 0
    assert comparison["verdict"]["sentence"]
    exposures = {arm["name"]: arm["exposure"] for arm in comparison["arms"]}
    assert exposures["hybrid"]["unseen"]["n"] > 0


def test_asking_gives_an_answer_with_its_passages(built):
    question = "When does the canteen serve lunch?"
    answers = {name: built.workspace.ask(question, name) for name in ARMS[:4]}
    assert all(answer.answer for answer in answers.values())
    assert answers["hybrid"].passages
    assert answers["finetuned"].passages == ()


def test_a_second_comparison_asks_nothing_and_the_report_is_drawn_from_files(built):
    again = built.workspace.compare(arms=ARMS, limit=QUESTIONS)
    assert again.reused
    assert again.comparison == built.result.comparison
    assert built.workspace.report().comparison == built.result.comparison
    text = built.result.report.read_text(encoding="utf-8")
    assert len(text) < 2_000_000
    assert "http://" not in text.replace("http://www.w3.org", "")


@pytest.mark.parametrize("arm", ["finetuned", "hybrid"])
def test_the_server_answers_with_the_arm_that_was_measured(built, arm):
    from fastapi.testclient import TestClient

    from graft.server.app import build_app

    timed = records_of(built.workspace.state, arm, "latency")
    questions = {item.id: item.question for item in built.workspace._questions().questions}
    record = next(iter(timed.values()))
    body = {
        "model": f"{built.workspace.root.name}:{arm}",
        "messages": [{"role": "user", "content": questions[record.question_id]}],
    }
    app = build_app(built.workspace, arm=arm)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        reply = client.post("/v1/chat/completions", json=body)
    assert reply.status_code == 200, reply.text
    assert reply.json()["choices"][0]["message"]["content"] == record.answer
    assert reply.json()["usage"]["completion_tokens"] == record.completion_tokens
