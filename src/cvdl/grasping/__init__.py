"""Where to grasp: rectangles in the image, ranked by a cascade of networks, and their 3-D poses.

Importing this package brings no network in: torch is imported when a detector is loaded.
"""

from __future__ import annotations

from pathlib import Path

from cvdl.core.errors import InputError
from cvdl.grasping.detector import GraspDetector
from cvdl.grasping.names import DETECTORS

__all__ = ["DETECTORS", "load_detector", "packaged_weights"]


def packaged_weights(name: str) -> Path:
    """Where the weights of a detector lie that come with the package."""
    return Path(__file__).parent / "models" / name / f"{name}.safetensors"


def load_detector(
    name: str = "cascade", weights: Path | None = None, device: str = "auto"
) -> GraspDetector:
    """A trained grasp detector.

    Args:
        name: one of `DETECTORS`.
        weights: safetensors file of that detector; those of the package if not given.
        device: "cpu", "cuda", or "auto": a GPU where there is one.

    Raises:
        InputError: if there is no such detector, weights file or device, or the file holds the
            weights of another model.
    """
    if name not in DETECTORS:
        raise InputError(f"detector is {name!r}; accepted: {', '.join(DETECTORS)}")
    path = weights or packaged_weights(name)
    if not path.is_file():
        raise InputError(f"no weights of {name} at {path}; accepted: a .safetensors file of it")
    from cvdl.networks.device import pick_device

    device = str(pick_device(device))
    if name == "lenz2014":
        from cvdl.grasping.models.lenz2014 import LenzDetector

        return LenzDetector.load(path, device)
    from cvdl.grasping.models.cascade import CascadeDetector

    return CascadeDetector.load(path, device)
