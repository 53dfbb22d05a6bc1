from __future__ import annotations

import pytest

from graft.errors import BadInput, MissingPrerequisite
from graft.splitters.semantic import SemanticSplitter
from graft.types import Document, Section

SENTENCE = "The pump of the north hall runs for ninety seconds without any water at all. "


def document(*parts, title="Pumps", loader="markdown"):
    """Return a document of (path, text) parts, one section each."""
    text, sections = "", []
    for path, piece in parts:
        sections.append(Section(path, len(text), len(text) + len(piece)))
        text += piece
    return Document("a.md", "a.md", title, text, "hash", loader, tuple(sections))


def split(value, size=128, tokenizer=None):
    return list(SemanticSplitter(size, tokenizer).split(value))


def words(passage):
    return len(passage.shown.split())


def test_positions_point_at_the_text():
    value = document((("Pumps",), "# Pumps\n\n" + SENTENCE * 30), (("Pumps", "Oil"), "## Oil\nx"))
    passages = split(value, 64)
    assert len(passages) > 5
    for passage in passages:
        assert value.text[passage.start : passage.end] == passage.text == passage.text.strip()
    assert [passage.position for passage in passages] == list(range(len(passages)))
    assert all(one.end <= two.start for one, two in zip(passages, passages[1:], strict=False))
    assert sum(passage.text.count("ninety") for passage in passages) == 30


def test_no_passage_is_larger_than_the_size_with_its_heading_path():
    value = document((("Pumps", "The north hall", "Running dry"), SENTENCE * 40))
    splitter = SemanticSplitter(64)
    sizes = [splitter._count(passage.shown) for passage in splitter.split(value)]
    assert max(sizes) <= 64
    assert min(sizes[:-1]) >= 48
    assert sizes[-1] >= 16


def test_the_path_starts_with_the_title_once_and_the_heading_is_not_repeated():
    first, second = split(
        document((("PUMPS",), "# PUMPS\n\n" + SENTENCE * 5), (("PUMPS", "Oil"), SENTENCE * 5)), 100
    )
    assert first.shown == "PUMPS\n" + (SENTENCE * 5).strip()
    assert second.heading_path == ("PUMPS", "Oil")
    (other,) = split(document((("Oil",), "## Oil\n" + SENTENCE), title="Handbook"))
    assert other.heading_path == ("Handbook", "Oil")


def test_an_underlined_heading_is_not_repeated():
    (passage,) = split(document((("Pumps",), "Pumps\n=====\nText about them.\n")))
    assert passage.text == "Text about them."


def test_large_sections_are_not_merged():
    value = document((("P", "A"), "## A\n" + SENTENCE * 4), (("P", "B"), "## B\n" + SENTENCE * 4))
    assert [passage.heading_path[-1] for passage in split(value)] == ["A", "B"]


def test_tiny_neighbours_of_one_parent_are_merged_under_it():
    value = document(
        (("Pumps", "Colour"), "## Colour\nBlue.\n"),
        (("Pumps", "Weight"), "## Weight\n31 kg.\n"),
        (("Pumps", "Price"), "## Price\n900.\n"),
    )
    (passage,) = split(value)
    assert passage.heading_path == ("Pumps",)
    assert passage.text == "## Colour\nBlue.\n## Weight\n31 kg.\n## Price\n900."


def test_tiny_sections_of_different_parents_stay_apart():
    value = document(
        (("P", "A", "One"), "### One\nBlue.\n"),
        (("P", "B", "Two"), "### Two\nRed.\n"),
    )
    assert [passage.heading_path for passage in split(value, 128)] == [
        ("Pumps", "P", "A", "One"),
        ("Pumps", "P", "B", "Two"),
    ]


def test_a_heading_without_text_lives_in_the_paths_below_it():
    value = document((("Pumps",), "# Pumps\n\n"), (("Pumps", "Oil"), "## Oil\n" + SENTENCE * 3))
    (passage,) = split(value)
    assert passage.heading_path == ("Pumps", "Oil")


def test_a_heading_that_is_all_there_is_still_counts():
    (passage,) = split(document((("Pumps",), "# Pumps\n")))
    assert passage.text == "# Pumps"


def test_pages_keep_their_numbers():
    text = SENTENCE * 5
    value = Document(
        "a.pdf",
        "a.pdf",
        "Sheet",
        text * 2,
        "hash",
        "pdf",
        (Section((), 0, len(text), 1), Section((), len(text), 2 * len(text), 2)),
    )
    assert [passage.page for passage in split(value)] == [1, 2]


def test_a_long_heading_path_is_cut_from_the_left():
    long = "a heading of quite some words in it"
    value = document((("Pumps", long, long + " too", "Last"), SENTENCE * 2))
    assert {passage.heading_path for passage in split(value, 36)} == {("Pumps", "Last")}


def test_a_title_without_end_is_cut_short():
    value = document(((), SENTENCE), title="word " * 400)
    passages = split(value, 48)
    assert all(words(passage) <= 48 for passage in passages)
    assert passages[0].heading_path[0].endswith("…")


def test_ids_depend_on_document_position_and_shown_text():
    value = document((("Pumps",), SENTENCE * 20))
    assert [item.id for item in split(value)] == [item.id for item in split(value)]
    assert len({item.id for item in split(value)}) == len(split(value))
    other = Document("b.md", "", "Pumps", value.text, "", "markdown", value.sections)
    assert not {item.id for item in split(value)} & {item.id for item in split(other)}


def test_a_document_without_sections_is_one_section():
    (passage,) = split(Document("a.txt", "a.txt", "Note", "\n  Blue.\n", "hash", "text"))
    assert passage.shown == "Note\nBlue."
    assert (passage.start, passage.end) == (3, 8)


def test_scripts_without_spaces_are_cut_too():
    value = document(((), "東京本社のポンプは九十秒間だけ空運転できます。" * 30), title="ポンプ")
    passages = split(value, 64)
    assert len(passages) > 5
    assert "".join(passage.text for passage in passages) == value.text


def test_the_identity_names_the_settings(tmp_path):
    assert SemanticSplitter(64).identity == SemanticSplitter(64).identity
    assert SemanticSplitter(64).identity != SemanticSplitter(65).identity
    assert SemanticSplitter(64, tokenizer_file(tmp_path)).identity != SemanticSplitter(64).identity


def tokenizer_file(tmp_path):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.enable_truncation(4)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_sizes_are_those_of_the_tokenizer(tmp_path):
    import re

    value = document((("Pumps",), SENTENCE * 40))
    passages = split(value, 50, tokenizer_file(tmp_path))
    sizes = [len(re.findall(r"\w+|[^\w\s]+", passage.shown)) for passage in passages]
    assert max(sizes) <= 50
    assert min(sizes[:-1]) > 36


def test_a_missing_tokenizer_is_named(tmp_path):
    with pytest.raises(MissingPrerequisite, match="tokenizer"):
        SemanticSplitter(64, tmp_path / "none.json")


def test_a_broken_tokenizer_is_named(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(MissingPrerequisite, match="tokenizer"):
        SemanticSplitter(64, path)


def test_a_size_that_holds_no_sentence_is_refused():
    with pytest.raises(BadInput, match="too small"):
        SemanticSplitter(5)
