"""What the process that reads documents may open besides the one file."""

from __future__ import annotations

import mimetypes
import os

import office
import pytest

from graft.parse_worker import _Guard
from graft.parsing import Parsing
from graft.sources import Candidate


@pytest.mark.parametrize("kind", [*office.MEMBERS])
def test_a_new_process_may_read_what_its_loader_needs(tmp_path, kind):
    """Case 12: libraries read tables of the system when they are imported, at the first file."""
    path = tmp_path / f"a.{kind}"
    path.write_bytes(office.document(kind))
    with Parsing() as parsing:
        (parsed,) = parsing.parse([Candidate(path, tmp_path, path.name)])
    assert parsed.error is None
    assert "The valve is blue." in parsed.documents[0].text


@pytest.mark.parametrize("path", [*mimetypes.knownfiles, "/usr/share/zoneinfo/Europe/Berlin"])
def test_tables_of_the_system_may_be_read_and_not_written(path):
    """Case 12: they are public, and the same for every document."""
    guard = _Guard()
    assert guard._may_open(path, os.O_RDONLY)
    assert not guard._may_open(path, os.O_WRONLY)
    assert not guard._may_open("/etc/passwd", os.O_RDONLY)
