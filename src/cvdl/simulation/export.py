"""Writes simulated scenes as a rosbag2, an image folder or COCO instances."""

from __future__ import annotations

import json
import re
import shutil
from abc import abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl import __version__
from cvdl.bags import BagWriter, message_type, prepare_output, write_frame
from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.files import write_atomically
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import PLANE_LABEL, SceneObject
from cvdl.language.facts import CONTACTS, DIRECTIONS, Fact
from cvdl.language.phrases import referring_phrases
from cvdl.language.sentences import write_sentences
from cvdl.messages.factory import MessageFactory
from cvdl.messages.topics import (
    LABELS_TOPIC,
    OBJECTS_TOPIC,
    PLANE_TOPIC,
    Results,
    object_boxes,
    scene_messages,
)
from cvdl.simulation.facts import scene_facts
from cvdl.simulation.generate import SimulatedScene
from cvdl.simulation.shapes import CATEGORIES
from cvdl.simulation.solid import inverse

__all__ = ["EXPORTS", "BagExport", "CocoExport", "Export", "ImageExport"]

#: Marks a folder of images as exported; only such a folder is replaced.
_RECIPE = "simulation.json"
#: Paths of files and folders in such a folder.
_OURS = re.compile(
    r"((simulation|camera|annotations|captions)\.json"
    r"|scene\d{6,}(/(color|depth|labels)\.png|/(truth|camera)\.json)?"
    r"|(images|depth)(/\d{6,}\.png)?)(\.part)?"
)
#: Phrases of each sort, "attribute" and "relation", that are written for a scene, at most.
_PHRASES = 4
#: The optical frame (z forward, x right, y down) in camera_link (x forward, y left, z up).
_OPTICAL_IN_LINK = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)


