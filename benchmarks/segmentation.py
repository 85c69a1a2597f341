"""Quality and speed of the tabletop segmentation and of two baselines, on the same frames.

    python benchmarks/segmentation.py [--data DIR] [--rounds N]
    python benchmarks/segmentation.py --memory [--frames N]

Quality: means over scenes of the unseen-object literature's figures (cvdl.evaluation): overlap
F, boundary F, and the share of objects found with F > 0.75. Time: milliseconds from an RGB-D
frame to labels, and the ratio of the medians to cvdl's. The methods take turns on each frame, so
that other load on the machine affects all of them; each has run on one frame before.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import open3d as o3d
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.spatial import cKDTree

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.datasets import OsdDataset
from cvdl.datasets.osd import SPLITS, split_of
from cvdl.evaluation.segmentation import (
    SegmentationScore,
    evaluate_segmentation,
    mean_figures,
)
from cvdl.pipeline import Perception, PerceptionConfig
from measuring import DATA, new_table, timed

Labels = NDArray[np.integer]
#: Returns the labels of a frame and the milliseconds they took.
Method = Callable[[RgbdFrame], tuple[Labels, float]]

# The baselines' settings gave the best F on the tuning scenes: of 5 to 25 mm for planes, 5 to
# 30 mm for a step in depth, 3 to 8 mm for voxels and 10 to 30 mm for the reach of a cluster.
# (Voxels of 8 mm are as good there, but lose objects in the other scenes.)
SMALLEST_PIXELS = 150  # as in cvdl's own defaults


def cvdl_method() -> Method:
    perception = Perception(PerceptionConfig().segmentation_only())

    def run(frame: RgbdFrame) -> tuple[Labels, float]:
        scene, elapsed = timed(perception, frame)
        return scene.labels, elapsed

    return run


def ransac_components(frame: RgbdFrame) -> tuple[Labels, float]:
    """The largest plane; the pixels above it are split where they or their depths do not touch."""
    tolerance, largest_step = 0.005, 0.03
    start = perf_counter()
    points = frame.camera.deproject(frame.depth).reshape(-1, 3)
    valid = np.flatnonzero(np.isfinite(points[:, 2]))
    rng = np.random.default_rng(0)
    sample = points[rng.choice(valid, 4000)]
    a, b, c = sample[rng.integers(0, len(sample), (3, 200))]
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1)
    normals, a = normals[lengths > 0] / lengths[lengths > 0, None], a[lengths > 0]
    distance = np.abs(sample @ normals.T - (normals * a).sum(1))
    best = (distance < tolerance).sum(0).argmax()
    inliers = sample[distance[:, best] < tolerance]
    center = inliers.mean(0)
    normal = np.linalg.svd(inliers - center, full_matrices=False)[2][2]
    normal *= -np.sign(normal @ center)  # toward the camera
    above = ((points - center) @ normal > tolerance).reshape(frame.depth.shape)
    depth = np.nan_to_num(frame.depth)
    step = cv2.morphologyEx(depth, cv2.MORPH_GRADIENT, np.ones((2, 2))) > largest_step
    parted = (above & ~step).astype(np.uint8)
    _, components, stats, _ = cv2.connectedComponentsWithStats(parted)
    numbers = np.zeros(len(stats), np.int32)
    large = np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= SMALLEST_PIXELS) + 1
    numbers[large] = FIRST_OBJECT_LABEL + np.arange(len(large))
    labels = numbers[components]
    return labels, (perf_counter() - start) * 1e3


def open3d_method(voxel: float, reach: float) -> Method:
    """Open3D's segment_plane, then cluster_dbscan of the points above the plane.

    On voxels of a size in meters, or on every point if it is 0. The time does not include the
    assignment of pixels to the cluster of the nearest point.
    """
    tolerance, neighbors, iterations = 0.01, 10, 1000

    def run(frame: RgbdFrame) -> tuple[Labels, float]:
        start = perf_counter()
        camera = frame.camera
        cloud = o3d.geometry.PointCloud.create_from_depth_image(
            o3d.geometry.Image(np.nan_to_num(frame.depth)),
            o3d.camera.PinholeCameraIntrinsic(camera.width, camera.height, camera.matrix),
            depth_scale=1.0,
        )
        if voxel:
            cloud = cloud.voxel_down_sample(voxel)
        plane, _ = cloud.segment_plane(tolerance, 3, iterations)
        plane *= np.sign(plane[3])  # toward the camera
        points = np.asarray(cloud.points)
        rest = np.flatnonzero(points @ plane[:3] + plane[3] > tolerance)
        clusters = np.asarray(cloud.select_by_index(rest).cluster_dbscan(reach, neighbors))
        elapsed = (perf_counter() - start) * 1e3

        labels = np.zeros(frame.depth.shape, np.int32)
        if len(clusters):
            pixels = camera.deproject(frame.depth)
            above = np.isfinite(frame.depth) & (pixels @ plane[:3] + plane[3] > tolerance)
            _, nearest = cKDTree(points[rest]).query(pixels[above])
            labels[above] = clusters[nearest] + FIRST_OBJECT_LABEL  # noise, -1: no object
            labels[np.bincount(labels.ravel())[labels] < SMALLEST_PIXELS] = 0
        return labels, elapsed

    return run


def compare(dataset: OsdDataset, rounds: int) -> Table:
    o3d.utility.random.seed(0)
    methods: dict[str, Method] = {
        "cvdl": cvdl_method(),
        "RANSAC + components": ransac_components,
        "Open3D, every point": open3d_method(0, 0.01),
        "Open3D, 5 mm voxels": open3d_method(0.005, 0.015),
    }
    for method in methods.values():
        method(dataset[0])
    times: dict[str, list[float]] = {name: [] for name in methods}
    scores: dict[str, list[SegmentationScore]] = {name: [] for name in methods}
    turns = [(index, turn) for turn in range(rounds) for index in range(len(dataset))]
    for index, turn in track(turns, "comparing", console=Console(stderr=True), transient=True):
        frame = dataset[index]
        truth = dataset.truth(index)
        for name, method in methods.items():
            labels, elapsed = method(frame)
            times[name].append(elapsed)
            if turn == 0:
                scores[name].append(evaluate_segmentation(truth, labels, truth > 0))

    headings = ("method", "scenes", "F", "edge F", "found", "ms", "p95 ms", "ratio")
    table = new_table(*headings, words=2)
    reference = np.median(times["cvdl"])
    for name in methods:
        for split in SPLITS:
            figures = mean_figures(
                [
                    score
                    for scene, score in zip(dataset.names, scores[name], strict=True)
                    if split in ("all", split_of(scene))
                ]
            )
            quality = [f"{figures[key]:.3f}" for key in ("overlap_f", "boundary_f", "detected")]
            median, p95 = np.median(times[name]), np.percentile(times[name], 95)
            speed = [f"{median:.1f}", f"{p95:.1f}", f"{median / reference:.2f}"]
            if split == "all":
                table.add_row(name, split, *quality, *speed)
            else:
                table.add_row("", split, *quality)
        table.add_section()
    return table


def memory(dataset: OsdDataset, count: int) -> None:
    """Print the resident memory while the same frames are processed again and again."""
    perception = Perception(PerceptionConfig().segmentation_only())
    frames = list(dataset)
    step = max(count // 10, 1)
    first = 0.0
    for number in range(count + 1):
        if number % step == 0:
            resident = _resident_mib()
            first = first or (resident if number else 0.0)
            print(f"{number:6d} frames  {resident:7.1f} MiB", flush=True)
        perception(frames[number % len(frames)])
    print(f"growth from frame {step} to frame {count}: {_resident_mib() - first:+.1f} MiB")


def _resident_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS in /proc/self/status")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA / "osd", help="folder of labeled scenes")
    parser.add_argument("--rounds", type=int, default=3, help="times that each frame is timed")
    parser.add_argument("--memory", action="store_true", help="measure memory instead")
    parser.add_argument("--frames", type=int, default=10_000, help="frames of --memory")
    args = parser.parse_args()
    dataset = OsdDataset(args.data)
    if args.memory:
        memory(dataset, args.frames)
    else:
        Console().print(compare(dataset, args.rounds))


if __name__ == "__main__":
    main()
