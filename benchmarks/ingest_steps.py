"""The steps of `benchmarks.ingest` that run alone in a process; each prints one JSON line.

    python -m benchmarks.ingest_steps cut --to passages.jsonl --passages 1024
    python -m benchmarks.ingest_steps graft --texts passages.jsonl --vectors graft.npy

A process of its own keeps memory, threads and caches of one measurement out of the next.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.files import new_workspace
from benchmarks.harness import data_folder
from graft import Workspace
from graft.catalog import Catalog, Entry
from graft.changes import Change
from graft.corpus import CATALOG, silent
from graft.models.resolve import resolve_model, set_offline
from graft.spaces import parsed_space
from graft.staging import Goal
from graft.types import Document, Passage, fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLLECTION = "platform-docs"
RETRIEVAL = "cranfield-retrieval"
EMBEDDER = "embedded:all-minilm-l6-v2"
MATRIX = 2048
SUBJECTS = ("pump", "valve", "kiln", "crane", "boiler", "winch", "lathe", "drill", "press", "oven")
WORDS = ("steel", "north", "oil", "spare", "night", "copper", "weekly", "outer", "quiet", "third")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=sorted(STEPS))
    parser.add_argument("--to", type=Path)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--passages", type=int, default=0)
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--fake", action="store_true")
    options = parser.parse_args(arguments)
    set_offline(True)
    print(json.dumps(STEPS[options.step](options)))
    return 0


def cut(options: argparse.Namespace) -> dict[str, Any]:
    """Cut the whole collection once and write an even choice of its passages.

    Texts that stand there twice are taken once: Graft would embed them once, others twice.
    """
    with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
        workspace = new_workspace(Path(place) / "team")
        workspace.add([data_folder(COLLECTION) / "docs"])
        passages = {item.shown: item for item in workspace.corpus.passages()}
    chosen = strided(list(passages.values()), options.passages)
    with options.to.open("w", encoding="utf-8") as file:
        for item in chosen:
            line = {"id": item.id, "doc_id": item.doc_id, "text": item.text, "shown": item.shown}
            line |= {"position": item.position, "heading_path": item.heading_path}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    documents = len({item.doc_id for item in passages.values()})
    return {"distinct": len(passages), "documents": documents, "passages": len(chosen)}


def strided(items: Sequence[Any], count: int) -> list[Any]:
    """Return `count` items at even distances, all where there are no more.

    >>> strided("abcdef", 3)
    ['a', 'c', 'e']
    """
    if count >= len(items):
        return list(items)
    return [items[place * len(items) // count] for place in range(count)]


def graft(options: argparse.Namespace) -> dict[str, Any]:
    """Stage, embed, index and publish passages as `add` does behind its reader."""
    import numpy as np

    from graft.index.lancedb import LanceIndex

    lines = read_lines(options.texts)
    entries = entries_of(lines)
    embedder = _embedder()
    embedder.embed(["warm"], "passage")
    with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
        folder = Path(place) / ".graft"
        folder.mkdir()
        index = LanceIndex(folder / "index", embedder.dimension, embedder.identity)
        catalog = Catalog(folder / CATALOG)
        started = time.monotonic()
        change = Change(catalog, embedder, index, silent)
        for entry in entries:
            change.stage(entry)
        change.finish(Goal())
        seconds = time.monotonic() - started
        stored = index.fetch([line["id"] for line in lines])
    np.save(options.vectors, np.stack([stored[line["id"]][1] for line in lines]))
    space = parsed_space(embedder.identity)
    precision = space.precision if space else ""
    return {"seconds": seconds, "passages": len(stored), "precision": precision}


def entries_of(lines: Sequence[dict[str, Any]]) -> list[Entry]:
    """Return the entries of the catalogue that hold these passages, a document each."""
    ordered = sorted(lines, key=lambda line: (line["doc_id"], line["position"]))
    entries = []
    for doc_id, group in groupby(ordered, key=lambda line: line["doc_id"]):
        passages = tuple(
            Passage(
                id=line["id"],
                doc_id=doc_id,
                text=line["text"],
                position=line["position"],
                end=len(line["text"]),
                heading_path=tuple(line["heading_path"]),
            )
            for line in group
        )
        text = "\n".join(passage.text for passage in passages)
        document = Document(doc_id, doc_id, doc_id, text, fingerprint(text), "text")
        entries.append(Entry(document, passages, "", "given"))
    return entries


def reference(options: argparse.Namespace) -> dict[str, Any]:
    """Write the vectors of the same weights in fp32, without Graft's embedder."""
    import numpy as np

    np.save(options.vectors, fp32_vectors([line["shown"] for line in read_lines(options.texts)]))
    return {}