class Export(AbstractContextManager["Export"]):
    """Writes scenes; leaving the with statement, by Ctrl-C too, completes the files.

    Args:
        path: folder to make.
        overwrite: whether an older export of the same kind is replaced.
        seed: of the scenes, for the record.

    Raises:
        InputError: if ``path`` exists and is not to be replaced.
        OSError: if the files cannot be written.
    """

    @abstractmethod
    def __init__(self, path: Path, overwrite: bool, seed: int) -> None: ...

    @abstractmethod
    def add(self, scene: SimulatedScene) -> None:
        """Write a scene."""

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Complete the files."""


class ImageExport(Export):
    """One folder for each scene in the layout of the OSD data set, with complete ground truth.

    ``camera.json`` has the intrinsics of all scenes; a scene with another camera has its own. Each
    scene has ``color.png``, ``depth.png`` (uint16 millimeters, 0 no reading), ``labels.png``
    (uint8, or uint16 with many objects: 0 no depth reading or background, 1 table, 20 object 1,
    30 object 2, ...) and ``truth.json``.
    """

    def __init__(self, path: Path, overwrite: bool, seed: int) -> None:
        _make_folder(path, overwrite, seed)
        self._path = path
        self._camera: Camera | None = None

    def add(self, scene: SimulatedScene) -> None:
        """Write the folder of a scene."""
        folder = self._path / f"scene{scene.index:06d}"
        folder.mkdir()
        labels = scene.truth.labels * np.uint16(10)
        labels[scene.truth.labels == PLANE_LABEL] = PLANE_LABEL
        if labels.max() < 256:
            labels = labels.astype(np.uint8)
        labels[_millimeters(scene.frame) == 0] = 0
        _write_frame(scene.frame, folder / "color.png", folder / "depth.png")
        _write_png(folder / "labels.png", labels)
        _write_json(folder / "truth.json", _truth(scene))
        camera = scene.frame.camera
        if camera != self._camera:
            place = self._path if self._camera is None else folder
            _write_json(place / "camera.json", _intrinsics(camera) | {"depth_unit_m": 0.001})
        self._camera = self._camera or camera


class CocoExport(Export):
    """COCO instances: ``annotations.json``, ``images/NNNNNN.png``, ``depth/NNNNNN.png``.

    Masks are uncompressed run lengths; masks and boxes are of the visible parts. The entry of an
    image has its depth image (uint16 millimeters, 0 no reading) as ``depth_file_name``; an image
    with another camera than the first one has its own ``camera``. A thing of no category is an
    "object".

    ``captions.json`` has five sentences for each image, in COCO's format. What a sentence states is
    in its ``facts``: [name, subject, value, object], where subject and object are ids of
    annotations, see `Fact`. ``phrases`` are about one annotation each, which they single out.
    """

    def __init__(self, path: Path, overwrite: bool, seed: int) -> None:
        _make_folder(path, overwrite, seed)
        self._path, self._seed = path, seed
        self._captions: dict[str, list[Any]] = {"images": [], "annotations": [], "phrases": []}
        self._content: dict[str, Any] = {
            "info": {"description": f"Simulated scenes, seed {seed}", "version": __version__},
            "images": [],
            "annotations": [],
            "categories": [
                {"id": number, "name": name, "supercategory": "household"}
                for number, name in enumerate(CATEGORIES, start=1)
            ],
        }
        self._numbers = {name: number for number, name in enumerate((*CATEGORIES, ""), start=1)}

    def add(self, scene: SimulatedScene) -> None:
        """Write the images of a scene; its annotations are written at the end."""
        color, depth = (f"{folder}/{scene.index:06d}.png" for folder in ("images", "depth"))
        _write_frame(scene.frame, self._path / color, self._path / depth)
        image: dict[str, Any] = {
            "id": scene.index + 1,
            "file_name": color,
            "depth_file_name": depth,
            "width": scene.frame.camera.width,
            "height": scene.frame.camera.height,
        }
        camera = _intrinsics(scene.frame.camera)
        if self._content["info"].setdefault("camera", camera) != camera:
            image["camera"] = camera
        self._content["images"].append(image)
        annotations = self._content["annotations"]
        ids = {}
        for item in scene.truth.objects:
            ids[item.label] = len(annotations) + 1
            x_min, y_min, x_max, y_max = item.box2d.tolist()
            mask = scene.truth.mask(item)
            annotations.append(
                {
                    "id": ids[item.label],
                    "image_id": image["id"],
                    "category_id": self._numbers[item.class_name],
                    "bbox": [x_min, y_min, x_max - x_min, y_max - y_min],
                    "area": item.area,
                    "iscrowd": 0,
                    "segmentation": {"size": list(mask.shape), "counts": _run_lengths(mask)},
                }
            )

        self._describe(scene, image, ids)

    def _describe(self, scene: SimulatedScene, image: dict[str, Any], ids: dict[int, int]) -> None:
        """Add sentences and phrases; ``ids`` are the annotations of the labels."""
        facts = scene_facts(scene)
        rng = np.random.default_rng([self._seed, 3, scene.index])
        self._captions["images"].append(image)
        for sentence in write_sentences(rng, facts):
            self._captions["annotations"].append(
                {
                    "id": len(self._captions["annotations"]) + 1,
                    "image_id": image["id"],
                    "caption": sentence.text,
                    "facts": [_of_annotations(fact, ids) for fact in sentence.facts],
                }
            )
        for related in (False, True):
            for phrase in referring_phrases(rng, facts, related, _PHRASES):
                self._captions["phrases"].append(
                    {
                        "image_id": image["id"],
                        "annotation_id": ids[phrase.label],
                        "phrase": phrase.text,
                        "name": phrase.name,
                    }
                )

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        used = {annotation["category_id"] for annotation in self._content["annotations"]}
        if self._numbers[""] in used:
            self._content["categories"].append({"id": self._numbers[""], "name": "object"})
        _write_json(self._path / "annotations.json", self._content, indent=None)
        captions = {"info": self._content["info"], **self._captions}
        _write_json(self._path / "captions.json", captions, indent=None)


class BagExport(Export):
    """A rosbag2 (MCAP) with the camera's topics, transforms and ``/ground_truth``."""

    def __init__(self, path: Path, overwrite: bool, seed: int) -> None:
        prepare_output(path, overwrite)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._bag = BagWriter(path)
        self._messages = MessageFactory(message_type)
        self._is_first = True

    def __enter__(self) -> BagExport:
        self._bag.__enter__()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._bag.__exit__(kind, error, trace)

    def add(self, scene: SimulatedScene) -> None:
        """Write the messages of a scene."""
        frame, truth, stamp = scene.frame, scene.truth, scene.frame.stamp_ns
        bag, make = self._bag, self._messages
        if self._is_first:
            static = make.tf(stamp, "camera_link", frame.frame_id, _OPTICAL_IN_LINK)
            bag.write("/tf_static", stamp, static, latched=True)
            names = make.label_info(stamp, frame.frame_id, CATEGORIES)
            bag.write("/ground_truth/label_info", stamp, names, latched=True)
            self._is_first = False
        link = scene.camera_pose @ inverse(_OPTICAL_IN_LINK)
        bag.write("/tf", stamp, make.tf(stamp, "world", "camera_link", link))
        write_frame(bag, frame)
        results = Results(frame, truth)
        messages = scene_messages(make, results, (LABELS_TOPIC, OBJECTS_TOPIC, PLANE_TOPIC))
        bag.write("/ground_truth/labels", stamp, messages[LABELS_TOPIC])
        bag.write("/ground_truth/objects", stamp, messages[OBJECTS_TOPIC])
        bag.write("/ground_truth/boxes", stamp, object_boxes(make, results))
        if PLANE_TOPIC in messages:
            bag.write("/ground_truth/plane", stamp, messages[PLANE_TOPIC])


