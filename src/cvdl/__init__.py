"""RGB-D perception for robots: boxes, masks and grasp poses from color and depth.

The names below are imported when they are first used, so that ``import cvdl`` is fast::

    from cvdl import Camera, Perception, RgbdFrame

    perception = Perception()
    scene = perception(RgbdFrame(color, depth, Camera(640, 480, fx, fy, cx, cy)))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cvdl.core import threads

if TYPE_CHECKING:
    from cvdl.core.camera import Camera
    from cvdl.core.errors import InputError
    from cvdl.core.frame import RgbdFrame
    from cvdl.core.scene import Detection, Grasp, OrientedBox, Plane, Scene, SceneObject
    from cvdl.detection import DETECTORS, load_detector
    from cvdl.grasping import GRASP_DETECTORS, load_grasp_detector
    from cvdl.pipeline import Perception, PerceptionConfig, load_config
    from cvdl.viz.pictures import overlay

_MODULES = {
    "cvdl.core.camera": ("Camera",),
    "cvdl.core.errors": ("InputError",),
    "cvdl.core.frame": ("RgbdFrame",),
    "cvdl.core.scene": ("Detection", "Grasp", "OrientedBox", "Plane", "Scene", "SceneObject"),
    "cvdl.detection": ("DETECTORS", "load_detector"),
    "cvdl.grasping": ("GRASP_DETECTORS", "load_grasp_detector"),
    "cvdl.pipeline": ("Perception", "PerceptionConfig", "load_config"),
    "cvdl.viz.pictures": ("overlay",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "DETECTORS",
    "GRASP_DETECTORS",
    "Camera",
    "Detection",
    "Grasp",
    "InputError",
    "OrientedBox",
    "Perception",
    "PerceptionConfig",
    "Plane",
    "RgbdFrame",
    "Scene",
    "SceneObject",
    "load_config",
    "load_detector",
    "load_grasp_detector",
    "overlay",
]

threads.set_up()  # before the libraries are loaded


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("cvdl")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'cvdl' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
