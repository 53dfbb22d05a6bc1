"""An adapter written for other programs: PEFT, merged weights, GGUF, Ollama; asked once more.

Everything is written into a folder beside the target, the receipt's probes are asked of each
written model, and only then is the folder renamed: what lies there answers as it was trained to,
or nothing lies there.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.assembly import Assembly
from graft.errors import BadInput, UsageError
from graft.export_readme import readme
from graft.files import raise_unwritable
from graft.formats import sealed
from graft.models.cache import hash_file
from graft.models.chat import Chat
from graft.prompts import PromptContract
from graft.protocols import Generator, Progress
from graft.receipts import Asked, ask_again, check_prompt, check_stamps

__all__ = ["FORMATS", "ExportReport", "export_adapter", "parse_formats"]

FORMATS = ("peft", "merged", "gguf", "ollama")
SCHEMA = 1
NEEDS = "0.1.0"
GGUF_FILES = {"f16": "model-f16.gguf", "q8_0": "model-q8_0.gguf"}


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written: files with their bytes, and what the probes came to by made model."""

    adapter: str
    folder: Path
    formats: tuple[str, ...]
    files: Mapping[str, int]
    probes: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, str]


def parse_formats(text: str) -> tuple[str, ...]:
    """Return the formats of a list with commas, in our order; `ollama` brings its GGUF along.

    >>> parse_formats("ollama,peft")
    ('peft', 'gguf', 'ollama')

    Raises:
        UsageError: there is no such format.
    """
    wanted = {item.strip() for item in text.split(",") if item.strip()}
    if not wanted or wanted - set(FORMATS):
        unknown = ", ".join(sorted(wanted - set(FORMATS))) or "nothing"
        raise UsageError(
            f"cannot export {unknown}",
            where="--formats",
            why="formats are " + ", ".join(FORMATS),
            next_step="graft export --to FOLDER --formats peft,merged",
        )
    wanted |= {"gguf"} if "ollama" in wanted else set()
    return tuple(item for item in FORMATS if item in wanted)


def export_adapter(
    assembly: Assembly,
    name: str,
    adapter: Path,
    contract: PromptContract,
    target: Path,
    formats: Sequence[str] = (),
    *,
    max_new_tokens: int = 48,
    on_progress: Progress | None = None,
) -> ExportReport:
    """Write an adapter in each format and ask its probes of what was written.

    Without `formats` all that the base allows are written: GGUF and Ollama need a GGUF base.

    Raises:
        BadInput: the target is there and not empty, or cannot be written.
        UsageError: a format that was named needs a GGUF base.
        FingerprintMismatch: adapter, base and prompt do not belong together, or what was
            written does not answer as the adapter did; nothing is left behind.
    """
    _need_empty(target)
    wanted, left_out = _allowed(assembly, formats)
    base = assembly.base
    receipt = check_stamps(adapter, base.checkpoint, base.chat.hash)
    check_prompt(adapter, contract)
    work = _Work(assembly, name, adapter, contract, receipt, wanted, max_new_tokens, on_progress)
    draft: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        report = work.write(draft, target, left_out)
        draft.chmod(0o755)  # of a folder that nobody else may read nobody else can serve
        os.replace(draft, target)
    except OSError as error:
        raise_unwritable(error, target)
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
    return report


