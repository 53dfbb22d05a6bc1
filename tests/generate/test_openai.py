from __future__ import annotations

import json

import httpx
import pytest

from graft.errors import GenerationFailed, MissingPrerequisite
from graft.generate.openai import OpenAIGenerator
from graft.testing.generator_contract import OPTIONS, PROMPTS, GeneratorContract
from graft.types import GenerateOptions, Message

KEY = "sk-very-secret-0123456789"
URL = "http://127.0.0.1:9/v1"


class Events(httpx.SyncByteStream):
    """A body sent in events; remembers whether it was closed."""

    def __init__(self, *events):
        self.events = events
        self.closed = False

    def __iter__(self):
        for event in self.events:
            text = event if isinstance(event, str) else json.dumps(event)
            yield f"data: {text}\n\n".encode()

    def close(self):
        self.closed = True


def piece(text, reason=None):
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}


class Server:
    """Answers every question with five words, like a server of the OpenAI API."""

    words = ("for", "ninety", "seconds", "or", "so")

    def __init__(self):
        self.requests = []
        self.streams = []

    def __call__(self, request):
        self.requests.append(request)
        body = json.loads(request.content)
        kept = self.words[: body["max_tokens"]]
        reason = "stop" if len(kept) == len(self.words) else "length"
        prompt = sum(len(turn["content"].split()) for turn in body["messages"])
        usage = {"prompt_tokens": prompt, "completion_tokens": len(kept)}
        if not body.get("stream"):
            message = {"role": "assistant", "content": " ".join(kept)}
            choice = {"index": 0, "message": message, "finish_reason": reason}
            return httpx.Response(200, json={"choices": [choice], "usage": usage})
        pieces = [piece(word if not number else f" {word}") for number, word in enumerate(kept)]
        ended = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
        self.streams.append(Events(*pieces, ended, {"choices": [], "usage": usage}, "[DONE]"))
        return httpx.Response(200, stream=self.streams[-1])


def generator_for(handler, key=KEY, **more):
    return OpenAIGenerator(URL, "tiny", key, transport=httpx.MockTransport(handler), **more)


class TestOpenAIGenerator(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return generator_for(Server())

    @pytest.fixture
    def broken(self):
        return generator_for(lambda _: httpx.Response(500, text="the engine is out of memory"))


@pytest.fixture
def server():
    return Server()


def failures(handler, key=KEY):
    """What is raised for both ways of asking."""
    generator = generator_for(handler, key)
    for ask in (
        lambda: generator.generate_many(PROMPTS[:1], OPTIONS),
        lambda: list(generator.stream(PROMPTS[0], OPTIONS)),
    ):
        with pytest.raises(GenerationFailed) as caught:
            ask()
        yield caught.value


def test_a_request_carries_everything_that_was_asked_for(server):
    options = GenerateOptions(max_new_tokens=7, temperature=0.5, seed=3, stop=("\n",))
    generator_for(server).generate_many(PROMPTS[:1], options)
    [request] = server.requests
    assert str(request.url) == f"{URL}/chat/completions"
    assert json.loads(request.content) == {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "Answer."},
            {"role": "user", "content": "Question: How long may the pump run dry?"},
        ],
        "max_tokens": 7,
        "temperature": 0.5,
        "seed": 3,
        "stop": ["\n"],
        "logprobs": True,
    }


def with_logprobs(*values):
    message = {"role": "assistant", "content": "for ninety"}
    content = [{"token": "x", "logprob": value} for value in values]
    return {"index": 0, "message": message, "logprobs": {"content": content}}


def confidence_of(choice):
    reply = httpx.Response(200, json={"choices": [choice]})
    return generator_for(lambda _: reply).generate_many(PROMPTS[:1], OPTIONS)[0].confidence


def test_confidence_is_the_mean_log_probability_where_the_server_gives_it():
    assert confidence_of(with_logprobs(-0.5, -1.0)) == pytest.approx(-0.75)
    assert confidence_of(with_logprobs()) is None
    assert confidence_of(with_logprobs(-0.5) | {"logprobs": None}) is None
    assert confidence_of({"message": {"content": "for ninety"}}) is None


def test_a_server_that_refuses_log_probabilities_is_asked_without_them_from_then_on(server):
    def refuse(request):
        if "logprobs" in json.loads(request.content):
            return httpx.Response(400, text="logprobs is not supported with this model")
        return server(request)

    asked = []
    generator = generator_for(lambda request: (asked.append(request), refuse(request))[1])
    answers = generator.generate_many([*PROMPTS, *PROMPTS], OPTIONS)
    assert [answer.confidence for answer in answers] == [None] * 4
    assert len(asked) == 5


def test_a_stream_asks_for_the_counts(server):
    list(generator_for(server).stream(PROMPTS[0], OPTIONS))
    body = json.loads(server.requests[0].content)
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


def test_the_key_is_sent_and_stands_nowhere_else(server):
    generator = generator_for(server)
    generator.generate_many(PROMPTS[:1], OPTIONS)
    list(generator.stream(PROMPTS[0], OPTIONS))
    assert {item.headers["authorization"] for item in server.requests} == {f"Bearer {KEY}"}
    shown = repr(generator) + str(generator) + generator.identity + repr(vars(generator))
    assert KEY not in shown


