from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from graft.report import write_html
from graft.report.answers import Limits, read_answers
from graft.report.flags import warning_texts
from graft.runs import Comparand


@pytest.fixture
def page(tmp_path: Path, comparison: dict[str, Any], comparand: Comparand) -> str:
    path = write_html(tmp_path / "reports" / "report.html", comparison, comparand)
    assert path == tmp_path / "reports" / "report.html"
    return path.read_text(encoding="utf-8")


def test_hostile_text_is_escaped_everywhere(page: str) -> None:
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3
    assert len(re.findall(r"<script\b", page)) == 2
    assert "\x1b" not in page


def test_the_file_needs_no_network(page: str) -> None:
    assert not re.search(r"(src|href|action)\s*=\s*[\"']?\s*(https?:)?//", page)
    assert "url(" not in page
    assert "@import" not in page
    tree = html.fromstring(page)
    assert not tree.xpath("//img | //link | //iframe | //form | //*[@style] | //*[@onclick]")
    assert {link[:1] for link in tree.xpath("//a/@href")} == {"#"}


def test_the_policy_allows_exactly_our_script_and_style(page: str) -> None:
    policy = html.fromstring(page).xpath("//meta[@http-equiv]/@content")[0]
    assert policy.startswith("default-src 'none';")
    for name in ("style", "script"):
        text = re.findall(rf"<{name}>(.*?)</{name}>", page, re.DOTALL)[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy


def test_every_link_leads_somewhere(page: str) -> None:
    tree = html.fromstring(page)
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in tree.xpath("//a/@href")} <= set(ids)


def test_the_comparison_is_embedded_whole(
    tmp_path: Path, comparison: dict[str, Any], comparand: Comparand
) -> None:
    comparison["verdict"]["flags"].append("</script><script>alert(2)</script> <!--")
    page = write_html(tmp_path / "r.html", comparison, comparand).read_text(encoding="utf-8")
    text = re.findall(r'id="comparison">(.*?)</script>', page, re.DOTALL)[0]
    assert "<" not in text
    assert json.loads(text) == comparison


def test_numbers_stand_with_interval_and_n(page: str) -> None:
    tree = html.fromstring(page)
    rows = tree.xpath("//table[@id='arms-table']/tbody/tr")
    shown = [" ".join(row.text_content().split()) for row in rows]
    assert shown[0].startswith("base baseline")
    assert "5 %0–13" in shown[0]
    assert "recommended" in shown[1]
    assert "not applicable: the corpus does not fit the window" in shown[4]
    assert all("control" in line for line in shown[5:])
    assert "higher is better" in page
    assert "lower is better" in page


def test_differences_stand_with_won_lost_tied_and_a_reading(page: str) -> None:
    rows = html.fromstring(page).xpath("//section[@id='differences']//tbody/tr")
    shown = [" ".join(row.text_content().split()) for row in rows]
    assert shown[1] == "finetuned − base −2 −10 to 6 12 14 94 120 31 0.410 not clear"
    assert shown[3].endswith("0.001 clear, exploratory")


def test_marks_are_words_and_the_largest_disagreement_comes_first(comparand: Comparand) -> None:
    reading = read_answers(comparand, Limits())
    views = {view.question.id: view for view in reading.questions}
    marks = {name: [item.words for item in view.answers] for name, view in views.items()}
    assert marks == {
        "q1": ["wrong", "wrong", "right"],
        "q2": ["declined", "right", "partly, 40 %"],
        "q3": ["should decline", "failed", "declined rightly"],
    }
    assert [item.arm for item in views["q1"].controls] == ["decline"]
    assert [view.question.id for view in reading.questions] == ["q3", "q1", "q2"]
    assert [name for name, view in views.items() if view.missed] == ["q2"]
    assert [item.gold for item in views["q1"].passages] == [True, False]


