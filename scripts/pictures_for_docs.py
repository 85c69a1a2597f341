"""Draw the pictures of real and simulated frames in docs/images.

    python scripts/pictures_for_docs.py [--data DIR]

DIR holds the folders `osd` and `tabletop_demo`, in the layouts of docs/data.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.datasets.captioned import CaptionedPhotographs
from cvdl.datasets.image_folder import ImageFolder
from cvdl.datasets.photographs import read_photograph
from cvdl.detection import load_detector
from cvdl.detection.models.segnet.detector import SegNetDetector
from cvdl.evaluation.semantic_pictures import class_picture
from cvdl.grasping.config import GraspConfig
from cvdl.language.aligner import load_aligner
from cvdl.language.captioner import Captioner, load_captioner
from cvdl.language.describer import Describer
from cvdl.language.finder import Finder
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.recognition.config import RecognitionConfig
from cvdl.recognition.embedder import load_embedder
from cvdl.recognition.gallery import Gallery
from cvdl.recognition.sheet import gallery_sheet
from cvdl.recognition.teaching import Collector, Follower
from cvdl.simulation import SimulationConfig, simulate_scene
from cvdl.simulation.generate import SimulatedScene, draw_scene, picture
from cvdl.viz.pictures import contact_sheet, depth_picture, overlay

Draw = Callable[[RgbdFrame], NDArray[np.uint8]]

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
TABLETOP = ("000000", "000001", "000003", "000004", "000006", "000007")
OSD = ("learn13", "learn21", "learn23", "learn29", "learn37", "learn41")
NAMED = {"osd": ("learn3", "learn21", "learn33"), "tabletop_demo": ("000001", "000003", "000004")}
UNSEEN_SEED, SIMULATED = 200, (4, 11, 17)
TAUGHT, SIDES = 13, (0, 20, 40, -30)
#: Scenes and what is looked for in them.
ASKED = ((4, "something to drink from"), (11, "something to eat"), (4, "the smallest thing"))
#: Of COCO, licensed under CC BY 2.0; photographs that the captioner was not trained on.
PHOTOGRAPHS = (
    "000000107438", "000000121647", "000000229358", "000000358083", "000000423617", "000000553664"
)  # fmt: skip
DESCRIBED = (3, 17, 30, 41, 66, 90)
WALK = (-40, 60, 26)  # degrees, and number of frames
SHOWN_SEED = 0
#: Scenes with depth and truth, and scenes in color only.
SHOWN: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "tabletop": ((2, 12, 26, 16), (22, 30, 8, 46)),
    "world": ((19, 27, 42, 29), (34, 50, 36, 59)),
}


def write_sheet(name: str, frames: Iterable[tuple[str, RgbdFrame]], draw: Draw) -> None:
    """Write pictures of frames, three in a row, as JPEG."""
    captions, shown = zip(*frames, strict=True)
    write_jpeg(name, contact_sheet([draw(frame) for frame in shown], captions, columns=3))


def overlays(config: PerceptionConfig) -> Draw:
    """Overlays of the pipeline's results."""
    perception = Perception(config)
    return lambda frame: overlay(frame, perception(frame))


def class_maps() -> Draw:
    """The class that SegNet predicts for each pixel."""
    detector = load_detector("segnet")
    assert isinstance(detector, SegNetDetector)
    return lambda frame: class_picture(frame.color, detector.class_map(frame), detector.classes)


def write_simulated(name: str, domain: str, width: int) -> None:
    """Write color, depth and truth of some scenes of a domain, and color of others."""
    shown, in_color = SHOWN[domain]
    config = SimulationConfig(domain=domain)
    scenes = [simulate_scene(SHOWN_SEED, index, config) for index in (*shown, *in_color)]
    some = scenes[: len(shown)]
    pictures = [scene.frame.color for scene in some]
    pictures += [depth_picture(scene.frame.depth) for scene in some]
    pictures += [overlay(scene.frame, scene.truth) for scene in some]
    pictures += [scene.frame.color for scene in scenes[len(shown) :]]
    captions = [f"scene {index}" for index in shown]
    captions += [f"depth, {scene.sensor}" for scene in some]
    captions += ["truth"] * len(shown)
    captions += [f"scene {index}" for index in in_color]
    write_jpeg(name, contact_sheet(pictures, captions, columns=len(shown), width=width))


def write_recognition(name: str) -> None:
    """Write what is recognized from other sides after one view, and a gallery of a walk around."""
    draft = draw_scene(UNSEEN_SEED, TAUGHT, SimulationConfig(min_objects=5, max_elevation=50))
    sides = [picture(draft.seen_from(np.radians(angle)), 0) for angle in SIDES]
    with TemporaryDirectory() as folder:
        perceive = recognizing(folder)
        scene = perceive(sides[0].frame)
        teach(folder, [sides[0]], [scene])
        pictures = [overlay(sides[0].frame, scene)]
        pictures += [overlay(side.frame, perceive(side.frame)) for side in sides[1:]]
        captions = ["taught by this view"] + [f"{angle} degrees aside" for angle in SIDES[1:]]
        write_jpeg(name, contact_sheet(pictures, captions, columns=2))
    angles = np.radians(np.linspace(*WALK))
    walk = [picture(draft.seen_from(angle), index) for index, angle in enumerate(angles)]
    with TemporaryDirectory() as folder:
        perceive = recognizing(folder)
        teach(folder, walk, [perceive(side.frame) for side in walk])
        write_jpeg(f"{name}-sheet", gallery_sheet(Gallery(Path(folder)).read()))


