"""What is true of simulated scenes, where it is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from cvdl.datasets.captions import read_captions
from cvdl.language.facts import DIRECTIONS, Fact
from cvdl.simulation import SimulatedScene
from cvdl.simulation.export import CocoExport
from cvdl.simulation.facts import find_contacts, scene_facts
from cvdl.simulation.generate import PlacedObject
from cvdl.simulation.mesh import box, revolve
from cvdl.simulation.textures import Material


def placed(label: int, category: str, mesh, at: tuple[float, float, float]) -> PlacedObject:
    pose = np.eye(4)
    pose[:3, 3] = at
    return PlacedObject(label, category, mesh, pose, (Material(np.zeros((8, 8, 3), np.uint8)),))


def test_a_block_on_a_block_is_on_it_and_one_beside_it_is_not() -> None:
    low = placed(2, "box", box(0.1, 0.1, 0.1), (0, 0, 0))
    high = placed(3, "brick", box(0.05, 0.05, 0.05), (0, 0, 0.1001))
    beside = placed(4, "box", box(0.05, 0.05, 0.05), (0.0751, 0, 0))
    assert find_contacts([low, high, beside]) == {(3, 2): "on", (2, 3): "under"}


def test_a_ball_in_a_bowl_is_in_it() -> None:
    profile = [([(0, 0), (0.07, 0), (0.08, 0.06), (0.075, 0.06), (0.065, 0.004), (0, 0.004)], 0)]
    bowl = placed(2, "bowl", revolve(profile), (0, 0, 0))
    ball = placed(3, "box", box(0.04, 0.04, 0.04), (0, 0, 0.0041))
    assert find_contacts([bowl, ball]) == {(3, 2): "in", (2, 3): "under"}


def test_a_board_that_would_fall_leans() -> None:
    block = placed(2, "box", box(0.1, 0.1, 0.1), (0, 0, 0))
    board = placed(3, "book", box(0.2, 0.1, 0.01), (0, 0, 0))
    half = np.sqrt(0.5)
    board.pose[:3, :3] = [[half, 0, half], [0, 1, 0], [-half, 0, half]]  # 45 degrees about y
    board.pose[2, 3] = -(board.mesh.vertices @ board.pose[2, :3]).min()
    # The lower face, through the frame's origin, meets the edge of the block from below.
    board.pose[0, 3] = -0.05 + 0.1 - board.pose[2, 3] - 0.0002
    assert find_contacts([block, board]).get((3, 2)) == "leaning against"


@pytest.mark.slow
def test_sentences_are_written_beside_coco_instances(
    scenes: list[SimulatedScene], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with CocoExport(out, False, 3) as export:
        for scene in scenes[:3]:
            export.add(scene)
    content = json.loads((out / "captions.json").read_text())
    instances = json.loads((out / "annotations.json").read_text())
    assert len(read_captions(out / "captions.json")) == 15
    assert [image["id"] for image in content["images"]] == [1, 2, 3]
    of_image = {item["id"]: item["image_id"] for item in instances["annotations"]}
    for sentence in content["annotations"]:
        scene = scenes[sentence["image_id"] - 1]
        labels = dict(
            zip(
                [i for i, image in of_image.items() if image == sentence["image_id"]],
                [item.label for item in scene.truth.objects],
                strict=True,
            )
        )
        facts = scene_facts(scene)
        for name, subject, value, other in sentence["facts"]:
            if name not in ("kind", "color", "size", "material", "count", "graspable"):
                other = labels[other]
            assert facts.holds(Fact(name, labels.get(subject, 0), value, other))
    for phrase in content["phrases"]:
        assert of_image[phrase["annotation_id"]] == phrase["image_id"]


def test_directions_agree_with_the_picture(scenes: list[SimulatedScene]) -> None:
    """Left and right are those of the image; what is behind is higher up, where it is not tall."""
    seen = 0
    for scene in scenes[:6]:
        facts = scene_facts(scene)
        middle = {item.label: (item.box2d[:2] + item.box2d[2:]) / 2 for item in scene.truth.objects}
        for one in facts.things:
            for other in facts.things:
                for name in DIRECTIONS[:2]:
                    if facts.relation(one, name, other):
                        offset = middle[one.label][0] - middle[other.label][0]
                        assert (offset < 0) == (name == "left of")
                        seen += 1
    assert seen > 10
