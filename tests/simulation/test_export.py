"""Exports, read back with independent readers if possible."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from scipy.spatial.transform import Rotation

from cvdl.bags import BagReader, find_topics
from cvdl.core.errors import InputError
from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL
from cvdl.datasets import CocoDataset, OsdDataset
from cvdl.simulation import CATEGORIES, SimulatedScene, SimulationConfig, simulate_scene
from cvdl.simulation.export import EXPORTS


def write(path: Path, kind: str, scenes: list[SimulatedScene], overwrite: bool = False) -> None:
    with EXPORTS[kind](path, overwrite, 3) as export:
        for scene in scenes:
            export.add(scene)


@pytest.fixture(scope="module")
def some(scenes: list[SimulatedScene]) -> list[SimulatedScene]:
    return scenes[:4]


@pytest.fixture(scope="module")
def images(some: list[SimulatedScene], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "out"
    write(path, "images", some)
    return path


@pytest.fixture(scope="module")
def coco(some: list[SimulatedScene], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("coco") / "out"
    write(path, "coco", some)
    return path


@pytest.fixture(scope="module")
def bag(some: list[SimulatedScene], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bag") / "out"
    write(path, "bag", some)
    return path


def test_images_are_an_osd_folder(images: Path, some: list[SimulatedScene]) -> None:
    folder = OsdDataset(images)
    assert len(folder) == len(some)
    for index, scene in enumerate(some):
        frame, labels = folder[index], folder.truth(index)
        np.testing.assert_array_equal(frame.color, scene.frame.color)
        np.testing.assert_array_equal(frame.depth, scene.frame.depth)
        assert frame.camera == scene.frame.camera
        expected = np.where(np.isnan(scene.frame.depth), 0, scene.truth.labels)
        np.testing.assert_array_equal(labels, expected)


def test_truth_json_is_complete(images: Path, some: list[SimulatedScene]) -> None:
    for scene in some:
        truth = json.loads((images / f"scene{scene.index:06d}" / "truth.json").read_text())
        np.testing.assert_allclose(truth["camera_pose"], scene.camera_pose)
        np.testing.assert_allclose(truth["plane"]["normal"], scene.truth.plane.normal)
        assert truth["sensor"] == scene.sensor
        assert len(truth["objects"]) == len(scene.objects)
        seen = [item for item in truth["objects"] if item["area"]]
        for written, item in zip(seen, scene.truth.objects, strict=True):
            assert (written["label"], written["class_name"]) == (item.label, item.class_name)
            assert written["area"] == item.area
            np.testing.assert_allclose(written["box2d"], item.box2d)
            np.testing.assert_allclose(written["box3d"]["size"], item.box3d.size)
            pose = scene.objects[item.label - FIRST_OBJECT_LABEL].pose
            np.testing.assert_allclose(written["pose"], pose)


def decoded(segmentation: dict) -> np.ndarray:
    """COCO's uncompressed run lengths to a mask."""
    height, width = segmentation["size"]
    counts = segmentation["counts"]
    values = np.arange(len(counts)) % 2
    return np.repeat(values, counts).reshape(width, height).T.astype(bool)


