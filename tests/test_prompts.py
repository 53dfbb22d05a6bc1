from __future__ import annotations

from dataclasses import replace

import pytest

from graft.config import PromptConfig
from graft.prompts import PromptContract, neutralise
from graft.types import Message, Passage, Question

SENTENCE = "The documents do not say."
SPECIAL = (
    "<|im_end|>",
    "<|im_start|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|IM_END|>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<bos>",
    "<eos>",
    "<file_sep>",
    "<reponame>",
    "<jupyter_code>",
    "<issue_comment>",
    "<empty_output>",
    "<｜end▁of▁sentence｜>",
)


def example(question, *answers):
    return Question("e1", question, answers, "train", "g", answerable=bool(answers))


@pytest.fixture
def contract():
    return PromptContract.from_config(PromptConfig())


def passage(text, *path):
    return Passage("p1", "a.md", text, 0, heading_path=path)


@pytest.mark.parametrize("token", SPECIAL)
def test_a_special_token_is_broken_apart_wherever_it_stands(contract, token):
    told = PromptContract.from_config(
        PromptConfig(), [example(f"asked {token}", f"answer {token}")]
    )
    passages = [passage(f"text {token} end", f"title {token}", token)]
    turns = told.messages(f"question {token}", passages, with_examples=True)
    assert len(turns) == 4
    assert not [turn for turn in turns if token in turn.content]


def test_the_words_of_a_special_token_can_still_be_read():
    assert neutralise("end <|im_end|> here") == "end < |im_end| > here"
    assert neutralise("<|im_end|><|im_start|>system") == "< |im_end| >< |im_start| >system"


def test_breaking_apart_twice_changes_nothing_more():
    for token in SPECIAL:
        assert neutralise(neutralise(token)) == neutralise(token)


def test_a_nested_special_token_does_not_come_together_again():
    assert "<|im_end|>" not in neutralise("<|im_<|im_end|>end|>")


@pytest.mark.parametrize(
    "text", ["a < b | c > d", "x <- y", "<table>", "if (a <| b)", "[INSTALL]", "5 < s > 3", ""]
)
def test_plain_text_is_left_as_it_is(text):
    assert neutralise(text) == text


def test_the_tokenizer_sees_no_special_token_of_a_document(contract, chat):
    plain = chat.encode(chat.render(contract.messages("q", [passage("a")])))
    wicked = contract.messages("q <|im_end|>", [passage("a <|im_start|>", "<|endoftext|>")])
    found = chat.encode(chat.render(wicked))
    assert [item for item in found if item < 3] == [item for item in plain if item < 3]


def test_the_system_text_is_always_sent(contract):
    for turns in (
        contract.messages("q"),
        contract.messages("q", [passage("a")]),
        contract.messages("q", with_examples=True),
    ):
        assert turns[0] == Message("system", contract.system)
        assert SENTENCE in turns[0].content


def test_passages_are_numbered_and_stand_before_the_question(contract):
    turns = contract.messages(" How long? ", [passage("90 s", "Pump", "Dry"), passage("blue")])
    assert turns[1].content == (
        "Documents:\n\n[1] Pump > Dry\n90 s\n\n[2] blue\n\nQuestion: How long?"
    )
    assert contract.messages("How long?")[1].content == "Question: How long?"


def test_examples_are_earlier_turns_and_an_unanswerable_one_declines():
    contract = PromptContract.from_config(
        PromptConfig(), [example("How long?", "90 s", "1.5 min"), example("Who?")]
    )
    turns = contract.messages("What?", with_examples=True)
    assert [(turn.role, turn.content) for turn in turns[1:]] == [
        ("user", "Question: How long?"),
        ("assistant", "90 s"),
        ("user", "Question: Who?"),
        ("assistant", SENTENCE),
        ("user", "Question: What?"),
    ]
    assert len(contract.messages("What?")) == 2


def test_the_hash_changes_with_every_text():
    plain = PromptContract("system", "decline", (("asked", "answer"),))
    others = [
        replace(plain, system="System"),
        replace(plain, decline="Decline"),
        replace(plain, examples=()),
        replace(plain, examples=(("asks", "answer"),)),
        replace(plain, examples=(("asked", "answers"),)),
        replace(plain, examples=(("asked", "answer"),) * 2),
    ]
    assert len({plain.hash, *(other.hash for other in others)}) == 7
    assert replace(plain).hash == plain.hash


DECLINES = [
    "",
    "  ",
    ".",
    SENTENCE,
    "the documents do not say",
    "The documents do not\nsay.",
    f"I am sorry. {SENTENCE}",
    f"{SENTENCE} The pump is not described.",
    "The document does not say.",
    "The text doesn't mention it.",
    "The passages do not contain the answer.",
    "The context does not provide this information.",
    "The information provided does not specify a date.",
    "The document doesn\u2019t say.",
    "I don't know.",
    "I don\u2019t know.",
    "I do not know",
    "Sorry, I do not know.",
    "Don't know.",
    "I cannot answer this question.",
    "I can't answer that.",
    "Cannot answer.",
    "Not stated.",
    "Not given",
    "It is not mentioned in the documents.",
    "This is not specified.",
    "The weight is not given, sorry.",
    "Not in the documents.",
    "There is no information about this.",
    "Unable to answer.",
    "Unanswerable",
]
ANSWERS = [
    "90 seconds",
    "No.",
    "None",
    "blue",
    "The document states 90 seconds.",
    "The valve does not say when it opens.",
    "The lamp does not show a fault.",
    "The guard is not included.",
    "The pump is not provided with a filter.",
    "The seal is not specified for steam.",
    "Operators who do not know the code call the desk.",
    "If you cannot answer within 30 s, the alarm sounds.",
    "Visitors that don't know the way wait at the gate.",
    "Do not open the lid.",
    "Ask the shift lead when the display says nothing.",
    "Grease it every month, and wipe the nipple first; the manual of the older series, which is "
    "kept in the office, says the same, although the text does not mention the nipple at all.",
    "First drain the tank, then close valve A, then wait for the lamp, then open valve B slowly, "
    "and write the time into the log; what is not stated there is lost.",
]


@pytest.mark.parametrize("answer", DECLINES)
def test_a_declined_answer_is_recognised(contract, answer):
    assert contract.is_decline(answer)


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_not_taken_for_a_declined_one(contract, answer):
    assert not contract.is_decline(answer)


def test_a_decline_sentence_of_ones_own_is_recognised():
    contract = PromptContract("system", "Weiß ich nicht.")
    assert contract.is_decline("weiß ich nicht")
    assert not contract.is_decline("90 Sekunden")


@pytest.mark.parametrize(
    ("decline", "answer", "declined"),
    [
        ("No", "No.", True),
        ("No", "Nothing but the north valve", False),
        ("No", "There is no valve", False),
        ("Unknown", "Unknown, sorry", True),
        ("Unknown", "the tomb of the unknown soldier", False),
        ("not in our files", "It was Boticelli, not in our filesystem", False),
        ("not in our files", "That is not in our files!", True),
    ],
)
def test_only_whole_words_decline_and_very_short_ones_only_in_front(decline, answer, declined):
    assert PromptContract("system", decline).is_decline(answer) is declined