def fp32_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed texts with torch in fp32: 256 tokens, mean of the last layer, unit length."""
    import numpy as np
    import torch
    from transformers import AutoModel

    tokenizer = _tokenizer()
    tokenizer.enable_padding()
    model = AutoModel.from_pretrained(_model(), dtype=torch.float32).eval()
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    vectors = np.zeros((len(texts), int(model.config.hidden_size)), dtype=np.float32)
    for start in range(0, len(order), 32):
        some = order[start : start + 32]
        rows = tokenizer.encode_batch([texts[place] for place in some])
        mask = torch.tensor([row.attention_mask for row in rows])
        with torch.inference_mode():
            states = model(
                input_ids=torch.tensor([row.ids for row in rows]), attention_mask=mask
            ).last_hidden_state
            weights = mask.unsqueeze(-1).float()
            mean = (states * weights).sum(1) / weights.sum(1)
            vectors[some] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return vectors


def files(options: argparse.Namespace) -> dict[str, Any]:
    """Add files whole; then the bare embedder on their texts and a matrix product.

    As many files, at even distances, as it takes to come to about the passages asked for.
    """
    source = data_folder(COLLECTION) / "docs"
    every = sorted(path for path in source.rglob("*") if path.is_file())
    chosen = strided(every, max(1, options.files))
    with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
        docs = Path(place) / "docs"
        for path in chosen:
            target = docs / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        workspace = Workspace.create(Path(place) / "team")
        # Model and libraries are loaded before the clock starts, as for the two others.
        embedder = workspace.assembly.embedder
        embedder.embed(["warm"], "passage")
        workspace.index  # noqa: B018 - opening it loads its library
        added = _timed(lambda: workspace.add([docs]))
        texts = sorted({item.shown for item in workspace.corpus.passages()})
        raw = _timed(lambda: embedder.embed(texts, "passage"))
    tokenizer = _tokenizer()
    tokens = sum(len(row.ids) for row in tokenizer.encode_batch(texts))
    flops = 2 * _parameters() * tokens
    return {
        "files": len(chosen),
        "passages": len(texts),
        "tokens": tokens,
        "add_seconds": added,
        "raw_seconds": raw,
        "embedder_flops": flops / raw,
        "matmul_flops": _matmul_flops(),
    }


def ndcg(options: argparse.Namespace) -> dict[str, Any]:
    """Measure nDCG@10 of dense exact search, as shipped and in fp32."""
    data = data_folder(RETRIEVAL)
    documents = read_lines(data / "docs.jsonl")
    questions = read_lines(data / "questions.jsonl")
    if options.passages:
        documents, questions = documents[: options.passages], questions[: options.passages]
    texts = [item["text"] for item in documents]
    queries = [item["question"] for item in questions]
    embedder = _embedder()
    shipped = embedder.embed(queries, "query") @ embedder.embed(texts, "passage").T
    whole = fp32_vectors(queries) @ fp32_vectors(texts).T
    ids = [item["id"] for item in documents]
    gold = [set(item["doc_ids"]) for item in questions]
    return {
        "questions": len(questions),
        "documents": len(documents),
        "shipped": mean_ndcg(shipped, ids, gold),
        "fp32": mean_ndcg(whole, ids, gold),
    }


def mean_ndcg(scores: NDArray[np.float32], ids: Sequence[str], gold: Sequence[set[str]]) -> float:
    """Return the mean nDCG@10 over the questions that have gold documents; grades are 0 or 1."""
    import numpy as np

    found = []
    for row, wanted in zip(scores, gold, strict=True):
        if not wanted:
            continue
        order = np.argsort(-row, kind="stable")[:10]
        gains = [1 / np.log2(rank + 2) for rank, at in enumerate(order) if ids[at] in wanted]
        ideal = sum(1 / np.log2(rank + 2) for rank in range(min(10, len(wanted))))
        found.append(sum(gains) / ideal)
    return float(np.mean(found))


def memory(options: argparse.Namespace) -> dict[str, Any]:
    """Add generated files and return the peak of this process and of its children."""
    with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
        docs = Path(place) / "docs"
        docs.mkdir()
        for name, text in made_files(options.files):
            (docs / name).write_text(text, encoding="utf-8")
        team = Path(place) / "team"
        workspace = new_workspace(team) if options.fake else Workspace.create(team)
        report = workspace.add([docs])
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "files": options.files,
        "fake": options.fake,
        "added": len(report.added),
        "passages": report.passages,
        "peak": own,
        "children_peak": children,
    }


def made_files(count: int) -> Iterator[tuple[str, str]]:
    """Yield names and texts of small files; no two have a passage in common."""
    for number in range(count):
        draw = random.Random(number)
        parts = [f"# The {draw.choice(SUBJECTS)} {number}"]
        for section in range(draw.randint(1, 3)):
            words = " ".join(draw.choices(WORDS, k=draw.randint(15, 60)))
            parts.append(f"## Part {section} of {number}\n\nNumber {number}.{section}: {words}.")
        yield f"file-{number:05}.{'txt' if number % 4 == 0 else 'md'}", "\n\n".join(parts) + "\n"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _model() -> Path:
    return resolve_model(EMBEDDER, setting="embedder").path


def _embedder() -> Any:  # noqa: ANN401 - graft.embed.local.LocalEmbedder, imported late
    from graft.embed.local import LocalEmbedder

    return LocalEmbedder(_model())


def _tokenizer() -> Any:  # noqa: ANN401 - tokenizers.Tokenizer, imported late
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_model() / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()
    return tokenizer


def _parameters() -> int:
    """Count the weights that every token goes through: no embeddings, no unused pooler."""
    from safetensors import safe_open

    with safe_open(_model() / "model.safetensors", "numpy") as weights:
        return sum(
            weights.get_tensor(name).size
            for name in weights.keys()  # noqa: SIM118 - not a mapping
            if "embeddings" not in name and "pooler" not in name
        )


def _matmul_flops() -> float:
    """Return the best of five large fp32 matrix products a second."""
    import torch

    left, right = torch.rand(MATRIX, MATRIX), torch.rand(MATRIX, MATRIX)
    left @ right
    return 2 * MATRIX**3 / min(_timed(lambda: left @ right) for _ in range(5))


STEPS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "cut": cut,
    "graft": graft,
    "reference": reference,
    "files": files,
    "ndcg": ndcg,
    "memory": memory,
}


if __name__ == "__main__":
    sys.exit(main())
