"""What a phrase finds in a frame, and what of it is shown."""

from dataclasses import replace
from typing import Any

import numpy as np

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.language.aligner import Finding
from cvdl.language.finder import Finder, FrameFindings
from cvdl.language.vocabulary import Vocabulary


class Chances:
    """In place of an aligner: the chance of each object by label."""

    vocabulary = Vocabulary(("left", "mug", "object", "of", "red", "the"))

    def __init__(self, **chances: float) -> None:
        self.asked: list[tuple[str, list[int] | None]] = []
        self._chances = {int(label.strip("_")): chance for label, chance in chances.items()}

    def read(self, phrase: str) -> str:
        return phrase

    def see(self, frame: RgbdFrame, scene: Scene) -> Scene:
        return scene

    def place(self, regions: Scene) -> Scene:
        return regions

    def find(
        self, phrase: str, regions: Scene, labels: list[int], anchors: list[int] | None = None
    ) -> list[Finding]:
        self.asked.append((phrase, anchors))
        found = [Finding(label, self._chances[label]) for label in labels]
        return sorted(found, key=lambda each: -each.score)


def find(scene: Scene, frame: RgbdFrame, **chances: float) -> tuple[FrameFindings, Scene]:
    aligner: Any = Chances(**chances)
    findings = Finder(aligner, "the red mug")(frame, scene)
    assert not aligner.asked or aligner.asked == [("the red mug", None)]
    return findings, findings.shown(scene)


def test_only_what_is_found_is_kept(scene: Scene, frame: RgbdFrame) -> None:
    findings, shown = find(scene, frame, _2=0.9, _3=0.2)
    assert [item.label for item in shown.objects] == [2]
    assert shown.objects[0].class_name == "the red mug"
    assert shown.objects[0].score == 0.9
    assert set(np.unique(shown.labels)) == {0, 1, 2}
    assert [grasp.label for grasp in shown.grasps] == [2]
    assert shown.detections == ()
    assert [each.item.label for each in findings.ranking] == [2, 3]
    assert [grasp.score for grasp in findings.ranking[1].grasps] == [0.9, 0.4]
    report = findings.report()
    assert report["found"] == [2]
    assert findings.sentence() == "'the red mug': object 2 (0.90)"
    assert [each["score"] for each in report["objects"]] == [0.9, 0.2]
    assert [each["class_name"] for each in report["objects"]] == ["", "can"]
    assert report["objects"][0]["grasps"][0]["position"] == [-0.2, 0.0, 0.9]


def test_nothing_fits_gives_an_empty_result_with_scores(scene: Scene, frame: RgbdFrame) -> None:
    findings, shown = find(scene, frame, _2=0.2, _3=0.1)
    assert shown.objects == shown.grasps == ()
    assert findings.found == ()
    assert [each.score for each in findings.ranking] == [0.2, 0.1]
    assert findings.sentence() == (
        "nothing fits 'the red mug': the likeliest is object 2, with a chance of 0.20"
    )


def test_a_frame_without_objects(scene: Scene, frame: RgbdFrame) -> None:
    findings, shown = find(replace(scene, objects=(), grasps=()), frame)
    assert shown.objects == ()
    assert findings.report()["objects"] == []
    assert "no object is in view" in findings.sentence()


def taught(scene: Scene, name: str) -> Scene:
    """With object 2 named by the gallery."""
    first, *others = scene.objects
    named = replace(first, class_name=name, score=0.8, is_taught=True)
    return replace(scene, objects=(named, *others))


def test_a_taught_name_finds_the_object_so_named(scene: Scene, frame: RgbdFrame) -> None:
    names = ("drill", "my_drill")
    for phrase in ("my_drill", "the My drill"):
        finder = Finder(Chances(_2=0.1, _3=0.9), phrase, names=names)
        assert finder.unknown == []
        found = finder(frame, taught(scene, "my_drill")).found
        assert [(each.item.label, each.score) for each in found] == [(2, 0.8)]
        assert finder(frame, scene).found == ()  # not in view
    # A name that is also a word finds what the word is about, too.
    finder = Finder(Chances(_2=0.1, _3=0.9), "the mug", names=("mug",))
    found = finder(frame, taught(scene, "mug")).found
    assert [(each.item.label, each.score) for each in found] == [(3, 0.9), (2, 0.8)]


def test_a_taught_name_is_the_other_object_of_a_relation(scene: Scene, frame: RgbdFrame) -> None:
    aligner: Any = Chances(_2=0.1, _3=0.9)
    finder = Finder(aligner, "the thing left of my_drill", names=("my_drill",))
    assert finder.unknown == ["thing"]
    found = finder(frame, taught(scene, "my_drill")).found
    assert [each.item.label for each in found] == [3]
    finder(frame, scene)
    assert aligner.asked == [("the thing left of the object", anchors) for anchors in ([0], [])]