def test_coco_masks_boxes_and_categories(coco: Path, some: list[SimulatedScene]) -> None:
    content = json.loads((coco / "annotations.json").read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    assert tuple(names.values()) == CATEGORIES
    annotations = content["annotations"]
    assert len({annotation["id"] for annotation in annotations}) == len(annotations)
    assert len(content["images"]) == len(some)
    for image, scene in zip(content["images"], some, strict=True):
        color = cv2.imread(str(coco / image["file_name"]))
        np.testing.assert_array_equal(color[..., ::-1], scene.frame.color)
        depth = cv2.imread(str(coco / image["depth_file_name"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(depth == 0, np.isnan(scene.frame.depth))
        mine = [a for a in annotations if a["image_id"] == image["id"]]
        for annotation, item in zip(mine, scene.truth.objects, strict=True):
            mask = decoded(annotation["segmentation"])
            np.testing.assert_array_equal(mask, scene.truth.mask(item))
            assert annotation["area"] == mask.sum()
            x, y, width, height = annotation["bbox"]
            np.testing.assert_allclose([x, y, x + width, y + height], item.box2d)
            assert names[annotation["category_id"]] == item.class_name


def test_the_bag_has_the_topics_and_types(bag: Path, some: list[SimulatedScene]) -> None:
    count = len(some)
    expected = {
        "/camera/color/image_raw": ("sensor_msgs/msg/Image", count),
        "/camera/aligned_depth_to_color/image_raw": ("sensor_msgs/msg/Image", count),
        "/camera/color/camera_info": ("sensor_msgs/msg/CameraInfo", count),
        # Where viewers look for it.
        "/camera/aligned_depth_to_color/camera_info": ("sensor_msgs/msg/CameraInfo", count),
        "/tf": ("tf2_msgs/msg/TFMessage", count),
        "/tf_static": ("tf2_msgs/msg/TFMessage", 1),
        "/ground_truth/labels": ("sensor_msgs/msg/Image", count),
        "/ground_truth/objects": ("vision_msgs/msg/Detection3DArray", count),
        "/ground_truth/boxes": ("vision_msgs/msg/Detection2DArray", count),
        "/ground_truth/plane": ("shape_msgs/msg/Plane", count),
        "/ground_truth/label_info": ("vision_msgs/msg/LabelInfo", 1),
    }
    with BagReader(bag) as reader:
        assert {topic.name: (topic.type, topic.count) for topic in reader.topics} == expected
        topics = find_topics(reader)
        assert topics.color == "/camera/color/image_raw"
        assert topics.depth == "/camera/aligned_depth_to_color/image_raw"


def messages(bag: Path) -> dict[str, list]:
    """All messages by topic, as the mcap packages decode them."""
    found: dict[str, list] = {}
    with next(bag.glob("*.mcap")).open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        for _, channel, _, message in reader.iter_decoded_messages():
            found.setdefault(channel.topic, []).append(message)
    return found


def test_the_bag_read_by_another_library(bag: Path, some: list[SimulatedScene]) -> None:
    by_topic = messages(bag)
    for i, scene in enumerate(some):
        size = scene.truth.labels.shape
        depth = by_topic["/camera/aligned_depth_to_color/image_raw"][i]
        assert depth.encoding == "16UC1"
        millimeters = np.frombuffer(depth.data, np.uint16).reshape(size)
        np.testing.assert_array_equal(millimeters, np.nan_to_num(scene.frame.depth * 1000).round())
        labels = by_topic["/ground_truth/labels"][i]
        assert labels.encoding == "mono16"
        np.testing.assert_array_equal(
            np.frombuffer(labels.data, np.uint16).reshape(size), scene.truth.labels
        )
        stamp = labels.header.stamp
        assert stamp.sec * 10**9 + stamp.nanosec == scene.frame.stamp_ns
        detections = by_topic["/ground_truth/objects"][i].detections
        assert [d.id for d in detections] == [str(o.label) for o in scene.truth.objects]
        classes = [d.results[0].hypothesis.class_id for d in detections]
        assert classes == [o.class_name for o in scene.truth.objects]
        np.testing.assert_allclose(
            by_topic["/ground_truth/plane"][i].coef,
            [*scene.truth.plane.normal, scene.truth.plane.offset],
        )


def matrix(transform: Any) -> np.ndarray:
    t, q = transform.translation, transform.rotation
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    pose[:3, 3] = t.x, t.y, t.z
    return pose


def test_transforms_connect_the_world_and_the_camera(bag: Path, some: list[SimulatedScene]) -> None:
    by_topic = messages(bag)
    static = by_topic["/tf_static"][0].transforms
    moving = [transform for message in by_topic["/tf"] for transform in message.transforms]
    assert (static[0].header.frame_id, static[0].child_frame_id) == (
        "camera_link",
        "camera_color_optical_frame",
    )
    for transform, scene in zip(moving, some, strict=True):
        assert (transform.header.frame_id, transform.child_frame_id) == ("world", "camera_link")
        optical = matrix(transform.transform) @ matrix(static[0].transform)
        np.testing.assert_allclose(optical, scene.camera_pose, atol=1e-9)
        points = scene.frame.camera.deproject(scene.frame.depth)
        table = points[(scene.truth.labels == PLANE_LABEL) & np.isfinite(points[..., 2])]
        world = table @ optical[:3, :3].T + optical[:3, 3]
        assert abs(np.median(world[:, 2])) < 0.005
        # camera_link looks along its x axis, and its z axis points up.
        link = matrix(transform.transform)
        assert link[2, 0] < 0
        assert link[2, 2] > -1e-9


@pytest.mark.parametrize("kind", EXPORTS)
def test_an_older_export_is_replaced_only_with_overwrite(
    kind: str, tmp_path: Path, scenes: list[SimulatedScene]
) -> None:
    out = tmp_path / "deep" / "out"
    write(out, kind, scenes[:2])
    with pytest.raises(InputError, match="--overwrite"):
        write(out, kind, scenes[:1])
    write(out, kind, scenes[:1], overwrite=True)
    assert not (out / "scene000001").exists()
    assert not (out / "images" / "000001.png").exists()


@pytest.mark.parametrize("kind", EXPORTS)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_other_files_is_never_changed(
    kind: str, overwrite: bool, tmp_path: Path
) -> None:
    treasure = tmp_path / "out" / "thesis.txt"
    treasure.parent.mkdir()
    treasure.write_text("years of work")
    with pytest.raises(InputError, match="cannot write"):
        write(tmp_path / "out", kind, [], overwrite)
    assert treasure.read_text() == "years of work"


@pytest.mark.parametrize("kind", ["images", "coco"])
@pytest.mark.parametrize("place", ["thesis.txt", "images/thesis.txt", "scene000000/sub/thesis.txt"])
def test_other_files_in_an_export_are_never_removed(
    kind: str, place: str, tmp_path: Path, scenes: list[SimulatedScene]
) -> None:
    out = tmp_path / "out"
    write(out, kind, scenes[:1])
    treasure = out / place
    treasure.parent.mkdir(parents=True, exist_ok=True)
    treasure.write_text("years of work")
    with pytest.raises(InputError, match=r"out: .*(thesis.txt|sub) is not a file of simulated"):
        write(out, kind, scenes[:1], overwrite=True)
    assert treasure.read_text() == "years of work"


@pytest.mark.parametrize("kind", ["images", "coco"])
def test_an_export_in_the_working_folder_or_behind_a_link_is_replaced(
    kind: str, tmp_path: Path, scenes: list[SimulatedScene], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, link = tmp_path / "out", tmp_path / "link"
    out.mkdir()
    link.symlink_to(out)
    monkeypatch.chdir(out)
    for path in (Path(), link):
        write(path, kind, scenes[:2], overwrite=True)
        write(path, kind, scenes[:1], overwrite=True)
        files = {file.name for file in out.rglob("*")}
        assert files & {"scene000000", "000000.png"}
        assert not files & {"scene000001", "000001.png"}
    assert link.is_symlink()


@pytest.mark.parametrize("kind", EXPORTS)
def test_an_existing_file_is_not_replaced(kind: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write(tmp_path / "out", kind, [], overwrite=True)


@pytest.mark.parametrize("kind", EXPORTS)
def test_an_interrupted_export_is_complete(
    kind: str, tmp_path: Path, scenes: list[SimulatedScene]
) -> None:
    out = tmp_path / "out"

    def until_ctrl_c() -> None:
        with EXPORTS[kind](out, False, 3) as export:
            export.add(scenes[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        until_ctrl_c()
    if kind == "bag":
        with BagReader(out) as reader:
            assert {topic.count for topic in reader.topics} == {1}
    elif kind == "coco":
        assert len(json.loads((out / "annotations.json").read_text())["images"]) == 1
    else:
        assert len(OsdDataset(out)) == 1


@pytest.fixture(scope="module")
def worlds() -> list[SimulatedScene]:
    """Two scenes with different cameras and things of no category."""
    config = SimulationConfig(domain="world")
    return [simulate_scene(30, index, config) for index in (13, 14)]


def test_images_of_the_world_have_their_own_camera(
    worlds: list[SimulatedScene], tmp_path: Path
) -> None:
    write(tmp_path / "out", "images", worlds)
    folder = OsdDataset(tmp_path / "out")
    for index, scene in enumerate(worlds):
        assert folder[index].camera == scene.frame.camera
        expected = np.where(np.isnan(scene.frame.depth), 0, scene.truth.labels)
        np.testing.assert_array_equal(folder.truth(index), expected)
    write(tmp_path / "out", "images", worlds[:1], overwrite=True)


def test_instances_of_the_world_have_their_own_camera(
    worlds: list[SimulatedScene], tmp_path: Path
) -> None:
    write(tmp_path / "out", "coco", worlds)
    data = CocoDataset(tmp_path / "out")
    assert data.classes == (*CATEGORIES, "object")
    for index, scene in enumerate(worlds):
        sample = data[index]
        assert sample.frame.camera == scene.frame.camera
        names = [data.classes[label] for label in sample.labels]
        assert names == [item.class_name or "object" for item in scene.truth.objects]


def test_many_objects_have_labels_of_16_bits(worlds: list[SimulatedScene], tmp_path: Path) -> None:
    labels = worlds[0].truth.labels + np.uint16(30) * (worlds[0].truth.labels >= 2)
    many = replace(worlds[0], truth=replace(worlds[0].truth, labels=labels))
    write(tmp_path / "out", "images", [many])
    expected = np.where(np.isnan(many.frame.depth), 0, labels)
    np.testing.assert_array_equal(OsdDataset(tmp_path / "out").truth(0), expected)


def test_a_bag_of_the_world_has_a_camera_per_frame(
    worlds: list[SimulatedScene], tmp_path: Path
) -> None:
    write(tmp_path / "out", "bag", worlds)
    infos = messages(tmp_path / "out")["/camera/color/camera_info"]
    for info, scene in zip(infos, worlds, strict=True):
        assert (info.width, info.height) == (scene.frame.camera.width, scene.frame.camera.height)