def test_charts_are_drawn_in_both_widths_with_a_label(page: str) -> None:
    tree = html.fromstring(page)
    charts = tree.xpath("//*[local-name()='svg'][@role='img']")
    assert len(charts) == 2 * (1 + 1 + 1 + 2)
    assert all(chart.get("aria-label") for chart in charts)


def test_curves_with_gaps_and_steps_without_a_number_are_drawn(
    tmp_path: Path, comparison: dict[str, Any], make: Any
) -> None:
    curves = {
        "finetuned": [{"step": 1, "train_loss": float("nan")}, {"step": 2, "dev_loss": 1.0}],
        "empty": [],
        "long": [{"step": step, "train_loss": 1.0} for step in range(5000)],
    }
    page = write_html(tmp_path / "r.html", comparison, make(2, curves=curves)).read_text("utf-8")
    assert "nan" not in page.lower().partition("<main>")[2].partition("reproduce")[0]
    assert page.count('aria-label="Training of') == 4
    assert len(page) < 200_000


def test_three_hundred_questions_and_nine_arms_stay_whole_under_two_megabytes(
    tmp_path: Path, comparison: dict[str, Any], make: Any
) -> None:
    path = write_html(tmp_path / "r.html", comparison, make(300, passage="forty litres " * 60))
    page = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 2_000_000
    assert page.count('<article class="question"') == 300
    assert "To keep this file" not in page


def test_a_large_file_shortens_passages_first_and_says_how_many(
    tmp_path: Path, comparison: dict[str, Any], make: Any
) -> None:
    path = write_html(tmp_path / "r.html", comparison, make(300, passage="forty litres " * 900))
    assert path.stat().st_size < 2_000_000
    page = path.read_text(encoding="utf-8")
    said = re.findall(r"To keep this file under 2 MB, (.*?)</p>", page)
    assert said == ["400 passages were shortened to 1200 characters."]


def test_long_answers_are_shortened_only_after_the_passages(
    tmp_path: Path, comparison: dict[str, Any], make: Any
) -> None:
    path = write_html(tmp_path / "r.html", comparison, make(300, answer="forty litres " * 90))
    assert path.stat().st_size < 2_000_000
    page = path.read_text(encoding="utf-8")
    assert "2,700 answers to 400 characters" in page
    assert page.count('<article class="question"') == 300


def test_a_comparison_without_its_parts_is_still_a_page(tmp_path: Path, make: Any) -> None:
    page = write_html(tmp_path / "r.html", {"schema": 1}, make(3)).read_text(encoding="utf-8")
    assert page.count('<article class="question"') == 3


def test_a_comparison_of_nulls_is_still_a_page(tmp_path: Path, make: Any) -> None:
    nulls = dict.fromkeys(
        ("exposure", "decline_recall", "headline", "latency_ms", "build_seconds", "failed")
    )
    contrast = {"a": "rag", "b": "base", "difference": None, "low": None, "high": None, "p": None}
    comparison = {
        "schema": 1,
        "base_model": None,
        "created": None,
        "arms": [{"name": "base", "control": False, **nulls}],
        "contrasts": [contrast],
        "interaction": None,
        "verdict": {"sentence": "", "recommended": None, "tie_set": None, "flags": None},
    }
    page = write_html(tmp_path / "r.html", comparison, make(0)).read_text(encoding="utf-8")
    assert "No verdict." in page
    assert "None" not in page.partition("<body>")[2].partition("<script")[0]


@pytest.fixture
def whole_page(tmp_path: Path, full: dict[str, Any], comparand: Comparand) -> str:
    settings = {"training": {"finetuned": {"kept_step": 140}}, "machine": "two cores"}
    comparand = dataclasses.replace(comparand, settings=settings)
    return write_html(tmp_path / "whole.html", full, comparand).read_text(encoding="utf-8")


