"""Models and chat completions."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi.testclient import TestClient

from graft.errors import GenerationFailed, MissingPrerequisite
from graft.generate.fake import FakeGenerator
from graft.server.app import build_app
from graft.types import Delta


def test_the_server_is_healthy(client):
    assert client.get("/health").json() == {"status": "ok"}


def test_every_arm_is_a_model_and_the_bare_name_is_the_recommended_one(client, workspace):
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == [
        "handbook", "handbook:base", "handbook:finetuned", "handbook:rag", "handbook:hybrid",
        "handbook:decline",
    ]  # fmt: skip
    assert {model["parent"] for model in listed["data"]} == {workspace.config.base_model}


def test_without_a_recommendation_there_is_no_bare_name(workspace):
    workspace.change_verdict(recommended="")
    client = TestClient(build_app(workspace), base_url="http://localhost")
    names = [model["id"] for model in client.get("/v1/models").json()["data"]]
    assert names[0] == "handbook:base"
    chosen = TestClient(build_app(workspace, arm="rag"), base_url="http://localhost")
    assert chosen.get("/v1/models").json()["data"][0]["id"] == "handbook"


def test_an_answer_has_usage_and_citations(ask):
    reply = ask().json()
    [choice] = reply["choices"]
    assert reply["object"] == "chat.completion"
    assert reply["model"] == "handbook"
    assert choice["message"] == {"role": "assistant", "content": "Mondays"}
    assert choice["finish_reason"] == "stop"
    usage = reply["usage"]
    assert usage["completion_tokens"] == 1
    assert usage["total_tokens"] == usage["prompt_tokens"] + 1
    assert reply["citations"] == [
        {
            "doc_id": "kiln.md",
            "page": None,
            "heading": "Fake",
            "text": "The kiln is fired on Mondays.",
        }
    ]


def test_the_answer_is_that_of_the_arm_that_is_measured(ask, workspace):
    for name in workspace.arm_names():
        measured = workspace.arm(name).answer("When is the kiln fired?")
        served = ask(model=f"handbook:{name}").json()
        assert served["choices"][0]["message"]["content"] == measured.text


def test_the_last_user_message_is_the_question(client, monkeypatch):
    history = []
    answer = FakeGenerator.stream

    def remember(self, messages, options):
        history.append(messages[-1].content)
        return answer(self, messages, options)

    monkeypatch.setattr(FakeGenerator, "stream", remember)
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "First?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": [{"type": "text", "text": "Second?"}]},
    ]
    body = {"model": "handbook:base", "messages": messages, "max_tokens": 5, "temperature": 1.5}
    assert client.post("/v1/chat/completions", json=body).status_code == 200
    assert history == ["Question: Second?"]


def test_a_stream_ends_with_citations_and_done(ask, events):
    response = ask(stream=True, model="handbook:rag")
    assert response.headers["content-type"].startswith("text/event-stream")
    first, *pieces, last, done = events(response.text)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(item["choices"][0]["delta"]["content"] for item in pieces) == "Mondays"
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["citations"][0]["doc_id"] == "kiln.md"
    assert done == "[DONE]"
    assert "usage" not in last
    assert len({item["id"] for item in (first, *pieces, last)}) == 1


def test_usage_is_streamed_where_it_is_asked_for(ask, events):
    *others, usage, done = events(ask(stream=True, stream_options={"include_usage": True}).text)
    assert done == "[DONE]"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 1
    assert {item["usage"] for item in others} == {None}


def test_a_control_without_a_generator_streams_too(ask, events):
    found = events(ask(stream=True, model="handbook:decline").text)
    assert found[1]["choices"][0]["delta"]["content"] == "The documents do not say."


def test_arms_are_asked_one_at_a_time_and_all_are_answered(client, monkeypatch):
    inside, most = 0, 0
    guard = threading.Lock()
    answer = FakeGenerator.stream

    def slow(self, messages, options):
        nonlocal inside, most
        with guard:
            inside += 1
            most = max(most, inside)
        time.sleep(0.005)
        yield from answer(self, messages, options)
        with guard:
            inside -= 1

    monkeypatch.setattr(FakeGenerator, "stream", slow)

    def post(place: int) -> int:
        arm = ("base", "rag", "hybrid")[place % 3]
        body = {"model": f"handbook:{arm}", "messages": [{"role": "user", "content": "When?"}],
                "stream": place % 2 == 0}  # fmt: skip
        response = client.post("/v1/chat/completions", json=body)
        assert "error" not in response.text
        return response.status_code

    # More than the 40 threads of the pool: a waiting request must not hold one.
    with ThreadPoolExecutor(50) as pool:
        statuses = set(pool.map(post, range(50)))
    assert statuses == {200}
    assert most == 1


def test_a_queue_that_is_too_long_is_refused(ask, monkeypatch):
    monkeypatch.setattr("graft.server.arms.MAX_WAITING", -1)
    response = ask()
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "overloaded"


def test_an_arm_stops_and_gives_its_turn_on_when_the_stream_breaks(ask, events, monkeypatch):
    closed = []

    def breaking(self, messages, options):
        try:
            yield Delta("Mon")
            raise GenerationFailed("the engine failed", why="out of memory")
        finally:
            closed.append(True)

    monkeypatch.setattr(FakeGenerator, "stream", breaking)
    *_, failure, done = events(ask(stream=True).text)
    assert failure["error"]["message"] == "the engine failed: out of memory"
    assert done == "[DONE]"
    assert closed == [True]
    monkeypatch.undo()
    assert ask().status_code == 200


def test_a_failing_arm_is_an_error_in_the_form_of_openai(ask, monkeypatch):
    for error, status in (
        (GenerationFailed("the engine failed"), 500),
        (MissingPrerequisite("no model"), 503),
        (ValueError("secret path /home/anna"), 500),
    ):

        def failing(self, messages, options, error=error):
            raise error

        monkeypatch.setattr(FakeGenerator, "stream", failing)
        response = ask()
        assert response.status_code == status
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}
        assert "anna" not in response.text
