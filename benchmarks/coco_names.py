"""Which marked objects of real frames get the right name from a detector of COCO's classes.

    python benchmarks/coco_names.py yolox_nano.yaml [...] [--min-score 0.4] [--picture PNG]

The name of an object is that of the mask with most of its marks. Most things of the frames are of
no class of COCO; a name is then wrong, whichever it is.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import yaml
from rich.console import Console

from clicks import HERE, Clicks
from cvdl.core.scene import Scene
from cvdl.datasets.image_folder import ImageFolder
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.viz.pictures import contact_sheet, overlay, write_png
from measuring import DATA, new_table

#: The classes of COCO of marked things, by the last words of their names.
CLASSES = {
    "mustard bottle": "bottle",
    "water bottle": "bottle",
    "cup": "cup",
    "mug": "cup",
    "bowl": "bowl",
}
#: Whose names end like a class, but who are none.
NONE = ("marker in the mug",)


def class_of(thing: str) -> str:
    """The class of COCO of a thing by the name of its marks; empty if it has none."""
    ends = (name for end, name in CLASSES.items() if thing.endswith(end) and thing not in NONE)
    return next(ends, "")


def counts_of(scene: Scene, clicks: Clicks) -> Counter[str]:
    """Number of things with a class, and without: all, and those with a right and wrong name."""
    counts: Counter[str] = Counter()
    names = {item.label: item.class_name for item in scene.objects}
    for thing, pixels in clicks.items():
        labels = Counter(int(scene.labels[v, u]) for u, v in pixels)
        name, true = names.get(labels.most_common(1)[0][0], ""), class_of(thing)
        kind = "of COCO" if true else "others"
        counts[kind] += 1
        if name:
            counts[f"{kind}, {'right' if name == true else 'wrong'}"] += 1
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", nargs="+", help="files of ONNX detectors, or of their layouts")
    parser.add_argument("--min-score", type=float, default=0.4)
    parser.add_argument("--data", type=Path, default=DATA / "tabletop_demo")
    parser.add_argument("--clicks", type=Path, default=HERE / "data/tabletop_demo_clicks.yaml")
    parser.add_argument("--picture", type=Path, help="write the overlays there")
    args = parser.parse_args()
    dataset = ImageFolder(args.data)
    marked: dict[str, Clicks] = yaml.safe_load(args.clicks.read_text())

    columns = ("of COCO", "of COCO, right", "of COCO, wrong", "others", "others, wrong")
    table, pictures = new_table("detector", *columns), []
    for weights in args.weights:
        detector = {"detector": "onnx", "weights": weights, "min_score": args.min_score}
        perception = Perception(PerceptionConfig(detector=detector, grasp={"enable": False}))
        total: Counter[str] = Counter()
        for name, frame in zip(dataset.names, dataset, strict=True):
            scene = perception(frame)
            pictures.append(overlay(frame, scene))
            total += counts_of(scene, marked[name])
        table.add_row(Path(weights).stem, *(str(total[column]) for column in columns))
    Console().print(table)
    if args.picture:
        write_png(args.picture, contact_sheet(pictures, dataset.names * len(args.weights), 3))


if __name__ == "__main__":
    main()
