"""What a phrase finds in a frame, and what of it is shown."""

from dataclasses import replace
from typing import Any

import numpy as np

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.language.aligner import Finding
from cvdl.language.finder import Finder, FrameFindings


class Chances:
    """In place of an aligner: the chance of each object by label."""

    def __init__(self, **chances: float) -> None:
        self._chances = {int(label.strip("_")): chance for label, chance in chances.items()}

    def read(self, phrase: str) -> str:
        return phrase

    def see(self, frame: RgbdFrame, scene: Scene) -> Scene:
        return scene

    def place(self, regions: Scene) -> Scene:
        return regions

    def find(self, phrase: str, regions: Scene, labels: list[int]) -> list[Finding]:
        assert phrase == "the red mug"
        found = [Finding(label, self._chances[label]) for label in labels]
        return sorted(found, key=lambda each: -each.score)


def find(scene: Scene, frame: RgbdFrame, **chances: float) -> tuple[FrameFindings, Scene]:
    aligner: Any = Chances(**chances)
    findings = Finder(aligner, "the red mug")(frame, scene)
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
