"""Every detector with the same training: the same scenes, the same CPU time.

    cvdl simulate sim/train --format coco --scenes 4000 --seed 0
    cvdl simulate sim/test --format coco --scenes 200 --seed 200
    python benchmarks/detectors.py --data sim/train --test sim/test --out runs/budget

Trains each row of ``ROWS`` with `cvdl train detector`, for --minutes on two cores: twice as many
minutes of CPU time, so that other load on the machine does not change the result. The learning rate
falls over that time. What a detector does before, such as reading all views or computing features
that it keeps, is not part of that time: the CPU time of the whole command has its own column, where
it was not interrupted. Then `cvdl evaluate detector` scores the weights. OUT/ROW.json has what is
in the table, and OUT/ROW the run.

The same command continues what was interrupted, and does nothing again that is done. --rows picks
some; with several processes, each with other rows, one thread each (OMP_NUM_THREADS=1) is best.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from cvdl.cli.options import write_json
from cvdl.segmentation.instances.loading import WEIGHTS as SEGMENTATION

CORES = 2
#: Detectors that name given boxes: they are scored with those of the segmentation, too.
TAKE_SEGMENTS = ("rgbd_rcnn", "rcnn", "segnet", "hog")
#: Average precision below which a row has learned next to nothing.
LEARNED = 0.02
HEADINGS = (
    *("detector", "AP50", "AP50:95", "AR", "ms", "first weights"),
    *("CPU minutes", "of the command", "views", "notes"),
)
RANDOM = "random"
IMAGENET = "ImageNet"


@dataclass(frozen=True)
class Row:
    """A detector and how it is trained.

    Attributes:
        name: of the row and of its files.
        detector: name of the detector.
        settings: of its training, as for ``--set``.
        start: what the weights are at first.
        note: what is particular.
    """

    name: str
    detector: str
    settings: tuple[str, ...] = ()
    start: str = RANDOM
    note: str = ""


def from_scratch(detector: str, note: str = "", *settings: str) -> Row:
    return Row(detector, detector, settings, RANDOM, note)


#: With large networks a step has few images, and these are small.
SMALL = ("image_size=256", "training.batch_size=4")
SMALL_NOTE = "images of 341x256"
#: A backbone that has learned from other simulated scenes, for longer than the others have.
SIMULATED = "the segmentation's"
DEPTH_FROZEN = "color and depth; the backbone is frozen"
ROWS = (
    from_scratch("rgbd_rcnn", "color and depth"),
    Row("rgbd_rcnn-frozen", "rgbd_rcnn", (f"backbone={SEGMENTATION}",), SIMULATED, DEPTH_FROZEN),
    Row("yolo-modern", "yolo", ("style=modern",), SIMULATED, DEPTH_FROZEN),
    Row("yolo-published", "yolo", ("style=published",)),
    Row("fasterrcnn", "fasterrcnn", start=IMAGENET, note="EfficientNet-Lite0"),
    Row(
        "fasterrcnn-frozen",
        "fasterrcnn",
        ("frozen_stages=5",),
        IMAGENET,
        "EfficientNet-Lite0, all five stages frozen",
    ),
    Row("fasterrcnn-scratch", "fasterrcnn", ("weights=none",), note="EfficientNet-Lite0"),
    Row("ssd", "ssd", start=IMAGENET, note="EfficientNet-Lite0"),
    Row("ssd-scratch", "ssd", ("weights=none",), note="EfficientNet-Lite0"),
    from_scratch("ssdlite320_mobilenet_v3_large"),
    from_scratch("ssd300_vgg16", "", "training.batch_size=4"),
    from_scratch("fasterrcnn_mobilenet_v3_large_320_fpn"),
    from_scratch("fasterrcnn_resnet50_fpn", SMALL_NOTE, *SMALL),
    from_scratch("maskrcnn_resnet50_fpn", SMALL_NOTE, *SMALL),
    from_scratch("retinanet_resnet50_fpn", SMALL_NOTE, *SMALL),
    from_scratch("fcos_resnet50_fpn", SMALL_NOTE, *SMALL),
    from_scratch("overfeat"),
    Row("rcnn", "rcnn", start=IMAGENET, note="EfficientNet-Lite0"),
    Row("rcnn-scratch", "rcnn", ("weights=none",), note="EfficientNet-Lite0"),
    from_scratch("segnet", "color and depth"),
    from_scratch("hog", "no steps: trains until it is done", "views=4000"),
)


def cvdl(*words: object) -> None:
    """Run a command, and wait for it."""
    subprocess.run([sys.executable, "-m", "cvdl.cli", *map(str, words)], check=True)


def trained(row: Row, data: Path, out: Path, minutes: float) -> dict[str, Any]:
    """Train a row, or continue; return the CPU minutes and the views seen.

    ``command_minutes`` are those of the whole command; None if it was interrupted before.
    """
    settings = list(row.settings)
    if row.detector != "hog":
        settings.append(f"training.cpu_minutes={CORES * minutes:g}")
    options = [word for setting in settings for word in ("--set", setting)]
    continues = (out / "training").exists()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    line = ("train", "detector", "--detector", row.detector, "--data", data, "--out", out)
    # Nothing is chosen by a validation: the last state counts.
    # Without a budget, the time is that of this call: it is not split.
    how = "--overwrite" if row.detector == "hog" else "--resume"
    cvdl(*line, "--test", 0, "--validation", 0, how, *options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    run = json.loads((out / "run.json").read_text())
    chosen = run["settings"]
    if row.detector == "hog":
        return {
            "cpu_minutes": seconds / 60,
            "command_minutes": seconds / 60,
            "views": min(chosen["views"], run["views"]),
        }
    epochs = json.loads((out / "training" / "history.json").read_text())["epochs"]
    steps = sum(epoch["steps"] for epoch in epochs)
    return {
        "cpu_minutes": sum(epoch["cpu_seconds"] for epoch in epochs) / 60,
        "command_minutes": None if continues else seconds / 60,
        "views": round(steps * chosen["training"]["batch_size"]),
    }


def scored(row: Row, test: Path, out: Path, proposals: str) -> dict[str, Any]:
    """The figures of a trained row on the test scenes."""
    file = out / f"test-{proposals}.json"
    weights = out / f"{row.detector}.safetensors"
    line = ("evaluate", "detector", "--detector", row.detector, "--weights", weights)
    more = ("--data", test, "--proposals", proposals, "--json", file, "--overwrite")
    cvdl(*line, *more)
    content = json.loads(file.read_text())
    figures = {name: content[name] for name in ("ap50", "ap", "ar", "images")}
    return {**figures, "ms": content["latency_ms"]["detect"]["median"]}


def measure(row: Row, args: argparse.Namespace) -> None:
    """Train and score a row, unless its file says that this is done."""
    asked = {
        "detector": row.detector,
        "settings": list(row.settings),
        "minutes": args.minutes,
        "data": str(args.data),
        "test": str(args.test),
    }
    file, out = args.out / f"{row.name}.json", args.out / row.name
    if file.exists():
        found = json.loads(file.read_text())
        if {key: found.get(key) for key in asked} == asked:
            return
    training = trained(row, args.data, out, args.minutes)
    scores = {"alone": scored(row, args.test, out, "none")}
    if row.detector in TAKE_SEGMENTS:
        scores["with segments"] = scored(row, args.test, out, "segments")
    write_json(file, {**asked, "start": row.start, "note": row.note, **training, "scores": scores})


def result_lines(rows: list[Row], out: Path, scenes: int) -> list[str]:
    """A table in Markdown; what cannot be said with figures is said in words."""
    lines = [
        f"| {' | '.join(HEADINGS)} |",
        "| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        file = out / f"{row.name}.json"
        if not file.exists():
            continue
        found = json.loads(file.read_text())
        for how, scores in found["scores"].items():
            first = how == "alone"
            learned = (scores["ap50"] or 0) >= LEARNED
            notes = [found["note"]] if first and found["note"] else []
            if not learned and first:
                times = found["views"] / scenes
                notes.append(f"learns next to nothing: it sees each scene {times:.1f} times")
            whole = found["command_minutes"]
            training = (
                found["start"],
                f"{found['cpu_minutes']:.0f}",
                "" if whole is None else f"{whole:.0f}",
                str(found["views"]),
            )
            cells = (
                f"`{row.name}`" + ("" if first else f", {how}"),
                *(f"{scores[key]:.3f}" if learned else "" for key in ("ap50", "ap", "ar")),
                f"{scores['ms']:.0f}",
                *(training if first else [""] * len(training)),
                "; ".join(notes),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="scenes to train on")
    parser.add_argument("--test", type=Path, required=True, help="scenes to score on")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and results")
    parser.add_argument(
        "--minutes",
        type=float,
        default=60,
        help=f"to train, of {CORES} cores",
    )
    parser.add_argument(
        "--rows",
        nargs="+",
        choices=[row.name for row in ROWS],
        metavar="ROW",
        help=f"some of {', '.join(row.name for row in ROWS)}; default: all",
    )
    args = parser.parse_args()
    by_name = {row.name: row for row in ROWS}
    rows = [by_name[name] for name in args.rows or by_name]  # in the order that is asked for
    console = Console(width=100)
    for number, row in enumerate(rows, 1):
        console.rule(f"{number} of {len(rows)}: {row.name}")
        try:
            measure(row, args)
        except subprocess.CalledProcessError as error:  # it has said why; the others go on
            console.print(f"{row.name}: {error}", highlight=False)
    scenes = len(json.loads((args.data / "annotations.json").read_text())["images"])
    print("\n".join(result_lines(rows, args.out, scenes)))


if __name__ == "__main__":
    main()
