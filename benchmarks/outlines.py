"""How well masks fit objects that are outlined by hand, in frames of a stereo camera.

    python benchmarks/outlines.py [--data DIR] [--outlines FILE]

F compares the pixels of the object with the mask that fits best. The thresholds that trim the
outlines are set on frames 000000, 000003, 000006 and 000007; the others were outlined afterwards.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from rich.console import Console

from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.datasets.image_folder import ImageFolder
from cvdl.evaluation.segmentation import evaluate_segmentation
from cvdl.pipeline import Perception, PerceptionConfig
from measuring import DATA, new_table

HERE = Path(__file__).parent
TUNED_ON = ("000000", "000003", "000006", "000007")
_FRACTION_BITS = 4  # of a pixel, for OpenCV


def filled(polygon: Sequence[Sequence[float]], shape: tuple[int, int]) -> NDArray[np.uint16]:
    """An image (H, W) with a polygon (N, 2) of (u, v) filled with the first object's label."""
    image = np.zeros(shape, np.uint16)
    corners = np.rint(np.array(polygon) * (1 << _FRACTION_BITS)).astype(np.int32)
    return cv2.fillPoly(image, [corners], FIRST_OBJECT_LABEL, shift=_FRACTION_BITS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA / "tabletop_demo")
    parser.add_argument("--outlines", type=Path, default=HERE / "data/tabletop_demo_outlines.yaml")
    args = parser.parse_args()
    dataset, perception = ImageFolder(args.data), Perception(PerceptionConfig().segmentation_only())
    outlines = yaml.safe_load(args.outlines.read_text())

    table = new_table("frame", "object", "F", words=2)
    means: dict[bool, list[float]] = {True: [], False: []}
    for name, frame in zip(dataset.names, dataset, strict=True):
        scene = perception(frame)
        for item, polygon in outlines.get(name, {}).items():
            truth = filled(polygon, scene.labels.shape)
            f = max((m.f for m in evaluate_segmentation(truth, scene.labels).matches), default=0.0)
            means[name in TUNED_ON].append(f)
            table.add_row(name, item, f"{f:.3f}")
    table.add_section()
    for tuned, figures in means.items():
        used = "for tuning" if tuned else "for reporting"
        table.add_row(f"{len(figures)} {used}", "", f"{np.mean(figures):.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
