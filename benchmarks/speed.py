"""Speed of the stages by engine, idle and beside a busy process, and of peers.

    python benchmarks/speed.py [--data DIR]... [--frames N] [--rounds N] [--no-peers]

Each row has its own process. In each round every process runs all frames once, in turn with the
others, first alone and then beside a process that keeps a core busy, so that other load on the
machine affects all of them. Milliseconds are the median and, after the stroke, the 95th percentile
over rounds and frames. DIR holds RGB-D images, or folders of them, of which each gives a frame.

Peers, with the same threads: YOLOX-Nano and NanoDet-m in plain ONNX Runtime (416x416, with resizing
and normalization, without suppression), torchvision's SSDLite320, and the largest plane by RANSAC
and clusters by DBSCAN of Open3D (points at 5 mm).
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from cvdl.core.frame import RgbdFrame
from cvdl.core.threads import network_threads
from cvdl.datasets import ImageFolder
from cvdl.datasets.reading import DatasetError
from load import processor, run_in_turn
from measuring import DATA, new_table, timed

STAGES = ("segment", "detect", "grasp", "all")
#: Takes a frame, returns milliseconds by stage.
Run = Callable[[RgbdFrame], dict[str, float]]


def stages(engine: str) -> Run:
    """All stages with the networks run by an engine."""
    from cvdl.pipeline import Perception, load_config

    names = ("segmentation", "detector", "grasp")
    settings = [f"{name}.{key}" for name in names for key in (f"engine={engine}", "device=cpu")]
    perceive = Perception(load_config(overrides=settings))

    def run(frame: RgbdFrame) -> dict[str, float]:
        # A frame is used several times: a copy has no results of the last time.
        scene, whole = timed(perceive, RgbdFrame(frame.color, frame.depth, frame.camera))
        return {**scene.latency_ms, "all": whole}

    return run


def onnx_peer(file: str, mean: Sequence[float], std: Sequence[float]) -> Run:
    """A detector of 416x416 pixels in plain ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = network_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(DATA / "onnx" / file), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def detect(frame: RgbdFrame) -> None:
        small = cv2.resize(frame.color, (416, 416))[..., ::-1].astype(np.float32)
        values = (small - np.float32(mean)) / np.float32(std)
        session.run(None, {name: np.ascontiguousarray(values.transpose(2, 0, 1)[None])})

    return lambda frame: {"detect": timed(detect, frame)[1]}


def ssdlite() -> Run:
    """torchvision's SSDLite with random weights, which take the same time."""
    import torch
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large as build

    torch.set_num_threads(network_threads())
    model = build(weights=None, weights_backbone=None).eval()

    @torch.inference_mode()
    def detect(frame: RgbdFrame) -> None:
        model([torch.from_numpy(frame.color).permute(2, 0, 1) / 255])

    return lambda frame: {"detect": timed(detect, frame)[1]}


def open3d_clusters() -> Run:
    """The largest plane, and clusters of what is left."""
    import open3d

    def segment(frame: RgbdFrame) -> None:
        points = frame.camera.deproject(frame.depth).reshape(-1, 3)
        points = points[np.isfinite(points).all(axis=1)]
        cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))
        cloud = cloud.voxel_down_sample(0.005)
        _, inliers = cloud.segment_plane(0.01, 3, 200)
        cloud.select_by_index(inliers, invert=True).cluster_dbscan(0.02, 20)

    return lambda frame: {"segment": timed(segment, frame)[1]}


ENGINES: dict[str, Callable[[], Run]] = {
    "torch, float32": lambda: stages("torch"),
    "onnxruntime, 8 bits": lambda: stages("onnxruntime"),
}
PEERS: dict[str, Callable[[], Run]] = {
    "YOLOX-Nano": lambda: onnx_peer("yolox_nano.onnx", (0, 0, 0), (1, 1, 1)),
    "NanoDet-m 416": lambda: onnx_peer(
        "nanodet_m.onnx", (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
    ),
    "SSDLite320": ssdlite,
    "Open3D plane + DBSCAN": open3d_clusters,
}


class Worker:
    """A process that runs frames, and its times by load, data and stage."""

    def __init__(self, name: str, data: Sequence[Path], count: int) -> None:
        self.name = name
        self.times: dict[tuple[bool, int, str], list[float]] = defaultdict(list)
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=serve, args=(name, data, count, theirs), daemon=True)
        self._process.start()
        self._pipe.recv()

    def run(self, is_busy: bool) -> None:
        """Run all frames once."""
        self._pipe.send(None)
        for source, latency in self._pipe.recv():
            for stage, milliseconds in latency.items():
                self.times[is_busy, source, stage].append(milliseconds)

    def close(self) -> None:
        self._process.kill()
        self._process.join()

    def cells(self, is_busy: bool, source: int) -> list[str]:
        """Median and 95th percentile of each stage."""
        each = (self.times.get((is_busy, source, stage)) for stage in STAGES)
        return [
            f"{np.median(some):.0f} / {np.percentile(some, 95):.0f}" if some else ""
            for some in each
        ]


def serve(name: str, data: Sequence[Path], count: int, pipe: Connection) -> None:
    """Run all frames whenever something is received, and send their times."""
    run = {**ENGINES, **PEERS}[name]()
    sources: list[Any] = [frames_of(path, count) for path in data]
    for frames in sources:
        run(frames[0])
    pipe.send(None)
    while True:
        pipe.recv()
        pipe.send([(number, run(frame)) for number, some in enumerate(sources) for frame in some])


def frames_of(path: Path, count: int) -> list[RgbdFrame]:
    """Some frames of a folder, evenly spread; of a folder of folders, the first of each."""
    try:
        folder = ImageFolder(path)
    except DatasetError:
        inner = [each for each in sorted(path.iterdir()) if (each / "camera.json").is_file()]
        if not inner:
            raise
        chosen = islice(inner, 0, None, max(1, len(inner) // count))
        return [ImageFolder(each)[0] for each in islice(chosen, count)]
    rows = np.linspace(0, len(folder) - 1, min(count, len(folder))).astype(int)
    return [folder[int(row)] for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, action="append", help="default: OSD, tabletop_demo, real"
    )
    parser.add_argument("--frames", type=int, default=6, help="of each folder")
    parser.add_argument("--rounds", type=int, default=8, help="of all frames, of either load")
    parser.add_argument("--no-peers", action="store_true", help="the engines only")
    arguments = parser.parse_args()
    data = arguments.data or [DATA / name for name in ("osd", "tabletop_demo", "real")]
    names = [*ENGINES, *([] if arguments.no_peers else PEERS)]
    workers: list[Worker] = []
    try:
        for name in track(names, "starting", transient=True):
            workers += [Worker(name, data, arguments.frames)]
        run_in_turn(workers, arguments.rounds)
    finally:
        for worker in workers:
            worker.close()
    title = f"median / p95, ms; {network_threads()} threads, {processor()}"
    table = new_table("data", "network", "beside it", *STAGES, words=3, title=title)
    for source, path in enumerate(data):
        for is_busy in (False, True):
            for worker in workers:
                load = "a busy process" if is_busy else "nothing"
                table.add_row(path.name, worker.name, load, *worker.cells(is_busy, source))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
