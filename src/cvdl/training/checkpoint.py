"""The folder of a run, and the checkpoint in it from which training resumes."""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cvdl.core.errors import InputError
from cvdl.core.files import write_atomically

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "Run",
    "TrainingError",
    "load_checkpoint",
    "prepare_run",
    "save_checkpoint",
    "settle_run",
]

#: Marks the folder of a run; holds the settings that it was started with.
_RUN_FILE = "run.json"
#: Files and folders that trainings write, besides the weights of the detector.
_OURS = re.compile(
    r"(run|results|history|small|large)\.json|(curves|sheet|confusion|roc|small|large)\.png"
    r"|(best|first|small|large)\.safetensors|last\.pt|.*\.part|events\.out\.tfevents\..*"
    r"|training|tensorboard|fold\d+"
)


class TrainingError(InputError):
    """Settings or a folder with which a training can neither start nor resume."""


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        out: its folder, new or empty, or with ``resume`` that of an earlier run with the same
            settings.
        resume: continue after what is complete in ``out``, or start if nothing is.
        console: where progress is shown; None: nowhere.
    """

    out: Path
    resume: bool = False
    console: Console | None = None


def prepare_run(out: Path, run: dict[str, Any], resume: bool, overwrite: bool = False) -> None:
    """Create the folder of a run, with ``run.json``.

    A folder whose run has not trained anything yet is used anew.

    Args:
        out: the folder.
        run: everything that the result depends on, as JSON accepts it.
        resume: continue the same run if there is one.
        overwrite: replace an earlier run, which is kept until ``settle_run``; nothing else is
            ever removed.

    Raises:
        TrainingError: if the folder holds something else, or a run with other settings.
    """
    out = out.resolve()  # a run behind a link is renamed and removed where it is
    file = out / _RUN_FILE
    run = json.loads(json.dumps(run))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not file.is_file():
            raise TrainingError(f"cannot train in {out}: it exists and is not a training run")
        has_trained = _has_trained(out)
        if has_trained:
            if resume:
                differences = _differences(_read(file), run)
                if differences:
                    raise TrainingError(
                        f"cannot resume {out}: it was started with {'; '.join(differences)}"
                    )
                return
            if not overwrite:
                raise TrainingError(
                    f"{out} already holds a run; use --resume to continue it or --overwrite to "
                    "replace it"
                )
        weights = f"{_read(file).get('detector')}.safetensors"
        for path in sorted(out.rglob("*")):
            if not _OURS.fullmatch(path.name) and path.name != weights:
                raise TrainingError(f"cannot replace {out}: {path} is not a file of a training run")
        if has_trained:
            shutil.rmtree(_aside(out), ignore_errors=True)
            out.rename(_aside(out))
        else:
            shutil.rmtree(out)
    write_atomically(file, (json.dumps(run, indent=2) + "\n").encode())


def settle_run(out: Path) -> bool:
    """Remove the earlier run that a finished run replaces, or restore it if nothing was trained.

    Args:
        out: the folder that ``prepare_run`` created.

    Returns:
        Whether the run has trained anything.
    """
    out = out.resolve()
    has_trained = _has_trained(out)
    if _aside(out).exists():
        shutil.rmtree(_aside(out) if has_trained else out)
        if not has_trained:
            _aside(out).rename(out)
    return has_trained


def _aside(out: Path) -> Path:
    return out.with_name(f".{out.name}.replaced")


def _has_trained(out: Path) -> bool:
    return any(True for pattern in ("*.safetensors", "last.pt") for _ in out.rglob(pattern))


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, lists and dicts of them atomically."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU; nothing else is unpickled.

    Raises:
        TrainingError: if the file is damaged or not a checkpoint.
    """
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except OSError:
        raise
    except Exception as error:  # damaged files raise many kinds of errors
        reason = str(error).partition("\n")[0]
        raise TrainingError(f"{path}: damaged, or not a checkpoint of cvdl ({reason})") from error


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrainingError(f"{file}: not JSON: {error}") from error


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    """All values in which two runs differ, as ``name old, not new``."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [f"{name} {old!r}, not {new!r}"]
    return [
        difference
        for key in sorted(old.keys() | new.keys())
        for difference in _differences(old.get(key), new.get(key), f"{name}.{key}".lstrip("."))
    ]
