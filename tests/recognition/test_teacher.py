"""Requests to teach and to forget while frames come."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import numpy as np
import pytest

from cvdl.recognition import gallery as gallery_module
from cvdl.recognition import teacher as module
from cvdl.recognition.config import RecognitionConfig
from cvdl.recognition.gallery import Gallery
from cvdl.recognition.stage import RecognitionStage
from cvdl.recognition.teacher import Teacher

from .conftest import GREEN, RED, tabletop

SCENE = tabletop((80, 20, RED), (30, 20, GREEN))


class Asked:
    """A teacher, and what it says."""

    def __init__(self, folder, lookup=lambda target, source: None):
        self.stage = RecognitionStage(RecognitionConfig(path=str(folder), min_score=0.9))
        self.said = []
        self.teacher = Teacher(
            lambda: self.stage,
            lookup,
            lambda sentence, has_failed: self.said.append((sentence, has_failed)),
            "camera",
        )

    def names(self):
        """What the stage sees in the scene."""
        return [item.class_name for item in self.stage(*SCENE).objects]


@pytest.fixture
def asked(embedder, tmp_path):
    return Asked(tmp_path / "gallery")


def in_the_middle_of(item):
    """A point of its surface."""
    frame, _ = SCENE
    pixel = (item.box2d[:2] + item.box2d[2:]) / 2
    return frame.camera.deproject_pixels(pixel, np.array(0.9))


def test_a_name_is_given_to_the_middle_and_can_be_forgotten(asked):
    asked.teacher.teach(" red ")
    assert asked.teacher.is_waiting
    assert asked.teacher.notices() == ("teaching red ...",)
    asked.teacher.look(*SCENE)
    sentence = "red is taught: the object in the middle of the picture; 1 view"
    assert asked.said == [(sentence, False)]
    assert asked.teacher.notices() == (sentence,)
    assert not asked.teacher.is_waiting
    assert asked.names() == ["red", ""]
    assert asked.teacher.status() == {"gallery": "red", "last taught or forgotten": sentence}
    asked.teacher.forget("red")
    assert asked.said[1:] == [("forgotten: red", False)]
    assert asked.names() == ["", ""]
    assert asked.teacher.status()["gallery"] == "empty"


def test_a_clicked_point_counts_for_a_while(asked, monkeypatch):
    frame, scene = SCENE
    asked.teacher.click(in_the_middle_of(scene.objects[1]), frame.frame_id)
    asked.teacher.teach("green")
    asked.teacher.look(*SCENE)
    assert asked.said[-1][0] == "green is taught: the object at the clicked point; 1 view"
    monkeypatch.setattr(module, "_CLICK_S", 0.0)
    asked.teacher.teach("red")
    asked.teacher.look(*SCENE)
    assert "in the middle" in asked.said[-1][0]
    assert asked.names() == ["red", "green"]


def test_a_clicked_point_is_of_one_thing(asked):
    frame, scene = SCENE
    asked.teacher.click(in_the_middle_of(scene.objects[1]), frame.frame_id)
    for name, where in (("green", "clicked"), ("red", "in the middle"), ("green", "like a known")):
        asked.teacher.teach(name)
        asked.teacher.look(*SCENE)
        assert where in asked.said[-1][0]
    assert asked.names() == ["red", "green"]


def test_a_point_in_another_frame(embedder, tmp_path):
    frame, scene = SCENE
    shift = np.eye(4)
    shift[:3, 3] = 1, 2, 3
    known = {(frame.frame_id, "map"): shift}
    asked = Asked(tmp_path, lambda target, source: known.get((target, source)))
    asked.teacher.click(in_the_middle_of(scene.objects[1]) - [1, 2, 3], "map")
    asked.teacher.teach("green")
    asked.teacher.look(*SCENE)
    assert asked.names() == ["", "green"]
    asked.teacher.click(np.zeros(3), "odom")
    asked.teacher.teach("x")
    asked.teacher.look(*SCENE)
    assert asked.said[-1][1]
    assert "tf does not connect the frame of the clicked point, 'odom'" in asked.said[-1][0]


@pytest.mark.parametrize(
    ("scene", "point", "why"),
    [
        (tabletop(), None, "there is no object in view"),
        (SCENE, (0, 0, 5), "there is no object within 5 cm of the clicked point"),
        (tabletop((10, 20, RED)), None, "in the middle of the picture is cut by the edge"),
    ],
)
def test_what_is_not_taught(asked, scene, point, why):
    if point:
        asked.teacher.click(np.array(point, float), scene[0].frame_id)
    asked.teacher.teach("red")
    asked.teacher.look(*scene)
    ((sentence, has_failed),) = asked.said
    assert has_failed
    assert sentence.startswith("red is not taught: ")
    assert why in sentence
    assert asked.stage.classes() == ()


def test_names_that_cannot_be_used(asked):
    asked.teacher.teach("a/b")
    assert not asked.teacher.is_waiting
    asked.teacher.teach("red")
    asked.teacher.teach("RED")  # only the case differs
    asked.teacher.look(*SCENE)
    asked.teacher.forget("blue")
    said = [sentence for sentence, has_failed in asked.said if has_failed]
    for sentence, part in zip(said, ("contains '/'", "only in case", "not in"), strict=True):
        assert part in sentence


def test_a_disabled_gallery_is_said(asked):
    asked.stage = None
    asked.teacher.teach("red")
    asked.teacher.look(*SCENE)
    asked.teacher.forget("red")
    assert [has_failed for _, has_failed in asked.said] == [True, True]
    assert all("the gallery is disabled" in sentence for sentence, _ in asked.said)


def test_a_known_view_is_said_to_be_known(asked):
    for _ in range(2):
        asked.teacher.teach("red")
        asked.teacher.look(*SCENE)
    assert asked.said[1] == (
        "red is not taught: the view of the object in the middle of the picture is like a known "
        "view",
        True,
    )


def test_a_full_disk_and_a_gallery_that_others_write(asked, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(gallery_module, "write_atomically", full)
        asked.teacher.teach("red")
        asked.teacher.look(*SCENE)
    assert "No space left on device" in asked.said[-1][0]
    monkeypatch.setattr(gallery_module, "_PATIENCE_S", 0.02)
    with Gallery(asked.stage.folder)._writing():
        asked.teacher.teach("red")
        asked.teacher.look(*SCENE)
    assert "is being written by another process" in asked.said[-1][0]
    assert asked.stage.classes() == ()
    asked.teacher.teach("red")
    asked.teacher.look(*SCENE)
    assert asked.names() == ["red", ""]


def test_without_frames_a_request_is_given_up(asked, monkeypatch):
    asked.teacher.teach("red")
    asked.teacher.expire()
    assert asked.teacher.is_waiting
    monkeypatch.setattr(module, "_FRAME_S", 0.0)
    asked.teacher.expire()
    assert not asked.teacher.is_waiting
    assert "no frame came" in asked.said[0][0]


def test_a_frame_of_one_moment_serves_several_names(asked):
    frame, scene = SCENE
    asked.teacher.teach("red")
    asked.teacher.teach("also red")
    asked.teacher.look(replace(frame, stamp_ns=5), scene)
    assert [has_failed for _, has_failed in asked.said] == [False, False]
    assert "it looks like red: what looks like both gets neither name" in asked.said[1][0]
