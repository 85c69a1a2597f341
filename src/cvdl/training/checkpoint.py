"""A run's folder and the checkpoint in it, from which a training goes on after a kill."""

from __future__ import annotations

import io
import json
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import torch

from cvdl.errors import InputError
from cvdl.weights import write_atomically

__all__ = ["TrainingError", "load_checkpoint", "prepare_run", "save_checkpoint"]

#: Marks a folder as one run's; what it was started with.
_RUN_FILE = "run.json"
#: What trainings write into their folders.
_OURS = re.compile(
    r"(run|results|history)\.json|(curves|sheet|confusion|roc)\.png|.*\.safetensors|last\.pt|.*\.part"
    r"|training|tensorboard|fold\d+"
)


class TrainingError(InputError):
    """Settings or a folder that a training cannot start or go on with."""


def prepare_run(out: Path, run: dict[str, Any], resume: bool, overwrite: bool = False) -> None:
    """Make the folder of a run, and write down in ``run.json`` what it is started with.

    Args:
        out: the folder.
        run: everything that the result depends on, as JSON takes it.
        resume: go on with the same run, where there is one.
        overwrite: remove an earlier run; anything else is never removed.

    Raises:
        TrainingError: if something is there and must stay, or is the run of other settings.
    """
    file = out / _RUN_FILE
    run = json.loads(json.dumps(run))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not file.is_file():
            raise TrainingError(f"cannot train in {out}: it exists and is no run of a training")
        if resume:
            differences = _differences(_read(file), run)
            if differences:
                raise TrainingError(
                    f"cannot go on with {out}: it was started with {'; '.join(differences)}"
                )
            return
        if not overwrite:
            raise TrainingError(
                f"{out} holds a run already; say --resume to go on with it or --overwrite to "
                "replace it"
            )
        strange = [file.name for file in out.iterdir() if not _OURS.fullmatch(file.name)]
        if strange:
            raise TrainingError(f"cannot replace {out}: {strange[0]} in it is not of a training")
        shutil.rmtree(out)
    write_atomically(file, (json.dumps(run, indent=2) + "\n").encode())


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write tensors, numbers, texts, lists and dicts of them; whole or not at all."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what ``save_checkpoint`` wrote, to the CPU; nothing but such content is unpickled.

    Raises:
        TrainingError: if the file is damaged or not a checkpoint.
    """
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, EOFError, ValueError, TypeError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise TrainingError(f"{path}: damaged, or not a checkpoint of cvdl ({reason})") from error


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrainingError(f"{file}: not JSON: {error}") from error


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    """Every value in which two runs differ, as ``name old, not new``."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [f"{name} {old!r}, not {new!r}"]
    return [
        difference
        for key in sorted(old.keys() | new.keys())
        for difference in _differences(old.get(key), new.get(key), f"{name}.{key}".lstrip("."))
    ]