EXPORTS: dict[str, type[Export]] = {"bag": BagExport, "images": ImageExport, "coco": CocoExport}


def _make_folder(path: Path, overwrite: bool, seed: int) -> None:
    if path.exists() and not path.is_dir():
        raise InputError(f"cannot write {path}: it is a file; expected a folder to make")
    if path.is_dir() and any(path.iterdir()):
        if not (path / _RECIPE).is_file():
            raise InputError(f"cannot write {path}: it holds files that are not simulated images")
        for item in sorted(path.rglob("*")):
            if not _OURS.fullmatch(item.relative_to(path).as_posix()):
                raise InputError(f"cannot replace {path}: {item} is not a file of simulated images")
        if not overwrite:
            raise InputError(f"{path} already exists; use --overwrite to replace it")
        # Keep the folder itself, which may be the working folder or behind a link.
        for item in path.iterdir():
            shutil.rmtree(item) if item.is_dir() else item.unlink()
    path.mkdir(parents=True, exist_ok=True)
    _write_json(path / _RECIPE, {"seed": seed, "version": __version__})


def _millimeters(frame: RgbdFrame) -> NDArray[np.uint16]:
    return np.rint(np.nan_to_num(frame.depth) * 1000).astype(np.uint16)


def _write_frame(frame: RgbdFrame, color: Path, depth: Path) -> None:
    _write_png(color, cv2.cvtColor(frame.color, cv2.COLOR_RGB2BGR))
    _write_png(depth, _millimeters(frame))


def _write_png(path: Path, image: NDArray[Any]) -> None:
    # Noisy images have few repetitions, so searching only for runs loses little and is fast.
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    _, data = cv2.imencode(".png", image, fast)
    write_atomically(path, data.tobytes())


def _write_json(path: Path, content: Any, indent: int | None = 1) -> None:
    write_atomically(path, (json.dumps(content, indent=indent) + "\n").encode())


def _intrinsics(camera: Camera) -> dict[str, float]:
    return {key: getattr(camera, key) for key in ("width", "height", "fx", "fy", "cx", "cy")}


def _truth(scene: SimulatedScene) -> dict[str, Any]:
    """The ground truth of a scene except its images; meters."""
    plane, table = scene.truth.plane, scene.table
    seen = {item.label: item for item in scene.truth.objects}
    return {
        "index": scene.index,
        "sensor": scene.sensor,
        "camera_pose": scene.camera_pose.tolist(),
        "plane": plane and {"normal": plane.normal.tolist(), "offset": plane.offset},
        "table": {
            "round": table.round,
            "half_size": table.half_size.tolist(),
            "height": table.height,
        },
        "objects": [
            {
                "label": item.label,
                "class_name": item.category,
                "pose": item.pose.tolist(),
                **_boxes(seen.get(item.label)),
            }
            for item in scene.objects
        ],
    }


def _boxes(item: SceneObject | None) -> dict[str, Any]:
    """The visible area and the boxes of an object, in the camera's frame; None for a hidden one."""
    if item is None:
        return {"area": 0}
    box = {key: getattr(item.box3d, key).tolist() for key in ("center", "rotation", "size")}
    return {"area": item.area, "box2d": item.box2d.tolist(), "box3d": box}


def _of_annotations(fact: Fact, ids: dict[int, int]) -> list[Any]:
    """A fact as a list, with the ids of annotations in place of labels."""
    is_pair = fact.name in DIRECTIONS or fact.name in CONTACTS
    other = ids[fact.object] if is_pair else fact.object
    return [fact.name, ids.get(fact.subject, 0), fact.value, other]


def _run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Run lengths in the order of COCO: along columns, starting with zeros."""
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    return [0, *runs] if flat[0] else runs