def _need_empty(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        why = "it is there and no folder"
    elif target.is_dir() and any(target.iterdir()):
        why = "the folder is not empty"
    else:
        return
    raise BadInput(
        "the export has nowhere to go",
        where=str(target),
        why=why,
        next_step="name a folder that is empty or not there: graft export --to FOLDER",
    )


def _allowed(assembly: Assembly, formats: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the formats to write, and why others are left out."""
    if assembly.api_only:
        raise UsageError(
            "there are no weights to export",
            where="graft.toml",
            why="the base model is behind a server",
            next_step="set base_model to a model on this machine",
        )
    if assembly.base.files.layout == "gguf":
        return tuple(formats or FORMATS), {}
    why = (
        "the base is no GGUF file, whose settings and tokenizer would be kept; "
        "convert_hf_to_gguf.py of llama.cpp makes one of the merged folder"
    )
    if named := [item for item in formats if item in ("gguf", "ollama")]:
        raise UsageError(
            f"cannot export {named[0]}",
            where="--formats",
            why=why,
            next_step="graft export --to FOLDER --formats peft,merged",
        )
    return tuple(formats or ("peft", "merged")), {"gguf": why, "ollama": why}


@dataclass(frozen=True, slots=True)
class _Work:
    """One export; every part writes into the draft and is asked at once."""

    assembly: Assembly
    name: str
    adapter: Path
    contract: PromptContract
    receipt: Mapping[str, Any]
    formats: Sequence[str]
    max_new_tokens: int
    on_progress: Progress | None

    def write(self, draft: Path, target: Path, left_out: Mapping[str, str]) -> ExportReport:
        """Write all formats, then README, receipt and `export.json`."""
        from graft.models.merge import merged_weights

        base = self.assembly.base
        merged = merged_weights(base.checkpoint, self.adapter)
        probes: dict[str, dict[str, Any]] = {}
        if "peft" in self.formats:
            self._tell("write peft")
            probes["peft"] = self._peft(draft)
        if "merged" in self.formats:
            self._tell("write merged")
            probes["merged"] = self._merged(draft / "merged", merged)
        if "gguf" in self.formats:
            probes |= self._gguf(draft / "gguf", merged)
        if "ollama" in self.formats:
            (draft / "gguf" / "Modelfile").write_text(self._modelfile(), encoding="utf-8")
        shutil.copyfile(self.adapter / "receipt.json", draft / "receipt.json")
        told = readme(
            self.name,
            self.formats,
            self.contract,
            rank=int(self.receipt.get("plan", {}).get("rank", 16)),
            base=self._base_name(),
            stops=base.chat.stop_texts(),
            max_new_tokens=self.max_new_tokens,
        )
        (draft / "README.md").write_text(told, encoding="utf-8")
        files = {
            str(path.relative_to(draft)): path.stat().st_size
            for path in sorted(draft.rglob("*"))
            if path.is_file()
        }
        head = self._head(draft, files, probes, left_out)
        (draft / "export.json").write_text(json.dumps(head, indent=1), encoding="utf-8")
        return ExportReport(self.name, target, tuple(self.formats), files, probes, dict(left_out))

    def _head(
        self,
        draft: Path,
        files: Mapping[str, int],
        probes: Mapping[str, Any],
        left_out: Mapping[str, str],
    ) -> dict[str, Any]:
        return sealed(
            {
                "schema": SCHEMA,
                "needs": NEEDS,
                "adapter": self.adapter.name,
                "formats": list(self.formats),
                "left_out": dict(left_out),
                "prompt": {
                    "system": self.contract.system,
                    "decline": self.contract.decline,
                    "user": self.contract.user_text("QUESTION"),
                    "hash": self.contract.tuned_hash,
                },
                "decoding": {
                    "temperature": 0,
                    "max_new_tokens": self.max_new_tokens,
                    "stop": list(self.assembly.base.chat.stop_texts()),
                },
                "files": {
                    name: {"bytes": size, "sha256": hash_file(draft / name)}
                    for name, size in files.items()
                },
                "probes": dict(probes),
            }
        )

    def _base_name(self) -> str:
        """Name the base for PEFT: what was shipped beside the adapter, or its own name."""
        files = self.assembly.base.files
        return "../base" if files.layout == "gguf" else files.name

    def _peft(self, draft: Path) -> dict[str, Any]:
        from graft.models.merged_folder import copy_base, write_adapter

        base, place = self.assembly.base, draft / "peft"
        place.mkdir()
        write_adapter(self.adapter, self._base_name(), place)
        if base.files.layout == "gguf":  # transformers and vLLM need it as a folder
            (draft / "base").mkdir()
            copy_base(base.checkpoint, draft / "base", base.chat.stop_ids)
        return self._ask(self.assembly.unmerged(place), "the PEFT folder", place)

    def _merged(self, place: Path, merged: Mapping[str, Any]) -> dict[str, Any]:
        from graft.generate.transformers import TransformersGenerator
        from graft.models.merged_folder import write_merged

        base = self.assembly.base
        place.mkdir()
        write_merged(base.checkpoint, merged, place, base.chat.stop_ids)
        model = TransformersGenerator(place, Chat(place), "merged")
        return self._ask(model, "the merged model", place)

    def _gguf(self, place: Path, merged: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        from graft.generate.openvino import OpenVinoGenerator
        from graft.models.gguf_export import export_gguf

        base = self.assembly.base
        place.mkdir()
        found = {}
        for precision, file in GGUF_FILES.items():
            self._tell(f"write gguf {precision}")
            export_gguf(base.checkpoint, base.files.path, place / file, merged, precision)  # type: ignore[arg-type]
            model = OpenVinoGenerator(place / file, base.chat, precision, base.context_tokens)
            found[f"gguf {precision}"] = self._ask(model, f"the GGUF file in {precision}", place)
        return found

    def _modelfile(self) -> str:
        from graft.models.ollama import modelfile

        base, mark = self.assembly.base, "QUESTION"
        alone = self.contract.user_text(mark).partition(mark)[0]
        return modelfile(
            base.chat,
            f"./{GGUF_FILES['q8_0']}",
            self.contract.system,
            # with passages the client writes the whole turn, as README.md shows
            before_question=alone if self.name == "finetuned" else "",
            max_new_tokens=self.max_new_tokens,
            context_tokens=base.context_tokens,
        )

    def _ask(self, model: Generator, what: str, place: Path) -> dict[str, Any]:
        self._tell(f"ask {what}")
        try:
            asked: Asked = ask_again(model, self.receipt, what, place)
        finally:
            model.close()
        return asked.to_json()

    def _tell(self, phase: str) -> None:
        if self.on_progress is not None:
            self.on_progress(phase, 0, 1)
