"""``cvdl teach`` as a user runs it, and the names in a replay."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cvdl.bags import BagReader, BagWriter, write_frame
from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.recognition.gallery import Gallery, GalleryError, default_folder
from helpers.cli import error_of, run_command

pytestmark = pytest.mark.usefixtures("quick_detector")

GEOMETRY = ("--set", "segmentation.method=geometry")
RED, GREEN = (200, 40, 30), (40, 170, 60)


def boxes_on_a_table(shift=0, stamp_ns=10**9):
    """A red box in the middle, and a smaller green one on its left, from above."""
    depth = np.full((240, 320), 0.8, np.float32)
    color = np.full((240, 320, 3), 10, np.uint8)
    rng = np.random.default_rng(0)
    for rows, columns, rgb in (
        (slice(90, 150), slice(120 + shift, 200 + shift), RED),
        (slice(60, 110), slice(30, 70), GREEN),
    ):
        depth[rows, columns] = 0.72
        height, width = depth[rows, columns].shape
        pattern = np.kron(rng.integers(1, 3, (20, 20)), np.ones((4, 4), int))[:height, :width]
        color[rows, columns] = np.array(rgb) // pattern[..., None]
    return RgbdFrame(color, depth, Camera(320, 240, 280.0, 280.0, 159.5, 119.5), stamp_ns)


@pytest.fixture
def bag(tmp_path):
    """The red box moves to the right."""
    path = tmp_path / "bag"
    with BagWriter(path) as writer:
        for index in range(4):
            write_frame(writer, boxes_on_a_table(10 * index, (index + 1) * 10**9))
    return path


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "gallery"


def names_in(bag):
    """The names in the first message of the objects."""
    with BagReader(bag) as reader:
        topic = next(t for t in reader.topics if t.name == "/perception/segmentation/objects")
        message = reader.decode(topic, next(iter(reader.messages([topic.name])))[2])
    return {
        each.id: [result.hypothesis.class_id for result in each.results]
        for each in message.detections
    }


def test_teach_from_a_bag_and_replay(bag, folder, tmp_path):
    text = run_command("teach", "red box", "--bag", bag, "--gallery", folder, *GEOMETRY)
    assert "red box: 1 view of 4 frames kept, 3 like a known view; 1 view in" in text
    words = ("--bag", bag, "--at", 50, 85, "--gallery", folder)
    text = run_command("teach", "green", *words, *GEOMETRY)
    assert "green: 1 view of 4 frames kept" in text
    known = Gallery(folder).read()
    assert known["red box"].sources == ("bag, 0.0 s",)
    for name, rgb in (("red box", RED), ("green", GREEN)):
        picture = cv2.cvtColor(cv2.imread(str(known[name].pictures[0])), cv2.COLOR_BGR2RGB)
        assert np.argmax(picture.mean(axis=(0, 1))) == np.argmax(rgb)
    out = tmp_path / "out"
    few = ("--set", "grasp.enable=false", *GEOMETRY)
    text = run_command("replay", bag, "-o", out, "--gallery", folder, *few)
    assert "objects: red box" in text
    assert "4 (4 by the gallery)" in text
    assert "recognize" in text
    names = sorted(names_in(out).values())
    assert names == [["green", "thing"], ["red box", "thing"]]
    # Unless it is disabled.
    text = run_command(
        "replay",
        bag,
        "-o",
        tmp_path / "without",
        "--set",
        f"gallery.path={folder}",
        "--set",
        "gallery.enable=false",
        *few,
    )
    assert "gallery" not in text
    assert list(names_in(tmp_path / "without").values()) == [["thing"]] * 2


def test_the_same_bag_again_adds_nothing(monkeypatch, bag, folder):
    """Equal views would make the limit of the name stricter."""
    words = ("teach", "red box", "--bag", bag, "--gallery", folder, *GEOMETRY)
    run_command(*words)
    assert "is kept: 4 frames, 4 like a known view" in error_of(monkeypatch, *words)
    assert len(Gallery(folder)["red box"]) == 1


def test_what_is_taught_is_known_everywhere(bag, tmp_path):
    run_command("teach", "red box", "--bag", bag, "--largest", *GEOMETRY)
    try:
        assert Gallery(default_folder()).names() == ("red box",)
        run_command("replay", bag, "-o", tmp_path / "out", "--set", "grasp.enable=false", *GEOMETRY)
        assert ["red box", "thing"] in names_in(tmp_path / "out").values()
    finally:
        run_command("teach", "--forget", "red box")
    assert "nothing is known" in run_command("teach", "--list")


def test_objects_by_number(bag, folder):
    run_command("teach", "it", "--bag", bag, "--object", 3, "--gallery", folder, *GEOMETRY)
    assert Gallery(folder).names() == ("it",)


def test_images_and_photographs(folder, tmp_path):
    frame = boxes_on_a_table()
    for index in range(2):
        scene = tmp_path / "rgbd" / str(index)
        scene.mkdir(parents=True)
        cv2.imwrite(str(scene / "color.png"), frame.color[..., ::-1])
        cv2.imwrite(str(scene / "depth.png"), (frame.depth * 1000).astype(np.uint16))
        (scene / "camera.json").write_text(
            '{"width": 320, "height": 240, "fx": 280, "fy": 280, "cx": 159.5, "cy": 119.5}'
        )
    images = ("--images", tmp_path / "rgbd", "--gallery", folder)
    text = run_command("teach", "box", *images, *GEOMETRY)
    assert "box: 1 view of 2 frames kept, 1 like a known view" in text
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    cv2.imwrite(str(photographs / "one.jpg"), frame.color[60:110, 30:70, ::-1])
    text = run_command("teach", "photo", "--images", photographs, "--gallery", folder)
    assert "photo: 1 view of 1 frame kept" in text
    assert np.isfinite(Gallery(folder)["box"].sizes).all()
    assert np.isnan(Gallery(folder)["photo"].sizes).all()


def test_list_show_rename_merge_and_forget(bag, folder, tmp_path):
    for name, at in (("one", (160, 120)), ("two", (50, 85))):
        run_command("teach", name, "--bag", bag, "--at", *at, "--gallery", folder, *GEOMETRY)
    sheet = tmp_path / "sheet.png"
    text = run_command("teach", "--list", "--show", sheet, "--gallery", folder)
    assert "one" in text
    assert " cm" in text
    assert f"picture: {sheet}" in text
    assert cv2.imread(str(sheet)) is not None
    assert "one is now 1" in run_command("teach", "--rename", "one", "1", "--gallery", folder)
    text = run_command("teach", "--merge", "two", "1", "--gallery", folder)
    assert "1 has 2 views now, with those of two" in text
    assert "forgotten: 1" in run_command("teach", "--forget", "1", "--gallery", folder)
    assert "nothing is known" in run_command("teach", "--list", "--gallery", folder)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing to do"),
        (("mug",), "give --bag or --images"),
        (("--bag", "{bag}"), "give a name"),
        (("mug", "--bag", "{bag}", "--images", "x"), "one of --bag and --images"),
        (("mug", "--images", "x", "--object", "2"), "--object needs --bag"),
        (("mug", "--bag", "{bag}", "--largest", "--at", "1", "1"), "one of --object, --at"),
        (("a/b", "--bag", "{bag}"), "contains '/'"),
        (("mug", "--bag", "{bag}", "--at", "300", "20", *GEOMETRY), "no such object in any of 4"),
        (("mug", "--bag", "none"), "none"),
        (("mug", "--images", "none"), "none: no such folder"),
        (("mug", "--images", __file__), "a file, not a folder; expected photographs"),
        (("mug", "--images", ".", "--largest"), "a photograph is taken as a whole"),
        (("--forget", "mug"), "'mug' is not in"),
        (("--show", "{bag}"), "is a folder; expected a file"),
        (("--show", "sheet.png"), "the gallery is empty"),
    ],
)
def test_bad_input_is_one_line(monkeypatch, tmp_path, bag, folder, words, said):
    monkeypatch.chdir(tmp_path)
    given = [word.format(bag=bag) for word in words]
    assert said in error_of(monkeypatch, "teach", *given, "--gallery", folder)


def test_galleries_that_cannot_be_used(monkeypatch, bag, tmp_path):
    said = error_of(monkeypatch, "replay", bag, "-o", tmp_path / "out", "--gallery", tmp_path / "x")
    assert "x: no such gallery; cvdl teach makes one" in said
    said = error_of(monkeypatch, "replay", bag, "-o", tmp_path / "out", "--gallery", bag)
    assert "is no gallery: it holds" in said
    words = ("replay", bag, "-o", tmp_path / "out", "--gallery", tmp_path)
    said = error_of(monkeypatch, *words, "--set", "gallery.enable=false")
    assert "--gallery needs gallery.enable" in said
    assert not (tmp_path / "out").exists()
    Gallery(tmp_path / "gallery")  # not made by looking at it
    with pytest.raises(GalleryError, match="is no gallery"):
        run_command("teach", "mug", "--bag", bag, "--gallery", bag)


def test_a_thing_without_a_good_view_is_not_taught(monkeypatch, folder, tmp_path):
    path = tmp_path / "cut"
    with BagWriter(path) as writer:
        write_frame(writer, boxes_on_a_table(120))
    words = ("teach", "cut", "--bag", path, "--largest", "--gallery", folder, *GEOMETRY)
    said = error_of(monkeypatch, *words)
    assert "no view of cut is kept: 1 frame, 1 cut by the edge of the picture" in said
    assert Gallery(folder).names() == ()
    blurred = replace(boxes_on_a_table(), color=cv2.blur(boxes_on_a_table().color, (25, 25)))
    with BagWriter(tmp_path / "blurred") as writer:
        write_frame(writer, blurred)
    words = ("teach", "x", "--bag", tmp_path / "blurred", "--gallery", folder, *GEOMETRY)
    assert "1 frame, 1 blurred" in error_of(monkeypatch, *words)
