from __future__ import annotations

import pytest

from graft.config import (
    CompareConfig,
    Config,
    LimitsConfig,
    ReferenceConfig,
    RetrievalConfig,
    TrainConfig,
    default_toml,
    effort_plan,
    parse_config,
)
from graft.errors import ConfigError


def problems(text):
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return caught.value


def test_an_empty_file_is_all_defaults():
    assert parse_config("") == Config()


def test_values_are_read_into_their_tables():
    config = parse_config(
        'seed = 3\noffline = false\n[retrieval]\npassages = 5\n[train]\nhold_out = ["new/*"]\n'
        '[compare]\nmargin = 0.1\narms = ["base", "rag"]\n'
    )
    assert (config.seed, config.offline) == (3, False)
    assert config.retrieval == RetrievalConfig(passages=5)
    assert config.train == TrainConfig(hold_out=("new/*",))
    assert config.compare == CompareConfig(margin=0.1, arms=("base", "rag"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('base_modle = "x"', "unknown key 'base_modle', did you mean 'base_model'?"),
        ("[retrieval]\npassage_token = 64", "did you mean 'retrieval.passage_tokens'?"),
        ("[trian]\nrank = 8", "unknown key 'trian', did you mean 'train'?"),
    ],
)
def test_an_unknown_key_is_refused_with_the_near_match(text, said):
    assert said in problems(text).why


def test_a_key_that_is_near_to_nothing_gets_no_suggestion():
    assert problems("zzzz = 1").why == "unknown key 'zzzz'"


def test_every_problem_is_named_at_once():
    error = problems('sed = 1\noffline = "no"\n[train]\nrank = -1\n[retrieval]\nfoo = 1\n')
    assert error.what == "the configuration has 4 problems"
    for part in ("'sed'", "'offline' is 'no'", "'train.rank' is -1", "'retrieval.foo'"):
        assert part in error.why
    assert error.exit_code == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('seed = "7"', "'seed' is '7', expected a whole number from 0"),
        ("seed = 7.5", "'seed' is 7.5, expected a whole number from 0"),
        ("seed = true", "'seed' is True, expected a whole number from 0"),
        ("offline = 1", "'offline' is 1, expected true or false"),
        ("base_model = 3", "'base_model' is 3, expected a string"),
        ("[compare]\nmargin = -0.1", "'compare.margin' is -0.1, expected a number from 0"),
        ('[compare]\narms = "rag"', "'compare.arms' is 'rag', expected a list of strings"),
        ("[compare]\narms = [1]", "'compare.arms' is [1], expected a list of strings"),
        ("train = 3", "'train' must be a table"),
        ("[compare]\nmargin = -1", "'compare.margin' is -1, expected a number from 0"),
        (
            "[compare.limits]\nmax_p95_ms = -4",
            "'compare.limits.max_p95_ms' is -4, expected a number from 0",
        ),
        (f"[compare]\ntarget = 1{'0' * 400}", "'compare.target' is 1000"),
        (
            "[compare]\nmargin = 5",
            "'compare.margin' is 5, expected a share below 1: 0.05 for 5 points",
        ),
        ("[compare]\nmargin = 1", "'compare.margin' is 1, expected a share below 1"),
        (
            "[retrieval]\npassage_tokens = 0",
            "'retrieval.passage_tokens' is 0, but a passage needs at least one token",
        ),
        ("[compare]\nmargin = nan", "'compare.margin' is nan, expected a number from 0"),
        ("[compare]\ntarget = 80", "'compare.target' is 80.0, expected a fraction from 0 to 1"),
        ("references = 3", "'references' must be a list of tables, each under [[references]]"),
        ("[references]\nname = 'x'", "'references' must be a list of tables, each under [[ref"),
    ],
)
def test_a_value_of_the_wrong_type_or_sign_is_refused(text, expected):
    assert problems(text).why.startswith(expected)


REFERENCE = """
[[references]]
name = "large"
base_url = "https://api.example.com/v1"
model = "large-2"
"""


@pytest.mark.parametrize("text", ["", " ", "."])
def test_an_empty_decline_sentence_is_refused(text):
    with pytest.raises(ConfigError) as caught:
        parse_config(f"[prompt]\ndecline = {text!r}")
    assert "'prompt.decline' is empty" in caught.value.why