def write_found(name: str) -> None:
    """Write what phrases find in simulated scenes."""
    perceive = Perception(PerceptionConfig(gallery=RecognitionConfig(enable=False)))
    pictures = []
    for index, phrase in ASKED:
        frame = simulate_scene(UNSEEN_SEED, index).frame
        scene = perceive(frame)
        findings = Finder(load_aligner(), phrase)(frame, scene)
        pictures.append(overlay(frame, findings.shown(scene)))
    captions = [phrase for _, phrase in ASKED]
    write_jpeg(name, contact_sheet(pictures, captions, columns=3))


def write_described(name: str) -> None:
    """Write what is written about simulated scenes."""
    perceive = Perception(PerceptionConfig(gallery=RecognitionConfig(enable=False)))
    describe = Describer(load_captioner())
    pictures, captions = [], []
    for index in DESCRIBED:
        frame = simulate_scene(UNSEEN_SEED, index).frame
        scene = perceive(frame, grasp=False)
        pictures.append(overlay(frame, describe(frame, scene, objects=False).shown(scene)))
        captions.append(f"scene {index}")
    write_jpeg(name, contact_sheet(pictures, captions, columns=2, width=640))


def write_photographs(name: str, folder: Path, weights: Path) -> None:
    """Write what a captioner that was trained on photographs writes about some of the others."""
    data, captioner = CaptionedPhotographs(folder), Captioner.load(weights)
    pictures, captions = [], []
    for photograph in PHOTOGRAPHS:
        sample = data[data.names.index(photograph)]
        captions.append(captioner.write(captioner.encode(sample.regions))[0].text)
        pictures.append(read_photograph(folder / "images" / f"{photograph}.jpg"))
    write_jpeg(name, contact_sheet(pictures, captions, columns=3))


def recognizing(folder: str) -> Perception:
    """The segmentation, and the names of a gallery."""
    gallery = RecognitionConfig(path=folder)
    segmentation = PerceptionConfig().segmentation_only()
    return Perception(segmentation.model_copy(update={"gallery": gallery}))


def teach(folder: str, sides: Sequence[SimulatedScene], scenes: Sequence[Scene]) -> None:
    """Follow each object of the first scene through all of them, and teach it."""
    embedder, truth = load_embedder(), sides[0].truth
    gallery = Gallery(Path(folder), embedder.name)
    categories = {item.label: item.class_name for item in truth.objects}
    of_stamp = {side.frame.stamp_ns: scene for side, scene in zip(sides, scenes, strict=True)}
    for item in scenes[0].objects:
        collector = Collector(embedder)
        follower = Follower(
            lambda frame: of_stamp[frame.stamp_ns],
            lambda frame, scene, item=item: item,
            collector,
            "walk",
        )
        for side in sides:
            follower(side.frame)
        label = int(np.bincount(truth.labels[scenes[0].mask(item)]).argmax())
        if collector.views() and label in categories:
            thing = f"my {categories[label]}"
            if thing in gallery.names():
                thing = f"my other {categories[label]}"
            gallery.add(thing, collector.views())


def write_jpeg(name: str, picture: NDArray[np.uint8]) -> None:
    """Write a picture into the folder of the documentation's images."""
    path = IMAGES / f"{name}.jpg"
    cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(path.relative_to(ROOT))


def main() -> None:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument(
        "--photographs", type=Path, help="weights of cvdl train captions on half of coco_mini"
    )
    arguments = parser.parse_args()
    data = arguments.data
    folders = {name: ImageFolder(data / name) for name in NAMED}

    def frames(folder: str, names: Iterable[str]) -> list[tuple[str, RgbdFrame]]:
        of = folders[folder]
        return [(f"{folder} {name}", of[of.names.index(name)]) for name in names]

    simulated = [
        (f"simulated {index}", simulate_scene(UNSEEN_SEED, index).frame) for index in SIMULATED
    ]
    everything = PerceptionConfig()
    write_sheet("grasps", frames("tabletop_demo", TABLETOP), overlays(everything))
    segments = overlays(everything.segmentation_only())
    write_sheet("tabletop", frames("tabletop_demo", TABLETOP), segments)
    write_sheet("osd", frames("osd", OSD), segments)
    named = [frame for folder, names in NAMED.items() for frame in frames(folder, names)]
    write_sheet(
        "detection", named + simulated, overlays(PerceptionConfig(grasp=GraspConfig(enable=False)))
    )
    write_sheet("segnet", named + simulated, class_maps())
    write_recognition("recognition")
    write_found("words")
    write_described("captions")
    if arguments.photographs is not None:
        write_photographs("photographs", data / "coco_mini", arguments.photographs)
    write_simulated("simulation", "tabletop", 400)
    write_simulated("world", "world", 330)


if __name__ == "__main__":
    main()
