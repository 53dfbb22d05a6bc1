"""Requests that are refused, and how."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from graft.server.app import build_app
from graft.server.limits import MAX_BODY_BYTES

CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "When?"}]


def refused(response, status: int) -> dict:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def test_an_unknown_model_is_not_found(ask):
    error = refused(ask(model="handbook:magic"), 404)
    assert error["code"] == "model_not_found"
    assert "handbook:rag" in error["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "handbook", "messages": []}, "messages"),
        ({"model": "handbook"}, "messages"),
        ({"messages": MESSAGES}, "model"),
        ({"model": "handbook", "messages": MESSAGES, "max_tokens": 0}, "max_tokens"),
        ({"model": "handbook", "messages": MESSAGES, "n": 2}, "n"),
        ({"model": "handbook", "messages": [{"role": "king", "content": "x"}]}, "messages.0.role"),
        ([], None),
    ],
)
def test_a_body_that_cannot_be_used_names_the_field(client, body, param):
    assert refused(client.post(CHAT, json=body), 400)["param"] == param


@pytest.mark.parametrize(
    "messages",
    [[{"role": "system", "content": "x"}], [{"role": "user", "content": " \n"}],
     [{"role": "user"}], [{"role": "user", "content": []}]],
)  # fmt: skip
def test_a_request_without_a_question_is_refused(client, messages):
    body = {"model": "handbook", "messages": messages}
    assert "last user message" in refused(client.post(CHAT, json=body), 400)["message"]


def test_broken_json_is_refused(client):
    response = client.post(CHAT, content="{", headers={"content-type": "application/json"})
    assert refused(response, 400)["message"] == "the body is not valid JSON"


def test_a_large_body_is_refused_by_its_declared_length(ask):
    refused(ask("x" * MAX_BODY_BYTES), 413)


def test_a_large_body_of_undeclared_length_is_refused_as_it_comes(client):
    pieces = (b" " * 100_000 for _ in range(20))
    headers = {"content-type": "application/json"}
    refused(client.post(CHAT, content=pieces, headers=headers), 413)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_must_be_declared_as_json(client, kind):
    refused(client.post(CHAT, content="{}", headers={"content-type": kind}), 415)


@pytest.mark.parametrize("host", ["attacker.example", "127.0.0.1.attacker.example:80", "", "[::1"])
def test_a_host_name_that_is_not_this_machine_is_refused(client, host):
    refused(client.get("/v1/models", headers={"host": host}), 403)


@pytest.mark.parametrize("host", ["localhost:8321", "127.0.0.1", "[::1]:8321", "LOCALHOST"])
def test_this_machine_is_served_by_all_its_names(client, host):
    assert client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://attacker.example", "null", "http://localhost:9"])
def test_a_web_page_of_another_origin_is_refused(client, origin):
    headers = {"origin": origin, "host": "localhost:8321"}
    refused(client.get("/v1/models", headers=headers), 403)


def test_a_page_of_the_server_itself_is_served(client):
    headers = {"origin": "http://localhost:8321", "host": "localhost:8321"}
    assert client.get("/v1/models", headers=headers).status_code == 200


def test_an_unsafe_host_is_served_under_any_name(workspace):
    client = TestClient(build_app(workspace, any_host=True), base_url="http://graft.example")
    assert client.get("/health").status_code == 200
    refused(client.get("/health", headers={"origin": "https://attacker.example"}), 403)


def test_an_unknown_path_and_a_wrong_method_have_the_same_form(client):
    refused(client.get("/v1/nothing"), 404)
    refused(client.get(CHAT), 405)
    assert client.get("/docs").status_code == 404


def test_case_51_a_template_in_a_request_changes_nothing(ask):
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    plain = ask(temperature=0).json()["choices"][0]["message"]["content"]
    own = ask(chat_template=endless, chat_template_kwargs={"x": 1}).json()
    assert own["choices"][0]["message"]["content"] == plain
