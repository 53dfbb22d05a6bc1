from __future__ import annotations

import json
import shutil

import pytest

from graft.errors import BadInput
from graft.models.chat import Chat
from graft.types import Message

TURNS = [Message("system", "Answer."), Message("user", "Question: How long?")]
PROMPT = (
    "<|im_start|>system\nAnswer.<|im_end|>\n"
    "<|im_start|>user\nQuestion: How long?<|im_end|>\n"
    "<|im_start|>assistant\n"
)


@pytest.fixture
def folder(tokenizer_folder, tmp_path):
    """A copy of the tokenizer folder that a test may change."""
    copy = tmp_path / "model"
    shutil.copytree(tokenizer_folder, copy)
    return copy


def change(folder, **settings):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return Chat(folder)


def test_a_prompt_opens_the_turn_of_the_assistant(chat):
    assert chat.render(TURNS) == PROMPT
    assert chat.render(TURNS, answer_follows=False) == PROMPT.removesuffix(
        "<|im_start|>assistant\n"
    )


def test_an_answer_ends_with_the_end_of_the_turn(chat):
    assert chat.render_answer(TURNS, "90 s") == "90 s<|im_end|>"


def test_the_learned_end_is_one_that_stops_serving(chat):
    assert chat.encode(chat.render_answer(TURNS, "90 s"))[-1] in chat.stop_ids


def test_prompt_and_answer_joined_are_the_whole_conversation(chat):
    whole = chat.render([*TURNS, Message("assistant", "90 s")], answer_follows=False)
    assert chat.render(TURNS) + chat.render_answer(TURNS, "90 s") + "\n" == whole


def test_a_template_that_renders_an_answer_otherwise_falls_back_to_the_end_token(folder):
    odd = "{% for m in messages %}({{ m.content }}){% endfor %}{% if add_generation_prompt %}>{% endif %}"  # noqa: E501
    assert change(folder, chat_template=odd).render_answer(TURNS, "90 s") == "90 s<|im_end|>"


def test_the_template_sees_bos_and_eos(folder):
    chat = change(folder, chat_template="{{ bos_token }}{{ messages[0].content }}{{ eos_token }}")
    assert chat.render(TURNS) == "<|endoftext|>Answer.<|im_end|>"


def test_a_token_given_as_a_table_is_read(folder):
    chat = change(folder, eos_token={"content": "<|im_end|>", "special": True})
    assert chat.stop_ids == (2,)


def test_the_named_default_template_is_used(folder):
    named = [
        {"name": "tool_use", "template": "no"},
        {"name": "default", "template": "{{ messages[0].content }}"},
    ]
    assert change(folder, chat_template=named).render(TURNS) == "Answer."


def test_a_template_in_a_file_of_its_own_comes_first(folder):
    (folder / "chat_template.jinja").write_text("{{ messages[1].content }}")
    assert Chat(folder).render(TURNS) == "Question: How long?"


def test_a_template_may_refuse_messages(folder):
    chat = change(folder, chat_template="{{ raise_exception('no system turn please') }}")
    with pytest.raises(BadInput, match="refused the messages") as caught:
        chat.render(TURNS)
    assert caught.value.why == "no system turn please"


def test_a_template_cannot_reach_out_of_its_sandbox(folder):
    chat = change(folder, chat_template="{{ messages.__class__.__mro__ }}")
    with pytest.raises(BadInput) as caught:
        chat.render(TURNS)
    assert "SecurityError" in caught.value.why


def test_stop_ids_come_from_every_place_that_names_one(folder):
    (folder / "config.json").write_text('{"eos_token_id": 0}')
    (folder / "generation_config.json").write_text('{"eos_token_id": [1, 2]}')
    assert Chat(folder).stop_ids == (0, 1, 2)


def test_a_missing_eos_is_no_stop_id(folder):
    (folder / "config.json").write_text('{"eos_token_id": null}')
    assert Chat(folder).stop_ids == (2,)


def test_a_missing_chat_template_is_named(folder):
    with pytest.raises(BadInput, match="the base model has no chat template") as caught:
        change(folder, chat_template="")
    assert "instruction-tuned" in caught.value.next_step


def test_a_missing_tokenizer_is_named(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BadInput, match=r"the base model has no tokenizer\.json"):
        Chat(folder)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(BadInput, match="has no tokenizer"):
        Chat(tmp_path)


def test_nothing_is_added_when_a_text_is_encoded(chat):
    assert chat.encode("") == []
    assert chat.decode(chat.encode("Größe 🙂 90 s")) == "Größe 🙂 90 s"


def test_special_tokens_are_one_token_and_not_in_the_decoded_text(chat):
    ids = chat.encode("a<|im_end|>b")
    assert ids[1] == 2
    assert chat.decode(ids) == "ab"


def test_a_prompt_is_counted_in_its_own_tokens(chat):
    assert chat.count(TURNS) == len(chat.encode(PROMPT))


def test_the_hash_changes_with_the_template_and_the_tokens(folder):
    before = Chat(folder).hash
    assert change(folder, eos_token="<|endoftext|>").hash != before
    assert change(folder, chat_template="{{ messages }}").hash != before
    assert Chat(folder).hash != before


def test_a_template_without_a_system_turn_gets_its_text_in_the_users(folder):
    strict = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    )
    chat = change(folder, chat_template=strict)
    assert chat.render(TURNS) == "<user>Answer.\n\nQuestion: How long?"


def test_a_template_that_fails_names_folder_and_reason(folder):
    chat = change(folder, chat_template="{{ messages[7].content.nothing.more }}")
    with pytest.raises(BadInput, match="chat template") as caught:
        chat.render(TURNS)
    assert caught.value.where == str(folder)
    with pytest.raises(BadInput, match="chat template"):
        change(folder, chat_template="{% for %}")