def test_limits_and_references_are_read_into_their_tables():
    config = parse_config(
        "[compare]\ntarget = 0.8\n[compare.limits]\nmax_p95_ms = 1500\nmin_support = 0.5\n"
        + REFERENCE
        + 'api_key_env = "LARGE_KEY"\npassages = true\nprice_in = 2\nprice_out = 8.5\n'
        + REFERENCE.replace('"large"', '"large-plain"')
    )
    assert config.compare.target == 0.8
    assert config.compare.limits == LimitsConfig(max_p95_ms=1500.0, min_support=0.5)
    first, second = config.references
    url = "https://api.example.com/v1"
    assert first == ReferenceConfig("large", url, "large-2", "LARGE_KEY", True, 2.0, 8.5)
    assert second == ReferenceConfig("large-plain", url, "large-2")


def test_what_a_list_of_tables_lacks_or_has_too_much_is_named_with_its_place():
    error = problems(REFERENCE + '[[references]]\nnam = "x"\nmodel = ""\npassages = "yes"\n')
    assert error.what == "the configuration has 5 problems"
    for part in (
        "unknown key 'references[2].nam', did you mean 'references[2].name'?",
        "'references[2].passages' is 'yes', expected true or false",
        "'references[2].name' is missing",
        "'references[2].base_url' is missing",
        "'references[2].model' is empty",
    ):
        assert part in error.why


def test_two_references_of_one_name_and_names_unfit_for_a_folder_are_refused():
    assert problems(REFERENCE * 2).why.count("like that of another reference") == 2
    why = problems(REFERENCE.replace('"large"', '"../Large"')).why
    assert why.startswith("'references[1].name' may have small letters")


@pytest.mark.parametrize(
    "address",
    [
        "https://me:hunter2@api.example.com/v1",
        "https://hunter2@api.example.com/v1",
        "https://api.example.com/v1?api_key=hunter2",
    ],
)
def test_a_password_in_an_address_is_refused_in_four_lines_and_not_repeated(address):
    for text in (
        REFERENCE.replace("https://api.example.com/v1", address),
        f'[openai]\nmodel = "m"\nbase_url = "{address}"\n',
    ):
        shown = str(problems(text))
        assert [line.split()[0] for line in shown.splitlines()] == [
            "error:",
            "where",
            "why",
            "next",
        ]
        assert "base_url' holds a password or key" in shown
        assert "hunter2" not in shown


def test_a_key_in_the_place_of_its_variable_is_refused_and_not_repeated():
    shown = str(problems(REFERENCE + 'api_key_env = "sk-hunter2"'))
    assert "must name a variable of the environment" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    "address", ["api.example.com/v1", "file:///etc", "http://", "http://[1/v1"]
)
def test_an_address_that_names_no_web_server_is_refused(address):
    why = problems(REFERENCE.replace("https://api.example.com/v1", address)).why
    assert "must begin with http:// or https://" in why


def test_a_choice_names_what_can_be_chosen():
    why = problems('generator = "vllm"').why
    assert "expected one of 'auto', 'openvino', 'transformers', 'openai', 'fake'" in why


def test_a_whole_number_stands_for_a_fraction():
    margin = parse_config("[compare]\ntarget = 1").compare.target
    assert margin == 1.0
    assert isinstance(margin, float)


def test_broken_toml_names_the_line():
    error = problems("seed = = 1")
    assert error.what == "the configuration is not valid TOML"
    assert "line 1" in error.why


def test_the_written_default_file_reads_back_as_the_defaults():
    assert parse_config(default_toml()) == Config()


def test_a_written_file_keeps_what_was_chosen():
    chosen = Config(
        base_model="models/own",
        embedder="fake",
        offline=False,
        seed=11,
        retrieval=RetrievalConfig(passage_tokens=64),
        compare=CompareConfig(margin=0.02),
    )
    assert parse_config(default_toml(chosen)) == chosen


def test_quick_shows_at_most_two_passages_in_400_tokens():
    plan = effort_plan("quick", fast_device=True, passages=3)
    assert (plan.train_tokens, plan.test_questions, plan.prompt_tokens) == (90_000, 125, 400)
    assert (plan.passages, plan.latency_questions, plan.pilot) == (2, 20, False)
    assert effort_plan("quick", fast_device=True, passages=1).passages == 1


def test_normal_has_a_pilot_and_thorough_has_no_cap():
    normal = effort_plan("normal", fast_device=True, passages=3)
    assert (normal.train_tokens, normal.test_questions, normal.passages) == (250_000, 300, 3)
    assert normal.pilot
    thorough = effort_plan("thorough", fast_device=True, passages=3)
    assert (thorough.train_tokens, thorough.test_questions) == (None, None)


def test_a_slow_device_trains_on_fewer_tokens_and_asks_as_many_questions():
    for effort in ("quick", "normal"):
        slow = effort_plan(effort, fast_device=False, passages=3)
        fast = effort_plan(effort, fast_device=True, passages=3)
        assert slow.train_tokens < fast.train_tokens
        assert slow.test_questions == fast.test_questions
