"""Entry points of the node executables.

Importing this module is cheap, so that a Ctrl-C while the libraries load, which takes seconds,
ends a node as quietly as a later one.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module

from cvdl.ros.interrupts import raise_first_interrupt

__all__ = ["detection", "grasp", "perception", "segmentation"]


def _run(name: str) -> None:
    """Run a node of a class in `cvdl.ros.nodes`."""
    raise_first_interrupt()
    try:
        run = import_module("cvdl.ros.process").run
        node = getattr(import_module("cvdl.ros.nodes"), name)
    except KeyboardInterrupt:
        sys.exit(0)
    sys.exit(run(node))


perception = partial(_run, "PerceptionNode")
segmentation = partial(_run, "SegmentationNode")
detection = partial(_run, "DetectionNode")
grasp = partial(_run, "GraspNode")
