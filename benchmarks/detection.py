"""All detectors on the same data: quality, speed, recall of proposals, time by image size.

    python benchmarks/detection.py --data FOLDER [--weights FOLDER] [--scenes N] [--device cpu|cuda]

Each detector with weights in the folder, as NAME.safetensors, runs once on each image, in turn with
the others, so that other load on the machine affects all of them. The first table has COCO's
figures and the milliseconds from a frame to boxes; *with segments*: the detector gets the boxes of
the segmentation, whose time does not count. The second has the share of the objects that overlap by
at least 0.5 with one of the first proposals, or with one of the best boxes of a detector, whatever
their class, by the number of boxes. The third has the milliseconds of one image at three sizes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets import CocoDataset
from cvdl.detection import DETECTORS, Detector, load_detector
from cvdl.detection.detections import Detections
from cvdl.detection.models.rgbd_rcnn.detector import RgbdRcnn
from cvdl.detection.proposals import SelectiveSearch, TabletopProposals, recall_at
from cvdl.evaluation.detection import DetectionScores
from cvdl.evaluation.shared_classes import SharedClasses
from cvdl.networks.backbone import backbone_features
from measuring import machine, new_table, timed

Boxes = NDArray[np.float64]
USE_PROPOSALS = ("rgbd_rcnn", "rcnn", "segnet", "hog")
COUNTS = (1, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
SIZES = ((320, 240), (640, 480), (1280, 960))


class Entry:
    """A row of the first table: a detector, with or without segments, and its results."""

    def __init__(self, name: str, detector: Detector, given: bool, classes: Sequence[str]) -> None:
        self.name = f"{name}, with segments" if given else name
        self.detector, self.given = detector, given
        self.shared = SharedClasses.between(detector.classes, classes)
        self.scores = DetectionScores(self.shared.names)
        self.times: list[float] = []
        self.boxes: list[Boxes] = []

    def __call__(self, frame: RgbdFrame, segments: Boxes) -> Detections:
        (found,) = self.detector([frame], [segments] if self.given else None)
        return found


def entries(folder: Path | None, classes: Sequence[str], device: str) -> list[Entry]:
    found = []
    for model in DETECTORS:
        name = model.name
        weights = model.weights if folder is None else folder / f"{name}.safetensors"
        if weights and weights.is_file():
            detector = load_detector(name, weights, device)
            found.append(Entry(name, detector, False, classes))
            if name in USE_PROPOSALS:
                found.append(Entry(name, detector, True, classes))
    return found


def own_proposals(detector: RgbdRcnn, frame: RgbdFrame) -> Boxes:
    """All proposals of the first network of the default detector."""
    with torch.inference_mode():
        _, wide = backbone_features(frame, detector.backbone)
        logits, deltas = detector.first(wide)
        boxes = detector.propose(logits, deltas, COUNTS[-1])[0]
    return boxes.double().cpu().numpy()


def quality(rows: Sequence[Entry]) -> Table:
    table = new_table("detector", "AP50", "AP50:95", "AR", "best F1", "median ms", "p95 ms")
    for row in rows:
        report = row.scores.report()
        figures = (report.ap50, report.ap, report.ar, report.f1)
        times = (np.median(row.times), np.percentile(row.times, 95))
        table.add_row(row.name, *(f"{x:.3f}" for x in figures), *(f"{x:.1f}" for x in times))
    return table


def recalls(proposed: dict[str, tuple[list[Boxes], list[float]]], truth: Sequence[Boxes]) -> Table:
    table = new_table("boxes of", *map(str, COUNTS), "boxes a view", "median ms")
    for name, (boxes, times) in proposed.items():
        shares = recall_at(boxes, truth, 0.5, COUNTS)
        mean = np.mean([len(some) for some in boxes])
        # Blank for more boxes than there ever are.
        most = max(len(some) for some in boxes)
        lower = (0, *COUNTS)
        cells = [f"{x:.3f}" if low < most else "" for x, low in zip(shares, lower, strict=False)]
        table.add_row(name, *cells, f"{mean:.0f}", f"{np.median(times):.1f}")
    return table


def growth(rows: Sequence[Entry], frames: Sequence[RgbdFrame], rounds: int) -> Table:
    table = new_table("median ms at", *(f"{width}x{height}" for width, height in SIZES))
    nothing = np.zeros((0, 4))
    plain = [row for row in rows if not row.given]
    times: dict[tuple[str, int], list[float]] = {}
    for width, _ in track(SIZES, "growing", console=Console(stderr=True), transient=True):
        some = [resized(frame, width) for frame in frames]
        for row in plain:
            row(some[0], nothing)
        for frame in some * rounds:
            for row in plain:
                elapsed = timed(row, frame, nothing)[1]
                times.setdefault((row.name, width), []).append(elapsed)
    for row in plain:
        medians = [np.median(times[row.name, width]) for width, _ in SIZES]
        table.add_row(row.name, *(f"{median:.1f}" for median in medians))
    return table


def resized(frame: RgbdFrame, width: int) -> RgbdFrame:
    """The same image at another size."""
    factor = width / frame.camera.width
    size = (width, round(frame.camera.height * factor))
    old = frame.camera
    # Pixel centers have whole coordinates: the corner of the image is at -0.5.
    center = ((value + 0.5) * factor - 0.5 for value in (old.cx, old.cy))
    return RgbdFrame(
        cv2.resize(frame.color, size, interpolation=cv2.INTER_AREA).astype(np.uint8),
        cv2.resize(frame.depth, size, interpolation=cv2.INTER_NEAREST).astype(np.float32),
        Camera(*size, old.fx * factor, old.fy * factor, *center),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder in COCO's format")
    parser.add_argument(
        "--weights",
        type=Path,
        help="folder of NAME.safetensors; default: the package's",
    )
    parser.add_argument("--scenes", type=int, default=200, help="number of images")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each of 5 resized images")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    args = parser.parse_args()
    data = CocoDataset(args.data)
    count = min(args.scenes, len(data))
    rows = entries(args.weights, data.classes, args.device)
    if not rows:
        parser.error(f"no NAME.safetensors in {args.weights}; NAME: {', '.join(DETECTORS.names)}")
    proposers: dict[str, Callable[[RgbdFrame], Boxes]] = {
        "segments": TabletopProposals(),
        "selective search, fast": SelectiveSearch("fast"),
        "selective search, quality": SelectiveSearch("quality", most=10_000),
    }
    for row in rows:
        if isinstance(row.detector, RgbdRcnn) and not row.given:
            proposers["rgbd_rcnn's first stage"] = partial(own_proposals, row.detector)
    proposed: dict[str, tuple[list[Boxes], list[float]]] = {name: ([], []) for name in proposers}
    truth: list[Boxes] = []
    for index in track(range(count), "detecting", console=Console(stderr=True), transient=True):
        sample = data[index]
        truth.append(sample.boxes[~sample.crowd])
        for name, proposer in proposers.items():
            boxes, elapsed = timed(proposer, sample.frame)
            proposed[name][0].append(boxes)
            proposed[name][1].append(elapsed)
        segments = proposed["segments"][0][-1]
        for row in rows:
            if not index:
                row(sample.frame, segments)  # allocates on first use
            found, elapsed = timed(row, sample.frame, segments)
            row.times.append(elapsed)
            row.boxes.append(found.boxes)
            row.scores.add(row.shared.sample(sample), row.shared.found(found))
    proposed |= {row.name: (row.boxes, row.times) for row in rows}
    console = Console(width=160)
    console.print(f"{count} views of {args.data}, {machine(args.device)}")
    console.print(quality(rows))
    console.print(recalls(proposed, truth))
    frames = [data[index].frame for index in range(min(5, count))]
    console.print(growth(rows, frames, args.rounds))


if __name__ == "__main__":
    main()
