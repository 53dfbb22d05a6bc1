"""The house rules that a machine can hold: layers, imports, sizes, import cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src" / "graft"
FILES = sorted(SRC.rglob("*.py"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
HEAVY = {"torch", "transformers", "lancedb", "openvino", "openvino_genai", "ray", "scipy", "numpy"}

# docs/design/layers.md says why each module stands where it does.
LAYERS = {
    0: ["types", "protocols", "errors", "showing"],
    1: [
        "config", "efforts", "addresses", "database_settings", "prompts", "spaces", "stats",
        "files", "formats",
    ],
    2: [
        "loaders", "databases", "splitters", "embed", "index", "generate", "models", "train",
        "metrics", "guard",
    ],
    3: [
        "corpus", "catalog", "catalog_schema", "staging", "versions", "failures", "changes",
        "filling", "locking", "provenance", "reindexing", "removing", "verifying",
        "reading", "loader_versions", "parsing", "parse_child", "parse_worker", "sources",
        "questions", "question_lines", "question_forms", "question_set",
        "pair_rules", "pair_checks",
        "question_check", "question_dev", "question_export", "question_overlap",
        "question_power", "leakage", "beir",
        "retrieve", "contexts", "rows", "exposure", "arms", "references", "runs",
    ],
    4: [
        "evaluate", "probes", "decide", "report",
        "judge", "judge_gate", "judge_sample", "retrieval_curve",
    ],
    5: [
        "adding", "watching", "asking", "adapters", "receipts", "fitting", "changing",
        "export_readme", "exporting",
        "staleness", "checking", "train_forecast", "tuning",
        "assembly", "training", "comparing",
        "estimate", "results",
        "rescoring", "doctor", "manifests", "preparing", "pilot", "creating", "probing",
        "serve_once", "judging", "workspace",
    ],
    6: ["cli", "server", "web"],
    7: ["testing"],
}  # fmt: skip
LAYER = {name: number for number, names in LAYERS.items() for name in names}
FAMILIES = set(LAYERS[2])
# `models` is what generators and training are made of; embed converts through its cache.
SHARED_FAMILIES = {"models"}


def module_name(path):
    parts = ("graft", *path.relative_to(SRC).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in FILES}


def imports_of(path, *, top_only=False):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES
            yield from inside
            if len(inside) < len(node.names):
                yield node.module


def family(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_every_module_has_a_layer_and_imports_no_higher_one(path):
    own = family(module_name(path))
    if not own:
        return
    assert own in LAYER, f"{path} belongs to no layer: add it to LAYERS and docs/design/layers.md"
    for target in imports_of(path):
        other = family(target)
        if not target.startswith("graft.") or other not in LAYER:
            continue
        assert LAYER[other] <= LAYER[own], f"{module_name(path)} imports {target}"
        if own in FAMILIES and other in FAMILIES and other != own:
            assert other in SHARED_FAMILIES, f"family {own} imports family {other}"


def test_no_two_modules_import_each_other():
    graph = {
        module_name(path): {target for target in imports_of(path) if target in MODULES}
        for path in FILES
    }
    pairs = {
        tuple(sorted((one, other)))
        for one, targets in graph.items()
        for other in targets
        if other != one and one in graph[other] and one != "graft" and other != "graft"
    }
    assert not pairs


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_files_and_functions_stay_small(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{path.name}:{node.name} has {length} lines"


def test_the_lowest_layer_needs_the_standard_library_alone():
    for name in LAYERS[0]:
        path = SRC / f"{name}.py"
        for target in imports_of(path, top_only=True):
            root = target.split(".")[0]
            assert root in sys.stdlib_module_names or root in ("graft", "__future__")


def test_importing_graft_is_cheap_and_loads_nothing_heavy():
    code = (
        "import sys, time; start = time.perf_counter(); import graft;"
        "print(time.perf_counter() - start); print(*sorted(sys.modules))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    seconds = min(float(run.stdout.splitlines()[0]) for run in runs)
    assert seconds < 0.3
    assert not HEAVY & set(runs[0].stdout.splitlines()[1].split())