def test_without_a_key_none_is_sent(server):
    generator_for(server, key="").generate_many(PROMPTS[:1], OPTIONS)
    assert "authorization" not in server.requests[0].headers


def test_a_key_with_spaces_around_it_is_sent_without_them(server):
    generator_for(server, key=f" {KEY}\n").generate_many(PROMPTS[:1], OPTIONS)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_server_that_repeats_the_key_does_not_bring_it_into_the_error():
    def refuse(request):
        return httpx.Response(401, text=f"bad key: {request.headers['authorization']}")

    for error in failures(refuse):
        assert KEY not in str(error) + repr(error)
        assert "bad key" in error.why


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_a_refusal_has_the_words_of_the_server(status):
    for error in failures(lambda _: httpx.Response(status, text='{"error": "model not found"}')):
        assert "model not found" in error.why
        assert error.where.startswith(URL)
        assert "/v1" in error.next_step


def test_a_refusal_without_words_still_says_what_came():
    for error in failures(lambda _: httpx.Response(503)):
        assert "503" in error.why


def refused(request):
    raise httpx.ConnectError("connection refused", request=request)


def too_late(request):
    raise httpx.ReadTimeout("timed out", request=request)


@pytest.mark.parametrize("handler", [refused, too_late])
def test_a_server_that_cannot_be_reached_is_our_error(handler):
    for error in failures(handler):
        assert error.why
        assert isinstance(error.__cause__, httpx.HTTPError)


@pytest.mark.parametrize(
    "text",
    ["{broken", "", "[]", "null", '{"choices": []}', '{"choices": null}', '{"choices": [{}]}',
     '{"choices": [{"message": null}]}', "\xff"],
)  # fmt: skip
def test_an_answer_that_is_none_is_our_error(text):
    generator = generator_for(lambda _: httpx.Response(200, content=text.encode("latin-1")))
    with pytest.raises(GenerationFailed):
        generator.generate_many(PROMPTS[:1], OPTIONS)


@pytest.mark.parametrize("event", ["{broken", "[]", "null", '{"choices": [null]}', '"text"'])
def test_a_broken_event_in_a_stream_is_our_error(event):
    body = Events(piece("for"), event, "[DONE]")
    stream = generator_for(lambda _: httpx.Response(200, stream=body)).stream(PROMPTS[0], OPTIONS)
    assert next(stream).text == "for"
    with pytest.raises(GenerationFailed):
        list(stream)


def test_an_error_in_the_middle_of_a_stream_is_no_end_of_the_answer():
    """vLLM and others send it as an event once the status line is out."""
    body = Events(piece("for"), {"error": {"message": "the engine died"}}, "[DONE]")
    generator = generator_for(lambda _: httpx.Response(200, stream=body))
    with pytest.raises(GenerationFailed) as caught:
        list(generator.stream(PROMPTS[0], OPTIONS))
    assert "the engine died" in caught.value.why


def test_comments_empty_lines_and_empty_pieces_are_passed_over():
    lines = (
        b": keep-alive\n\n",
        b"event: message\n",
        f"data: {json.dumps(piece('for'))}\n\n".encode(),
        f"data: {json.dumps(piece(None))}\n\n".encode(),
        f"data:{json.dumps(piece(' ninety', 'stop'))}\n\n".encode(),
        b"data: [DONE]\n\n",
    )
    generator = generator_for(lambda _: httpx.Response(200, content=b"".join(lines)))
    deltas = list(generator.stream(PROMPTS[0], OPTIONS))
    assert [delta.text for delta in deltas] == ["for", " ninety", ""]
    assert deltas[-1].finish_reason == "stop"


def test_a_server_without_counts_reports_none_rather_than_a_guess():
    choice = {"message": {"content": " ninety "}, "finish_reason": None}
    generator = generator_for(lambda _: httpx.Response(200, json={"choices": [choice]}))
    [answer] = generator.generate_many(PROMPTS[:1], OPTIONS)
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("ninety", 0, 0)
    assert answer.finish_reason == "stop"


def test_an_empty_answer_is_an_answer():
    choice = {"message": {"content": None}, "finish_reason": "stop"}
    generator = generator_for(lambda _: httpx.Response(200, json={"choices": [choice]}))
    assert generator.generate_many(PROMPTS[:1], OPTIONS)[0].text == ""


def test_a_stream_given_up_closes_the_connection(server):
    stream = generator_for(server).stream(PROMPTS[0], OPTIONS)
    next(stream)
    assert not server.streams[0].closed
    stream.close()
    assert server.streams[0].closed


def test_one_answer_is_timed(server):
    [answer] = generator_for(server).generate_many(PROMPTS[:1], OPTIONS)
    assert answer.total_seconds >= 0
    assert answer.first_token_seconds is None


@pytest.mark.parametrize(("url", "model"), [("", "tiny"), (URL, "")])
def test_a_server_and_a_model_are_needed(url, model):
    with pytest.raises(MissingPrerequisite, match="needs a server and a model"):
        OpenAIGenerator(url, model, KEY)


def test_tokens_are_estimated_by_letters_for_the_window_alone():
    generator = generator_for(Server(), context_tokens=100)
    assert generator.count_tokens([Message("user", "x" * 40)]) == 40 // 4 + 4
    assert generator.context_tokens == 100
