"""What a detector adds to the segmentation: CPU time with and without features in common.

    OMP_NUM_THREADS=1 python benchmarks/shared_features.py --data FOLDER [--scenes N]

Of each image in COCO's format, in turn: each detector alone, and after the network of the
segmentation, whose features it may share. Milliseconds of CPU time of the process, which depend
less on other load than the time on the clock: median and 95th percentile.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
from rich.console import Console

from cvdl.datasets import CocoDataset
from cvdl.detection import load_detector
from cvdl.segmentation.instances.loading import load_instance_model
from measuring import new_table

NAMES = "rgbd_rcnn", "yolo"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder in COCO's format")
    parser.add_argument("--scenes", type=int, default=25, help="number of images")
    args = parser.parse_args()
    data = CocoDataset(args.data)
    segment = load_instance_model(device="cpu")
    detectors = {name: load_detector(name, device="cpu") for name in NAMES}
    times: dict[str, list[float]] = defaultdict(list)

    def measure(name: str, run: Callable[[], object]) -> None:
        start = process_time()
        run()
        times[name].append(1e3 * (process_time() - start))

    for index in range(min(args.scenes, len(data))):
        frame = data[index].frame
        for name, detector in detectors.items():
            for is_after in (False, True):
                new = replace(frame)  # nothing is kept with it yet
                if is_after:
                    measure("network of the segmentation", lambda new=new: segment(new))
                row = f"{name}, after it" if is_after else name
                measure(row, lambda new=new, detector=detector: detector([new]))
    table = new_table("", "median ms", "p95 ms")
    for name, values in times.items():
        rest = values[1:]  # the first run allocates
        table.add_row(name, *(f"{np.percentile(rest, share):.1f}" for share in (50, 95)))
    Console().print(table)


if __name__ == "__main__":
    main()
