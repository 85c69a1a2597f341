"""Which objects of real frames have exactly one mask, checked by clicks.

    python benchmarks/clicks.py [--data DIR] [--clicks FILE] [--picture PNG]

An object is found if all pixels that are marked on it have one label that no other object has. A
mask without a mark is extra: a fragment, or an object without marks.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml
from rich.console import Console

from cvdl.core.scene import FIRST_OBJECT_LABEL, Scene
from cvdl.datasets.image_folder import ImageFolder
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.viz.pictures import contact_sheet, overlay, write_png
from measuring import DATA, new_table

HERE = Path(__file__).parent
Clicks = dict[str, list[tuple[int, int]]]


def found_objects(scene: Scene, clicks: Clicks) -> tuple[list[str], int]:
    """The names of the objects that are found, and the number of extra masks."""
    labels = {name: {int(scene.labels[v, u]) for u, v in pixels} for name, pixels in clicks.items()}
    found = []
    for name, mine in labels.items():
        elsewhere = set().union(*(others for other, others in labels.items() if other != name))
        if len(mine) == 1 and min(mine) >= FIRST_OBJECT_LABEL and not mine & elsewhere:
            found.append(name)
    marked = set().union(*labels.values())
    return found, sum(item.label not in marked for item in scene.objects)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA / "tabletop_demo")
    parser.add_argument("--clicks", type=Path, default=HERE / "data/tabletop_demo_clicks.yaml")
    parser.add_argument("--picture", type=Path, help="write the overlays there")
    args = parser.parse_args()
    dataset, perception = ImageFolder(args.data), Perception(PerceptionConfig().segmentation_only())
    marked: dict[str, Clicks] = yaml.safe_load(args.clicks.read_text())

    table = new_table("frame", "objects", "found", "extra", "not found")
    totals = [0, 0, 0]
    pictures = []
    for name, frame in zip(dataset.names, dataset, strict=True):
        scene = perception(frame)
        pictures.append(overlay(frame, scene))
        found, extra = found_objects(scene, marked[name])
        numbers = [len(marked[name]), len(found), extra]
        missed = ", ".join(item for item in marked[name] if item not in found)
        table.add_row(name, *map(str, numbers), missed)
        totals = [total + number for total, number in zip(totals, numbers, strict=True)]
    table.add_section()
    table.add_row("all", *map(str, totals), "")
    Console().print(table)
    if args.picture:
        write_png(args.picture, contact_sheet(pictures, dataset.names))


if __name__ == "__main__":
    main()
