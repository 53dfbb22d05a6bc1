"""When documents are looked at again."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from graft.watching import rounds


class Watched:
    """The rounds of some paths, collected beside the test."""

    def __init__(self, paths: list[Path], without: Path, sweep: float = 30.0) -> None:
        self.reasons: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(paths, without, sweep))

    def __enter__(self) -> Watched:
        self._thread.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def wait(self, count: int, seconds: float = 8.0) -> list[str]:
        until = time.monotonic() + seconds
        while len(self.reasons) < count and time.monotonic() < until:
            time.sleep(0.02)
        return self.reasons

    def _run(self, paths: list[Path], without: Path, sweep: float) -> None:
        for reason in rounds(paths, without=without, sweep=sweep, stop=self._stop):
            self.reasons.append(reason)


def test_a_new_an_edited_and_a_deleted_file_are_a_round_each(tmp_path):
    with Watched([tmp_path], tmp_path / ".graft") as watched:
        for number, act in enumerate(
            (
                lambda: (tmp_path / "a.md").write_text("one"),
                lambda: (tmp_path / "a.md").write_text("two"),
                lambda: (tmp_path / "a.md").unlink(),
            ),
            1,
        ):
            act()
            assert watched.wait(number) == ["change"] * number


def test_writes_in_quick_succession_are_one_round(tmp_path):
    with Watched([tmp_path], tmp_path / ".graft") as watched:
        for number in range(20):
            (tmp_path / f"{number}.md").write_text("text")
        assert watched.wait(1) == ["change"]
        time.sleep(1.0)
        assert watched.reasons == ["change"]


def test_the_state_of_the_workspace_and_a_neighbour_of_a_file_count_for_nothing(tmp_path):
    state = tmp_path / "team" / ".graft"
    state.mkdir(parents=True)
    single = tmp_path / "one.md"
    single.write_text("one")
    with Watched([tmp_path / "team", single], state) as watched:
        (state / "catalog.sqlite").write_text("rows")
        (tmp_path / "two.md").write_text("two")
        time.sleep(1.2)
        assert watched.reasons == []
        replacement = tmp_path / "one.md.new"
        replacement.write_text("other")
        replacement.replace(single)
        assert watched.wait(1) == ["change"]


def test_without_a_change_there_are_sweeps(tmp_path):
    with Watched([tmp_path], tmp_path / ".graft", sweep=0.3) as watched:
        assert watched.wait(2)[:2] == ["sweep", "sweep"]


def test_without_paths_there_are_sweeps_only(tmp_path):
    with Watched([], tmp_path / ".graft", sweep=0.1) as watched:
        assert watched.wait(2)[:2] == ["sweep", "sweep"]
