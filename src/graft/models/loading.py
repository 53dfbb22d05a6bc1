"""The one place where transformers and peft open weights: checked first, never with code.

`trust_remote_code` is off whatever a model folder asks for, only safetensors are opened, and
nothing is fetched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graft.errors import BadInput
from graft.models.adapter_files import check_adapter
from graft.models.weight_files import check_model_folder

__all__ = ["load_adapter", "load_encoder", "load_model"]

_ONLY = {"trust_remote_code": False, "use_safetensors": True, "local_files_only": True}


def load_model(checkpoint: Path, **settings: Any) -> Any:  # noqa: ANN401 - a class of transformers
    """Return the causal language model of a checkpoint folder.

    Raises:
        BadInput: a file is refused, or the model needs code of its own.
    """
    from transformers import AutoModelForCausalLM

    return _load(AutoModelForCausalLM, checkpoint, settings)


def load_encoder(folder: Path, **settings: Any) -> Any:  # noqa: ANN401
    """Return the encoder of an embedder's folder.

    Raises:
        BadInput: a file is refused, or the model needs code of its own.
    """
    from transformers import AutoModel

    return _load(AutoModel, folder, settings)


def _load(kind: Any, folder: Path, settings: dict[str, Any]) -> Any:  # noqa: ANN401
    check_model_folder(folder)
    try:
        return kind.from_pretrained(folder, **settings, **_ONLY)
    except (OSError, ValueError, ImportError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise BadInput(
            "the model cannot be loaded",
            where=str(folder),
            why=lines[0][:300],
            next_step="set base_model to a model that transformers knows; its own code never runs",
        ) from error


def load_adapter(model: Any, folder: Path, checkpoint: Path, *, trainable: bool = False) -> Any:  # noqa: ANN401
    """Return the model with an adapter on it, not merged.

    Raises:
        BadInput: a file of the adapter is refused.
        FingerprintMismatch: the adapter does not fit the checkpoint.
    """
    from peft import PeftModel

    check_adapter(folder, checkpoint)
    return PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
