"""Embeds and stores texts with LlamaIndex as its documentation sets it up; knows no Graft.

    python with_llamaindex.py --model FOLDER --texts FILE --vectors FILE
    python with_llamaindex.py --versions   # only whether its packages are there

Runs in an environment of its own. Its last line is a JSON object with the seconds from a list of
nodes to a filled index; loading the model and embedding one word stand before the clock.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import time

import numpy
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

PACKAGES = (
    *("llama-index-core", "llama-index-embeddings-huggingface"),
    *("sentence-transformers", "transformers", "torch", "numpy"),
)


def main() -> None:
    """Fill an index and write the vectors in the order of the texts."""
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
        model = HuggingFaceEmbedding(model_name=options.model)
        model.get_text_embedding("warm")
        nodes = [TextNode(text=text) for text in texts]
        started = time.monotonic()
        index = VectorStoreIndex(nodes, embed_model=model)
        found["seconds"] = time.monotonic() - started
        stored = index.vector_store.data.embedding_dict
        rows = [stored[node.node_id] for node in nodes]
        numpy.save(options.vectors, numpy.array(rows, dtype=numpy.float32))
        found.update(
            passages=len(stored), max_tokens=model.max_length, batch=model.embed_batch_size
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
