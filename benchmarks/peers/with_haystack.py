"""Embeds and stores texts with Haystack as its documentation sets it up; knows no Graft.

    python with_haystack.py --model FOLDER --texts FILE --vectors FILE
    python with_haystack.py --versions   # only whether its packages are there

Runs in an environment of its own. Its last line is a JSON object with the seconds from a list of
documents to a filled store; loading the model and embedding one word stand before the clock.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import time

import numpy
from haystack import Document, Pipeline
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
)

PACKAGES = (
    *("haystack-ai", "sentence-transformers-haystack"),
    *("sentence-transformers", "transformers", "torch", "numpy"),
)


def main() -> None:
    """Fill a store and write the vectors in the order of the texts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", action="store_true")
    parser.add_argument("--model")
    parser.add_argument("--texts")
    parser.add_argument("--vectors")
    options = parser.parse_args()
    found = {"versions": {name: importlib.metadata.version(name) for name in PACKAGES}}
    if not options.versions:
        with open(options.texts, encoding="utf-8") as file:
            texts = [json.loads(line)["shown"] for line in file]
        store = InMemoryDocumentStore()
        embedder = SentenceTransformersDocumentEmbedder(model=options.model)
        pipeline = Pipeline()
        pipeline.add_component("embedder", embedder)
        pipeline.add_component("writer", DocumentWriter(document_store=store))
        pipeline.connect("embedder.documents", "writer.documents")
        pipeline.warm_up()
        embedder.run(documents=[Document(content="warm")])
        documents = [Document(content=text) for text in texts]
        started = time.monotonic()
        pipeline.run({"embedder": {"documents": documents}})
        found["seconds"] = time.monotonic() - started
        stored = {item.id: item.embedding for item in store.filter_documents()}
        rows = [stored[item.id] for item in documents]
        numpy.save(options.vectors, numpy.array(rows, dtype=numpy.float32))
        limit = embedder.embedding_backend.model.max_seq_length
        found.update(passages=len(stored), max_tokens=limit, batch=embedder.batch_size)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
