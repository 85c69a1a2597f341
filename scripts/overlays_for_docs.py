"""Draws the overlays in docs/images, on real frames and on simulated ones.

    python scripts/overlays_for_docs.py [--data DIR]

The data are `osd` and `tabletop_demo`, in the layouts of docs/data.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import cv2

from cvdl.datasets.image_folder import ImageFolder
from cvdl.frame import RgbdFrame
from cvdl.pictures import contact_sheet, overlay
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.simulation import simulate_scene

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
TABLETOP = ("000000", "000001", "000003", "000004", "000006", "000007")
OSD = ("learn13", "learn21", "learn23", "learn29", "learn37", "learn41")
NAMED = {"osd": ("learn3", "learn21", "learn33"), "tabletop_demo": ("000001", "000003", "000004")}
UNSEEN_SEED, SIMULATED = 200, (4, 11, 17)


def write_sheet(
    name: str, frames: Iterable[tuple[str, RgbdFrame]], config: PerceptionConfig
) -> None:
    """Overlays side by side, three in a row, as JPEG."""
    perception = Perception(config)
    pictures, captions = [], []
    for caption, frame in frames:
        pictures.append(overlay(frame, perception(frame)))
        captions.append(caption)
    sheet = contact_sheet(pictures, captions, columns=3)
    path = IMAGES / f"{name}.jpg"
    cv2.imwrite(str(path), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(path.relative_to(ROOT))


def main() -> None:
    """Draws all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    data = parser.parse_args().data
    folders = {name: ImageFolder(data / name) for name in NAMED}

    def frames(folder: str, names: Iterable[str]) -> list[tuple[str, RgbdFrame]]:
        of = folders[folder]
        return [(f"{folder} {name}", of[of.names.index(name)]) for name in names]

    simulated = [
        (f"simulated {index}", simulate_scene(UNSEEN_SEED, index).frame) for index in SIMULATED
    ]
    everything = PerceptionConfig()
    write_sheet("grasps", frames("tabletop_demo", TABLETOP), everything)
    write_sheet("tabletop", frames("tabletop_demo", TABLETOP), everything.segmentation_only())
    write_sheet("osd", frames("osd", OSD), everything.segmentation_only())
    named = [frame for folder, names in NAMED.items() for frame in frames(folder, names)]
    write_sheet("detection", named + simulated, everything.without_grasps())


if __name__ == "__main__":
    main()
