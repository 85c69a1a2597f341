"""What runs a network: PyTorch, or ONNX Runtime with a file that ``cvdl export`` wrote.

Imports torch only where there may be a GPU.
"""

from __future__ import annotations

import ctypes
import logging
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args

from cvdl.core.errors import InputError
from cvdl.core.extras import is_installed, require
from cvdl.core.settings import setting
from cvdl.networks.onnx_files import read_metadata

__all__ = [
    "Device",
    "Engine",
    "device_of",
    "device_setting",
    "digest",
    "engine_setting",
    "exported_file",
]

Device = Literal["auto", "cpu", "cuda"]
Engine = Literal["auto", "torch", "onnxruntime"]

_log = logging.getLogger(__name__)

_NVIDIA = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_AMD = Path("/dev/kfd")


def device_setting() -> Any:
    """Declare the field ``device`` in the settings of a stage."""
    return setting("auto", "Device of the networks; auto: a GPU if there is one.", load_time=True)


def engine_setting() -> Any:
    """Declare the field ``engine`` in the settings of a stage."""
    return setting(
        "auto",
        "What runs the networks; auto: onnxruntime on a CPU if the weights are exported "
        "(cvdl export; the package's are), else torch.",
        load_time=True,
    )


def exported_file(weights: Path, device: str, engine: str) -> Path | None:
    """Return the ONNX file that ONNX Runtime runs; None where PyTorch runs the weights.

    The engine "auto" is ONNX Runtime on a CPU, if the ONNX file of these weights is beside them;
    else it is PyTorch.

    Args:
        weights: a file of weights, or an ONNX file of ``cvdl export``.
        device: "cpu", "cuda", or "auto": a GPU if there is one.
        engine: "torch", "onnxruntime" or "auto".

    Raises:
        InputError: if there is no such device or engine, the engine cannot run the weights on the
            device, "onnxruntime" has no ONNX file of them, or PyTorch is to run them but is not
            installed.
    """
    if engine not in get_args(Engine):
        raise InputError(f"engine is {engine!r}; accepted: {', '.join(get_args(Engine))}")
    _check_device(device)
    is_onnx = weights.suffix == ".onnx"
    if is_onnx and engine == "torch":
        raise InputError(
            f"engine is 'torch', but {weights} is an ONNX file; accepted here: auto, onnxruntime"
        )
    if device == "cuda" and (is_onnx or engine == "onnxruntime"):
        raise InputError(
            "device is 'cuda', but the engine onnxruntime runs on a CPU; accepted here: auto, cpu"
        )
    if is_onnx:
        return weights
    if engine == "torch" or (engine == "auto" and device_of(device) == "cuda"):
        require("torch", "engine torch" if engine == "torch" else "device cuda")
        return None
    exported = weights.with_suffix(".onnx")
    missing = not exported.is_file()
    if not missing and _is_of(exported, weights):
        return exported
    problem = "no such file" if missing else f"not exported from {weights}"
    if engine == "onnxruntime":
        raise InputError(f"{exported}: {problem}; `cvdl export {weights} -o {exported}` writes it")
    if not weights.is_file() and not is_installed("torch"):
        raise InputError(f"{weights}: no such file; expected a file of weights")
    elsewhere = f"cvdl export {weights} -o {exported}, and copy what it writes to here"
    require("torch", str(weights), otherwise=f"; or, on a machine that has it: {elsewhere}")
    if not missing:
        _log.warning(
            "%s: %s; PyTorch runs these weights. `cvdl export %s -o %s` writes it anew",
            *(exported, problem, weights, exported),
        )
    return None


def device_of(device: str) -> str:
    """Return the device that "auto" stands for, "cpu" or "cuda"; any other one as it is.

    Raises:
        InputError: if there is no such device.
    """
    _check_device(device)
    if device == "auto":
        return "cuda" if _has_gpu() else "cpu"
    return device


def _check_device(device: str) -> None:
    if device not in get_args(Device):
        raise InputError(f"device is {device!r}; accepted: {', '.join(get_args(Device))}")


def digest(weights: Path) -> str:
    """Return what tells a file of weights from any other one."""
    return sha256(weights.read_bytes()).hexdigest()


def _is_of(exported: Path, weights: Path) -> bool:
    """Whether an ONNX file was exported from weights, if these are there to compare with."""
    return not weights.is_file() or read_metadata(exported).get("weights") == digest(weights)


def _has_gpu() -> bool:
    """Whether torch has a GPU; it is not imported where no driver of one is installed."""
    if not is_installed("torch"):
        return False
    if not _AMD.exists():
        try:
            ctypes.CDLL(_NVIDIA)
        except OSError:
            return False
    from cvdl.networks.device import pick_device

    return pick_device().type == "cuda"
