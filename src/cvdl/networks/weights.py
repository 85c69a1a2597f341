"""Files of weights: safetensors with metadata in the header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cvdl.core.files import write_atomically
from cvdl.networks.metadata import WeightsError

__all__ = ["check_state", "load_weights", "save_weights"]


def save_weights(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write the state of a model atomically.

    Args:
        path: file to write; missing folders are created.
        state: tensors by name, as of ``Module.state_dict``; on any device.
        metadata: text by name; ``model`` is the name of the model.

    Raises:
        ValueError: if the metadata has no ``model``.
        OSError: if the file cannot be written.
    """
    if "model" not in metadata:
        raise ValueError("the metadata of weights need the name of their model")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    write_atomically(path, save(tensors, dict(metadata)))


def load_weights(
    path: Path, model: str | Sequence[str], expected: Mapping[str, Tensor] | None = None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the weights of a model to the CPU. Nothing in the file is executed or unpickled.

    Args:
        path: safetensors file.
        model: expected name of the model, or the names of several.
        expected: state of the model; names and shapes must match.

    Returns:
        The state and the metadata that ``save_weights`` wrote.

    Raises:
        WeightsError: if the file is missing, damaged, not of that model or of another shape.
    """
    path, models = Path(path), (model,) if isinstance(model, str) else model
    wanted = f"expected weights of {' or '.join(models)}"
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; {wanted}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            found = metadata.get("model")
            if found not in models:
                of = f"weights of {found}" if found else "weights that name no model"
                raise WeightsError(f"{path}: holds {of}; {wanted}")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(
            f"{path}: damaged, or not a safetensors file ({error}); {wanted}"
        ) from error
    if expected is not None:
        check_state(path, state, expected)
    return state, metadata


def check_state(path: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise WeightsError if names or shapes in the state of a file are not the expected ones."""
    for name in sorted(state.keys() | expected.keys()):
        found, wanted = (
            f"{'x'.join(map(str, some[name].shape)) or 'a number'}" if name in some else "nothing"
            for some in (state, expected)
        )
        if found != wanted:
            raise WeightsError(f"{path}: {name} is {found}; the model expects {wanted}")