def test_every_part_that_was_measured_is_drawn(whole_page: str) -> None:
    tree = html.fromstring(whole_page)
    titles = {" ".join(item.text_content().split()) for item in tree.xpath("//h2 | //h3")}
    assert titles >= {
        "What changes with hybrid",
        "Limits",
        "Won, tied and lost",
        "Groups of questions",
        "Without similar questions",
        "What goes wrong, and what to try",
        "Found and read",
        "Answering and declining",
        "Risk by coverage",
        "Forgetting",
        "Distractors",
        "Training",
    }
    commands = tree.xpath("//code[@class='command']/text()")
    assert commands[0] == "graft compare --effort normal"
    assert "chosen: step 140" in whole_page
    assert "two cores" in whole_page
    assert 'class="frontier"' in whole_page
    assert "<script>alert" not in whole_page
    assert tree.xpath("//h2/text()")[-2:] == ["Why", "Reproduce"]


def test_what_was_not_measured_is_named_and_not_drawn(page: str) -> None:
    assert "Not measured: memory; price of 1,000." in page
    assert "found and read, risk by coverage, forgetting, distractors" in " ".join(page.split())
    titles = html.fromstring(page).xpath("//h2/text() | //h3/text()")
    assert not {"Slices", "Limits", "Forgetting", "Distractors"} & set(titles)


def test_differences_from_the_baseline_have_a_sign_besides_their_colour(page: str) -> None:
    cells = html.fromstring(page).xpath("//td[@data-label='against base']")
    shown = [" ".join(cell.text_content().split()) for cell in cells]
    assert shown[2:4] == ["≈−2not clear−10 to 6", "▲+24better14 to 34"]


def test_filters_name_the_arm_that_alone_is_wrong_misread_or_should_have_declined(
    comparand: Comparand,
) -> None:
    views = {view.question.id: view for view in read_answers(comparand, Limits()).questions}
    assert views["q3"].filters == ("disagree", "decline", "decline-0")
    assert views["q2"].filters == ("disagree", "missed", "missed-2")
    right = dataclasses.replace(comparand.runs[0].records[0], scores={"primary": 1.0})
    first = dataclasses.replace(comparand.runs[0], records=(right,))
    found = dataclasses.replace(comparand, runs=(first, *comparand.runs[1:]))
    views = {view.question.id: view for view in read_answers(found, Limits()).questions}
    assert views["q1"].filters == ("disagree", "alone", "alone-1")


def test_the_words_of_the_reference_are_marked_in_the_passages_of_a_question(page: str) -> None:
    item = html.fromstring(page).xpath("//article[@data-id='q1']//li[@data-marks]")[0]
    start, end = map(int, item.get("data-marks").split("-"))
    assert "The pump delivers 40 litres."[start:end] == "40 litres"


def test_a_limit_that_many_arms_break_is_one_warning() -> None:
    codes = [f"limit_failed:max_p50_ms:{arm}" for arm in ("rag", "hybrid")]
    codes += [f"leakage:q{number}" for number in range(9)]
    assert warning_texts(codes) == [
        "rag breaks the limit on p50 time; hybrid breaks the limit on p50 time",
        "training saw the test question q0",
        "training saw the test question q1",
        "training saw the test question q2, and 6 more like it",
    ]


def test_under_a_training_stands_what_its_curve_means(comparison, make, tmp_path):
    looks = [(10, 2.0, 1.5, 0.4), (20, 0.4, 2.5, 0.2)]
    curve = [
        {"step": step, "tokens": step, "seconds": 1.0, "train_loss": train, "dev_loss": dev,
         "dev_answers": answers}
        for step, train, dev, answers in looks
    ]  # fmt: skip
    settings = {"training": {"finetuned": {"kept_step": 10}}}
    given = make(2, curves={"finetuned": curve}, settings=settings)
    page = write_html(tmp_path / "r.html", comparison, given).read_text("utf-8")
    assert "Overfitting: after step 10 the loss on dev rose from 1.50 to 2.50" in page
