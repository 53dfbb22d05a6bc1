from __future__ import annotations

import json

import pytest

from graft.errors import UnreadableDocument
from graft.loaders.notebook import NotebookLoader
from graft.testing.loader_contract import LoaderContract


def written(path, *cells, **more):
    path.write_text(json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, **more}))
    return path


def cell(kind, source, **more):
    return {"cell_type": kind, "source": source, **more}


def load(tmp_path, *cells, **more):
    path = written(tmp_path / "pump-study.ipynb", *cells, **more)
    (document,) = NotebookLoader().load(path, path.name)
    return document


class TestNotebook(LoaderContract):
    @pytest.fixture
    def loader(self):
        return NotebookLoader()

    @pytest.fixture
    def file(self, tmp_path):
        cells = (cell("markdown", ["# Tarn\n", "pump"]), cell("code", "ninety = 'bar'"))
        return written(tmp_path / "a.ipynb", *cells)


def test_cells_stand_in_order_and_outputs_are_counted(tmp_path):
    document = load(
        tmp_path,
        cell("markdown", "# Study\n\nWhy. <!-- SECRET -->"),
        cell("code", ["# no heading\n", "run()"], outputs=[{"text": "SECRET"}, {"data": {}}]),
        cell("markdown", "## Result"),
        cell("code", " \n"),
        metadata={"language_info": {"name": "python"}},
    )
    assert document.title == "Study"
    assert document.text == "# Study\n\nWhy. \n\n```python\n# no heading\nrun()\n```\n\n## Result"
    assert [item.heading_path for item in document.sections] == [("Study",), ("Study", "Result")]
    assert document.notes == ("1 comment or script left out", "2 outputs left out")


def test_code_with_a_fence_in_it_stays_code(tmp_path):
    text = load(tmp_path, cell("code", "x = '''\n```\n# no heading\n'''")).text
    assert text.startswith("``````\n") and text.endswith("\n``````")


def test_older_notebooks_have_their_cells_in_sheets(tmp_path):
    sheets = [
        {
            "cells": [
                {"cell_type": "heading", "level": 2, "source": "Old"},
                {"cell_type": "code", "input": "x"},
            ]
        }
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"worksheets": sheets, "nbformat": 3}))
    (document,) = NotebookLoader().load(path, "a")
    assert document.text == "## Old\n\n```\nx\n```"


@pytest.mark.parametrize(
    "data",
    [
        '{"a": 1}',
        "[1]",
        '{"cells": 3}',
        "[" * 100_000,
        '{"cells": []}',
        '{"cells": [{"source": "\\ud800"}, 4]}',
    ],
)
def test_what_is_no_notebook_is_refused_or_read(tmp_path, data):
    path = tmp_path / "a.ipynb"
    path.write_text(data)
    if "d800" in data:
        TestNotebook().reads_or_refuses(NotebookLoader(), path)
        return
    with pytest.raises(UnreadableDocument):
        list(NotebookLoader().load(path, "a"))
