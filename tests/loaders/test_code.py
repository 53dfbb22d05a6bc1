from __future__ import annotations

import time

import pytest

from graft.loaders.code import CodeLoader
from graft.testing.loader_contract import LoaderContract


def load(tmp_path, text, name):
    path = tmp_path / name
    path.write_text(text)
    (document,) = CodeLoader().load(path, name)
    return document


def cut(document):
    return [(item.heading_path, document.text[item.start : item.end]) for item in document.sections]


class TestCode(LoaderContract):
    @pytest.fixture
    def loader(self):
        return CodeLoader()

    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "a.py"
        path.write_text("# Tarn\ndef pump():\n    return 'ninety bar'\n")
        return path


def test_python_is_cut_at_functions_and_classes_with_what_belongs_to_them(tmp_path):
    document = load(
        tmp_path,
        '"""Pumps."""\nimport os\n\n'
        "# Runs it.\n@cached\nasync def run(a):\n    def inner(): ...\n\n"
        "class Pump(Base):\n    def stop(self): ...\n",
        "pump-control.py",
    )
    assert document.title == "pump-control.py"
    assert cut(document) == [
        ((), '"""Pumps."""\nimport os\n\n'),
        (("run",), "# Runs it.\n@cached\nasync def run(a):\n    def inner(): ...\n\n"),
        (("Pump",), "class Pump(Base):\n    def stop(self): ...\n"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        (
            "a.js",
            "export default async function go(x) {\n}\nconst add = (a, b) => a\nlet n = 3\n",
            ["go", "add"],
        ),
        (
            "a.ts",
            "export interface Pump<T> {\n}\ntype Id = string\n"
            "export const f = async (x: Id): T => {\n}\nabstract class A {\n}\n",
            ["Pump", "Id", "f", "A"],
        ),
        (
            "a.java",
            "package x;\n/** Doc. */\n@Entity\npublic final class Pump extends A {\n"
            "  void run() {\n  }\n}\n",
            ["Pump"],
        ),
        (
            "a.go",
            "func (p *Pump) Start(x int) error {\n}\ntype Pump struct {\n}\n",
            ["Start", "Pump"],
        ),
        (
            "a.rs",
            "#[derive(Debug)]\npub(crate) struct Pump {\n}\nimpl Pump {\n}\npub fn run() {\n}\n",
            ["Pump", "Pump", "run"],
        ),
        ("a.kt", "data class Pump(val a: Int)\nsuspend fun run() {\n}\n", ["Pump", "run"]),
        ("a.cs", "public static class Pump\n{\n}\n", ["Pump"]),
        ("a.php", "<?php\nfunction run($a) {\n}\nabstract class Pump {\n}\n", ["run", "Pump"]),
        ("a.swift", "public func run() {\n}\nextension Pump: X {\n}\n", ["run", "Pump"]),
        (
            "a.c",
            "#include <x>\nstatic int *run(int a)\n{\n  if (a)\n    go(a);\n}\n"
            "int declared(int);\nstruct pump {\n};\n",
            ["run", "pump"],
        ),
        (
            "a.cpp",
            "void Pump::start(int a) {\n}\ntemplate <class T>\nclass Box {\n};\n",
            ["Pump::start", "Box"],
        ),
        ("a.rb", "module Works\nend\ndef self.ok?(a)\nend\n", ["Works", "self.ok?"]),
        ("a.sh", "run() {\n}\nfunction stop {\n}\n", ["run", "stop"]),
        (
            "a.sql",
            "SELECT 1;\n-- Pumps.\ncreate table if not exists shop.pumps (\n id int);\n",
            ["shop.pumps"],
        ),
        ("a.r", "run <- function(a) {\n}\n", ["run"]),
        ("a.lua", "local function run(a)\nend\nM.stop = function()\nend\n", ["run", "M.stop"]),
        ("a.pl", "sub run {\n}\n", ["run"]),
        ("a.toml", "x = 1\n[tool.ruff]\ny = 2\n[[jobs]]\n", ["tool.ruff", "jobs"]),
        ("a.yaml", "on: push\njobs:\n  build:\n    x: 1\nenv: # here\n  a: 1\n", ["jobs", "env"]),
        ("a.css", "p { }\n@media print {\n}\n", ["media print"]),
    ],
)
def test_definitions_of_a_language_head_sections(tmp_path, name, text, names):
    document = load(tmp_path, text, name)
    assert [item.heading_path[0] for item in document.sections if item.heading_path] == names
    assert "".join(piece for _, piece in cut(document)) == document.text == text


def test_every_extension_has_rules_and_capitals_count_too(tmp_path):
    assert ".py" in CodeLoader.extensions
    assert load(tmp_path, "run <- function(a) {\n}\n", "A.R").sections[0].heading_path == ("run",)


@pytest.mark.parametrize("piece", ["*& ", "a ", "a(", "a=", "static ", "a: ", "\t", "[", "pub("])
def test_no_line_takes_long(tmp_path, piece):
    line = piece * (999 // len(piece))
    start = time.process_time()
    for name in ("a.c", "a.ts", "a.yaml", "a.sql", "a.py", "a.lua"):
        load(tmp_path, f"x\n{line}\n", name)
    assert time.process_time() - start < 2


def test_settings_are_text_and_never_unfolded_or_run(tmp_path):
    text = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a, *a]\n" for n in range(300))
    text += "run: !!python/object/apply:os.system [id]\n"
    document = load(tmp_path, text, "settings.yaml")
    assert document.text.rstrip("\n") == text.rstrip("\n")
