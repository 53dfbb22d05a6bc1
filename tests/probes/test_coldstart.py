"""A child process that serves once: its time, its memory, and how it may fail."""

from __future__ import annotations

import json
import sys

import pytest

from graft.errors import GenerationFailed
from graft.probes.coldstart import measure_cold_start

GOOD = """
import json, sys, time
task = json.load(sys.stdin)
held = bytearray(task["bytes"])
print("{}", flush=True)
time.sleep(0.3)
peak = None
if task["own"]:
    from graft.probes.coldstart import peak_memory_bytes
    peak = peak_memory_bytes()
print(json.dumps({"load_seconds": 0.25, "peak_memory_bytes": peak}), flush=True)
"""


def run(code, task=None, **more):
    return measure_cold_start([sys.executable, "-c", code], task or {}, **more)


def test_the_clock_stops_at_the_first_answer():
    found = run(GOOD, {"bytes": 0, "own": False})
    assert found.cold_seconds > 0
    assert found.load_seconds == 0.25
    assert (found.peak_memory_bytes is None) == (sys.platform != "darwin")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_peak_is_the_childs_own_whatever_this_process_holds():
    held = bytearray(b"1") * 200_000_000
    found = run(GOOD, {"bytes": 50_000_000, "own": True})
    assert len(held) > found.peak_memory_bytes > 0


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import sys; sys.stderr.write('no model\\n\\n'); sys.exit(3)", "no model"),
        ("pass", "it said nothing"),
        ("print('{}'); print('?')", "JSONDecodeError"),
        ("print('{}'); print('{\"load_seconds\": 1}')", "KeyError"),
    ],
)
def test_a_child_that_fails_is_an_error_with_its_last_words(code, why):
    with pytest.raises(GenerationFailed) as caught:
        run(code, {"padding": "x" * 200_000})
    assert why in caught.value.why


def test_a_child_that_hangs_is_ended():
    with pytest.raises(GenerationFailed) as caught:
        run("import time; time.sleep(30)", longest_seconds=0.3)
    assert "over 0.3 s" in caught.value.why


def test_the_error_names_the_command_and_the_next_one():
    with pytest.raises(GenerationFailed) as caught:
        run("raise SystemExit(1)")
    assert sys.executable in caught.value.where
    assert caught.value.next_step == "graft doctor"
    assert json.dumps(caught.value.why)
