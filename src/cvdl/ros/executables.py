"""Entry points of the nodes' executables.

Light to import: a Ctrl-C while the libraries come in, which takes seconds, ends a node as quietly
as any later one.
"""

from __future__ import annotations

import sys
from importlib import import_module

from cvdl.ros.interrupts import raise_first_interrupt

__all__ = ["detection", "grasp", "perception", "segmentation"]


def perception() -> None:
    """All stages in one process."""
    _run("perception_node", "PerceptionNode")


def segmentation() -> None:
    """The support plane and the objects on it."""
    _run("segmentation_node", "SegmentationNode")


def detection() -> None:
    """What the objects are."""
    _run("detection_node", "DetectionNode")


def grasp() -> None:
    """How to grasp them."""
    _run("grasp_node", "GraspNode")


def _run(module: str, name: str) -> None:
    raise_first_interrupt()
    try:
        run = import_module("cvdl.ros.process").run
        node = getattr(import_module(f"cvdl.ros.{module}"), name)
    except KeyboardInterrupt:
        sys.exit(0)
    sys.exit(run(node))
