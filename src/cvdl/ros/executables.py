"""Entry points of the node executables.

Importing this module is cheap, so that a Ctrl-C while the libraries load, which takes seconds,
ends a node as quietly as a later one.
"""

from __future__ import annotations

import sys
from importlib import import_module

from cvdl.ros.interrupts import raise_first_interrupt

__all__ = ["detection", "grasp", "perception", "segmentation"]


def perception() -> None:
    """Run the node with all stages."""
    _run("PerceptionNode")


def segmentation() -> None:
    """Run the segmentation node."""
    _run("SegmentationNode")


def detection() -> None:
    """Run the detection node."""
    _run("DetectionNode")


def grasp() -> None:
    """Run the grasp node."""
    _run("GraspNode")


def _run(name: str) -> None:
    raise_first_interrupt()
    try:
        run = import_module("cvdl.ros.process").run
        node = getattr(import_module("cvdl.ros.nodes"), name)
    except KeyboardInterrupt:
        sys.exit(0)
    sys.exit(run(node))
