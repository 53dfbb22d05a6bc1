"""From a GGUF file to a checkpoint folder in Hugging Face layout, in float32.

Dequantised once, so that every arm starts from the same numbers: training reads this folder,
merging writes from it, and the export of the plain base goes the same way. Only the Llama
family is converted here; the names and the row order of q and k follow llama.cpp's
`convert_hf_to_gguf.py` backwards.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import BadInput
from graft.files import write_atomically
from graft.models.cache import SHA256_DIGITS, cache_root, hash_file, made_once
from graft.models.gguf_files import check_gguf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["checkpoint_from_gguf", "permute_rows", "unpermute_rows"]

_LAYER_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_TOP_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}


def permute_rows(weight: Array, heads: int) -> Array:
    """Reorder q or k rows (heads * head_dim, d) from Hugging Face to GGUF order."""
    rows = weight.shape[0]
    split = weight.reshape(heads, 2, rows // heads // 2, *weight.shape[1:])
    return split.swapaxes(1, 2).reshape(weight.shape)


def unpermute_rows(weight: Array, heads: int) -> Array:
    """Undo `permute_rows`."""
    rows = weight.shape[0]
    split = weight.reshape(heads, rows // heads // 2, 2, *weight.shape[1:])
    return split.swapaxes(1, 2).reshape(weight.shape)


def checkpoint_from_gguf(path: Path) -> Path:
    """Return the cached checkpoint folder of a GGUF file, converting it on first use."""
    stat = path.stat()
    marker = cache_root() / "gguf-hash" / f"{path.stem}-{stat.st_size}-{stat.st_mtime_ns}.txt"
    digest = marker.read_text(encoding="utf-8").strip() if marker.exists() else ""
    if len(digest) != SHA256_DIGITS:
        digest = hash_file(path)
        write_atomically(marker, digest)
    folder = cache_root() / "checkpoints" / f"{path.stem}-{digest[:16]}"
    return made_once(folder, lambda draft: _convert(path, draft))


def _convert(path: Path, draft: Path) -> None:
    from gguf import GGUFReader, dequantize
    from safetensors.numpy import save_file

    check_gguf(path)
    reader = GGUFReader(str(path))
    meta = _Fields(reader)
    if meta.text("general.architecture") != "llama":
        raise BadInput(
            "this GGUF file cannot be converted",
            where=str(path),
            why=f"architecture {meta.text('general.architecture')!r}, only llama is known",
            next_step="use the Hugging Face folder of the model as base_model",
        )
    config = _config(meta)
    heads = {
        "attn_q": config["num_attention_heads"],
        "attn_k": config["num_key_value_heads"],
    }
    tensors: dict[str, Any] = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype("float32")
        base = tensor.name.removesuffix(".weight")
        if base.startswith("blk."):
            _, layer, part = base.split(".", 2)
            if part in heads:
                values = unpermute_rows(values, heads[part])
            name = f"model.layers.{layer}.{_LAYER_NAMES[part]}.weight"
        elif base == "rope_freqs":
            continue
        else:
            name = f"{_TOP_NAMES[base]}.weight"
        tensors[name] = values.copy(order="C")
    config["tie_word_embeddings"] = "lm_head.weight" not in tensors
    config["vocab_size"] = int(tensors["model.embed_tokens.weight"].shape[0])
    save_file(tensors, draft / "model.safetensors", {"format": "pt"})
    (draft / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    _write_tokenizer(meta, path, draft)


class _Fields:
    """Reads single values out of a GGUF file's key-value part."""

    def __init__(self, reader: Any) -> None:  # noqa: ANN401 - gguf has no type hints
        self._fields = reader.fields

    def value(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
        return self._fields[key].contents() if key in self._fields else default

    def text(self, key: str, default: str = "") -> str:
        return str(self.value(key, default))

    def number(self, key: str, default: int = 0) -> int:
        return int(self.value(key, default))


def _config(meta: _Fields) -> dict[str, Any]:
    heads = meta.number("llama.attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "float32",
        "hidden_act": "silu",
        "hidden_size": meta.number("llama.embedding_length"),
        "intermediate_size": meta.number("llama.feed_forward_length"),
        "num_hidden_layers": meta.number("llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": meta.number("llama.attention.head_count_kv", heads),
        "max_position_embeddings": meta.number("llama.context_length"),
        "rms_norm_eps": round(float(meta.value("llama.attention.layer_norm_rms_epsilon")), 9),
        "rope_theta": float(meta.value("llama.rope.freq_base", 10_000.0)),
        "bos_token_id": meta.number("tokenizer.ggml.bos_token_id"),
        "eos_token_id": meta.number("tokenizer.ggml.eos_token_id"),
        "pad_token_id": meta.number("tokenizer.ggml.padding_token_id", 0),
        "attention_bias": False,
        "mlp_bias": False,
    }


def _write_tokenizer(meta: _Fields, path: Path, draft: Path) -> None:
    """Write `tokenizer.json`; pre-tokenisers that we have not checked go through transformers."""
    if meta.text("tokenizer.ggml.pre") != "smollm":
        from transformers import AutoTokenizer

        AutoTokenizer.from_pretrained(
            path.parent, gguf_file=path.name, trust_remote_code=False, local_files_only=True
        ).save_pretrained(draft)
        return
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = meta.value("tokenizer.ggml.tokens")
    kinds = meta.value("tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ", 1)) for merge in meta.value("tokenizer.ggml.merges")]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == 3]
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in special]
    )
    tokenizer.save(str(draft / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[meta.number("tokenizer.ggml.bos_token_id")],
        "eos_token": tokens[meta.number("tokenizer.ggml.eos_token_id")],
        "pad_token": tokens[meta.number("tokenizer.ggml.padding_token_id")],
        "unk_token": tokens[meta.number("tokenizer.ggml.unknown_token_id")],
        "model_max_length": meta.number("llama.context_length"),
        "chat_template": meta.text("tokenizer.chat_template"),
    }
    (draft / "tokenizer_config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
