"""The stage: names of the gallery in the scene, as the gallery is at that moment."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from cvdl.core.scene import Detection, Hypothesis
from cvdl.recognition.config import RecognitionConfig
from cvdl.recognition.gallery import Gallery
from cvdl.recognition.stage import RecognitionStage
from cvdl.recognition.teaching import seen
from cvdl.recognition.views import view_of

from .conftest import BLUE, GREEN, RED, tabletop, view


@pytest.fixture
def teach(embedder, tmp_path):
    """A function that teaches the names of the objects of a frame."""
    gallery = Gallery(tmp_path, embedder.name)

    def make(frame, scene, *names):
        for name, item in zip(names, scene.objects, strict=True):
            gallery.add(name, [view_of(frame, item, seen(embedder, frame, scene, item), "test")])
        return gallery

    return make


@pytest.fixture
def config(tmp_path):
    return RecognitionConfig(path=str(tmp_path), min_score=0.9)


def test_without_a_gallery_nothing_runs(embedder, config):
    frame, scene = tabletop((40, 20, RED))
    stage = RecognitionStage(config)
    assert stage(frame, scene) is scene
    assert stage.classes() == ()
    assert stage.loaded is None
    assert embedder.calls == 0


def test_taught_objects_get_their_names(teach, config):
    teach(*tabletop((40, 20, RED), (110, 20, GREEN)), "ketchup", "pesto")
    frame, scene = tabletop((100, 15, RED), (30, 15, BLUE), (140, 12, GREEN))
    found = RecognitionStage(config)(frame, scene)
    assert [(item.class_name, item.is_taught) for item in found.objects] == [
        ("ketchup", True),
        ("", False),
        ("pesto", True),
    ]
    assert all(item.score > 0.98 for item in found.objects if item.is_taught)
    assert found.unnamed == {"unlike all taught things": 1}
    assert [(each.class_name, each.label) for each in found.detections] in (
        [("ketchup", 2), ("pesto", 4)],
        [("pesto", 4), ("ketchup", 2)],
    )
    assert found.caption(found.objects[0]).startswith("2 *ketchup")


def test_what_the_detector_says_is_kept(teach, config):
    teach(*tabletop((40, 20, RED)), "ketchup")
    frame, scene = tabletop((100, 15, RED), (30, 15, BLUE))
    bottle, bowl = (
        replace(item, class_name=name, score=0.97)
        for item, name in zip(scene.objects, ("bottle", "bowl"), strict=True)
    )
    detections = tuple(
        Detection(item.box2d, item.class_name, item.score, item.label, track=item.label)
        for item in (bottle, bowl)
    )
    found = RecognitionStage(config)(
        frame, replace(scene, objects=(bottle, bowl), detections=detections)
    )
    ketchup, same = found.objects
    assert (ketchup.class_name, ketchup.detected) == ("ketchup", Hypothesis("bottle", 0.97))
    assert same == bowl
    by_label = {each.label: each for each in found.detections}
    assert (by_label[2].class_name, by_label[2].track) == ("ketchup", 2)
    assert by_label[2].detected == Hypothesis("bottle", 0.97)
    assert by_label[3] == detections[1]


def test_each_thing_once(teach, config):
    teach(*tabletop((40, 20, RED)), "ketchup")
    frame, scene = tabletop((100, 15, RED), (30, 15, (210, 60, 40)))
    both = RecognitionStage(config)(frame, scene)
    one = RecognitionStage(config.model_copy(update={"unique": True}))(frame, scene)
    assert [item.class_name for item in both.objects] == ["ketchup", "ketchup"]
    assert [item.class_name for item in one.objects] == ["ketchup", ""]


def test_the_gallery_is_read_again_when_it_changes(teach, config):
    frame, scene = tabletop((40, 20, RED))
    stage = RecognitionStage(config)
    gallery = teach(frame, scene, "ketchup")
    assert stage(frame, scene).objects[0].class_name == "ketchup"
    gallery.rename("ketchup", "sauce")
    assert stage(frame, scene).objects[0].class_name == "sauce"
    gallery.forget("sauce")  # while it is shown
    assert stage(frame, scene).objects[0].class_name == ""
    assert stage.classes() == ()


def test_only_what_has_changed_is_read_again(teach, config, monkeypatch):
    frame, scene = tabletop((40, 20, RED), (110, 20, GREEN))
    gallery = teach(frame, scene, "ketchup", "pesto")
    stage, read = RecognitionStage(config), []
    whole = Gallery._read
    monkeypatch.setattr(Gallery, "_read", lambda *args: read.append(args[1]) or whole(*args))
    gallery.rename("ketchup", "sauce")
    assert [item.class_name for item in stage(frame, scene).objects] == ["sauce", "pesto"]
    gallery.forget("pesto")
    assert [item.class_name for item in stage(frame, scene).objects] == ["sauce", ""]
    assert read == ["sauce"]


def test_a_gallery_that_breaks_is_reported_once_and_the_names_stay(teach, config, caplog):
    frame, scene = tabletop((40, 20, RED))
    gallery = teach(frame, scene, "ketchup")
    stage = RecognitionStage(config)
    (gallery.folder / "ketchup" / "gallery.json").write_text("{")
    with caplog.at_level(logging.WARNING, "cvdl"):
        for _ in range(3):
            assert stage(frame, scene).objects[0].class_name == "ketchup"
    assert len([each for each in caplog.records if each.levelno >= logging.WARNING]) == 1
    assert "gallery.json: damaged" in caplog.text


def test_names_that_cannot_be_used_leave_the_others(teach, config, caplog):
    frame, scene = tabletop((40, 20, RED), (110, 20, GREEN))
    gallery = teach(frame, scene, "ketchup", "pesto")
    (gallery.folder / "ketchup" / "gallery.json").write_text("{")
    Gallery(gallery.folder, "another").add("mug", [view(1, 0, 0)])
    with caplog.at_level(logging.WARNING, "cvdl"):
        stage = RecognitionStage(config)
        assert [item.class_name for item in stage(frame, scene).objects] == ["", "pesto"]
    assert "ketchup/gallery.json: damaged" in caplog.text
    assert "'another', which cannot be compared with 'by color'" in caplog.text
    assert stage.classes() == ("pesto",)
