"""The grasp stage: whom it asks for what, which grasps it keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvdl.core.errors import InputError
from cvdl.core.scene import OrientedBox, Region, Scene
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.rectangles import GraspRectangles
from cvdl.grasping.stage import GraspStage, select_grasps

X = np.array([1.0, 0, 0])
NOTHING = GraspRectangles.none()


class Answer:
    """A detector that always finds the same, and remembers what it was asked."""

    def __init__(self, *rectangles: GraspRectangles) -> None:
        self.calls: list[tuple] = []
        parts = rectangles or (NOTHING,)
        self._found = GraspRectangles(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("center", "angle", "opening", "plate", "score")
            )
        )

    def __call__(self, frame, mask=None, count=100):
        self.calls.append((frame, mask, count))
        return self._found[:count]


@pytest.fixture(scope="module")
def view(look, solid):
    """Two boxes of 5 x 8 x 10 cm, 15 cm apart: 2 on the left, 3 on the right."""
    left, right = (
        solid((x, 0, 0.05), (0.05, 0.08, 0.1), label=n) for x, n in ((-0.1, 2), (0.1, 3))
    )
    return look(left, right)


def across(view, x, score, y=0.0):
    return view.rectangle((x, y, 0.1), X, 0.075, score=score)


def run(view, detector, **settings):
    stage = GraspStage(GraspConfig(enable=False, **settings), detector)
    scene = stage(view.frame, Scene(view.labels, view.plane, view.objects))
    return scene.grasps, scene.refused


def test_grasps_have_their_object_and_their_rectangle(view):
    worse, better = across(view, -0.1, 0.4), across(view, 0.1, 0.9)
    grasps, refused = run(view, Answer(worse, better))
    assert [(grasp.label, grasp.score) for grasp in grasps] == [(3, 0.9), (2, 0.4)]
    assert refused == {}
    best = grasps[0]
    np.testing.assert_array_equal(best.center, better.center[0])
    assert (best.angle, best.opening, best.plate) == (
        better.angle[0],
        better.opening[0],
        better.plate[0],
    )
    assert best.opening_m == pytest.approx(0.075, abs=0.004)
    assert np.linalg.norm(best.position - view.point((0.1, 0, 0.08))) < 0.01


@pytest.mark.parametrize(("objects", "count"), [(8, 10), (9, 20), (24, 30)])
def test_a_crowded_scene_gets_more_candidates(view, objects, count):
    detector = Answer()
    scene = Scene(view.labels, view.plane, objects * view.objects[:1])
    GraspStage(GraspConfig(candidates=10), detector)(view.frame, scene)
    assert [asked for _, _, asked in detector.calls] == [count]


def test_the_mask_of_the_detector_is_the_objects_and_their_rim(view):
    detector = Answer()
    run(view, detector, candidates=123)
    ((frame, mask, count),) = detector.calls
    assert frame is view.frame
    assert count == 123
    assert mask.dtype == bool
    assert mask[view.labels > 1].all()
    rows, cols = np.nonzero(view.labels > 1)
    assert mask[:, cols.min() - 8].any()
    assert not mask[:, cols.min() - 9].any()
    assert not mask[: rows.min() - 8].any()


def test_a_rectangle_beside_an_object_belongs_to_it(view):
    columns = np.nonzero(view.labels == 2)[1]
    beside = across(view, -0.1, 1)
    beside = replace(beside, center=[[columns.max() + 6, beside.center[0, 1]]])
    away = replace(beside, center=[[columns.max() + 12, beside.center[0, 1]]])
    grasps, refused = run(view, Answer(beside, away))
    assert refused["no object"] == 1
    assert sum(refused.values()) + len(grasps) == 2


def test_the_numbers_of_grasps_are_limited(view):
    places = [(x, y) for y in (-0.03, -0.01, 0.01, 0.03) for x in (-0.1, 0.1)]
    found = [across(view, x, 1 - 0.1 * i, y) for i, (x, y) in enumerate(places)]
    settings = {"clearance": 0.0, "approach": "plane"}
    grasps, _ = run(view, Answer(*found), **settings)
    assert len(grasps) == 8
    grasps, _ = run(view, Answer(*found), max_per_object=2, **settings)
    assert [grasp.label for grasp in grasps] == [2, 3, 2, 3]
    assert [grasp.score for grasp in grasps] == pytest.approx([1, 0.9, 0.8, 0.7])
    grasps, _ = run(view, Answer(*found), max_grasps=3, **settings)
    assert [grasp.label for grasp in grasps] == [2, 3, 2]


def test_the_rectangle_of_a_grasp_is_as_wide_as_the_gripper_opens(view):
    wide = across(view, -0.1, 1)
    (grasp,), _ = run(view, Answer(wide), max_opening=0.06)
    assert grasp.opening_m == 0.06
    assert grasp.opening == pytest.approx(wide.opening[0] * 0.06 / 0.075, rel=0.04)


def test_of_near_duplicates_the_better_is_kept(view):
    found = across(view, -0.1, 0.5), across(view, -0.1, 0.8, y=0.004), across(view, 0.1, 0.3)
    grasps, refused = run(view, Answer(*found))
    assert [grasp.score for grasp in grasps] == [0.8, 0.3]
    assert refused == {}
    grasps, _ = run(view, Answer(*found), min_distance=0.0)
    assert len(grasps) == 3


def test_refused_rectangles_suppress_nothing(view):
    narrow = replace(across(view, -0.1, 1.0), opening=[20])
    grasps, refused = run(view, Answer(narrow, across(view, -0.1, 0.5)))
    assert [grasp.score for grasp in grasps] == [0.5]
    assert refused == {"gripper meets the object": 1}


def test_grasps_outside_of_the_region_are_refused(view):
    detector = Answer(across(view, -0.1, 1), across(view, 0.1, 1))
    stage = GraspStage(GraspConfig(enable=False), detector)
    height, width = view.labels.shape
    around = OrientedBox(view.point((-0.1, 0, 0.1)), np.eye(3), np.full(3, 0.15))
    for region in (Region((0, 0, width // 2, height)), Region((0, 0, width, height), around)):
        scene = stage(view.frame, Scene(view.labels, view.plane, view.objects, region=region))
        assert [grasp.label for grasp in scene.grasps] == [2]
        assert scene.refused == {"outside the region": 1}


# --- Unlikely objects ---------------------------------------------------------------------------


def doubting(view, label, objectness=0.5):
    """The scene of a view, with one object less likely than the setting asks."""
    objects = (
        replace(item, objectness=objectness) if item.label == label else item
        for item in view.objects
    )
    return Scene(view.labels, view.plane, tuple(objects))


@pytest.mark.parametrize(("least", "labels"), [(0.0, [2, 3]), (0.5, [2, 3]), (0.51, [2])])
def test_an_unlikely_object_gets_no_grasps(view, least, labels):
    detector = Answer(across(view, -0.1, 1), across(view, 0.1, 0.5))
    stage = GraspStage(GraspConfig(enable=False, min_objectness=least), detector)
    scene = stage(view.frame, doubting(view, 3))
    assert [grasp.label for grasp in scene.grasps] == labels
    assert scene.refused == ({} if len(labels) == 2 else {"unlikely object": 1})
    assert len(scene.objects) == 2


def test_the_detector_is_not_asked_for_unlikely_objects(view):
    detector = Answer()
    GraspStage(GraspConfig(enable=False), detector)(view.frame, doubting(view, 3))
    ((_, mask, _),) = detector.calls
    assert mask[view.labels == 2].all()
    assert not mask[:, np.nonzero(view.labels == 3)[1].min() - 8 :].any()


def test_candidates_are_shared_by_the_objects(view):
    detector = Answer()
    for count in (8, 9):
        scene = Scene(view.labels, view.plane, count * view.objects[:1])
        GraspStage(GraspConfig(enable=False, candidates=10), detector)(view.frame, scene)
    assert [count for _, _, count in detector.calls] == [10, 20]


def test_with_unlikely_objects_alone_the_detector_is_not_called(view):
    detector = Answer(across(view, -0.1, 1))
    objects = tuple(replace(item, objectness=0.5) for item in view.objects)
    stage = GraspStage(GraspConfig(enable=False), detector)
    scene = stage(view.frame, Scene(view.labels, view.plane, objects))
    assert (scene.grasps, scene.refused, detector.calls) == ((), {}, [])


def test_an_unlikely_object_is_an_obstacle(look, solid):
    size = (0.05, 0.08, 0.1)
    pair = look(solid((0, 0, 0.05), size), solid((0.065, 0, 0.05), size, label=3))
    stage = GraspStage(GraspConfig(enable=False), Answer(across(pair, 0, 1)))
    scene = stage(pair.frame, doubting(pair, 3))
    assert scene.grasps == ()
    assert scene.refused == {"gripper meets a neighbor": 1}


# --- Nothing to grasp ---------------------------------------------------------------------------


def test_without_objects_the_detector_is_not_called(view):
    detector = Answer(across(view, -0.1, 1))
    stage = GraspStage(GraspConfig(enable=False), detector)
    for scene in (
        Scene(view.labels, None, view.objects),
        Scene(np.zeros_like(view.labels), view.plane, ()),
    ):
        result = stage(view.frame, scene)
        assert (result.grasps, result.refused) == ((), {})
    assert detector.calls == []


def test_a_frame_without_depth_has_no_grasps(view):
    blind = replace(view.frame, depth=np.full_like(view.frame.depth, np.nan))
    stage = GraspStage(GraspConfig(enable=False), Answer(across(view, -0.1, 1)))
    scene = stage(blind, Scene(view.labels, view.plane, view.objects))
    assert scene.grasps == ()
    assert scene.refused == {"no depth between the plates": 1}


def test_no_rectangles_give_no_grasps(view):
    assert run(view, Answer())[0] == ()


# --- Selection ----------------------------------------------------------------------------------


def slow_selection(position, direction, label, config):
    kept: list[int] = []
    for i in range(len(position)):
        near = [
            j
            for j in kept
            if np.linalg.norm(position[i] - position[j]) < config.min_distance
            and np.rad2deg(np.arccos(min(1, abs(direction[i] @ direction[j])))) < config.min_angle
        ]
        same = sum(label[j] == label[i] for j in kept)
        if not near and same < config.max_per_object and len(kept) < config.max_grasps:
            kept.append(i)
    return kept


@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_the_selection_equals_a_slow_reference(seed, count):
    rng = np.random.default_rng(seed)
    position = rng.uniform(0, 0.05, (count, 3))
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    label = rng.integers(2, 5, count)
    config = GraspConfig(
        enable=False,
        min_distance=rng.uniform(0, 0.06),
        min_angle=rng.uniform(0, 90),
        max_per_object=int(rng.integers(1, 10)),
        max_grasps=int(rng.integers(1, 20)),
    )
    chosen = select_grasps(position, direction, label, config)
    assert chosen.tolist() == slow_selection(position, direction, label, config)


# --- Settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"min_opening": 0.1, "max_opening": 0.08},
            "min_opening 0.1 must be less than max_opening",
        ),
        ({"insertion": 0.06}, r"insertion 0\.06 must not be more than plate_length 0\.05"),
        ({"detector": "gqcnn"}, "accepted: cascade, lenz2014"),
        ({"approach": "side"}, "'surface' or 'plane'"),
        ({"max_opening": 3}, "less than or equal to 1"),
    ],
)
def test_impossible_grippers_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        GraspConfig(**settings)


def test_missing_weights_are_an_error_at_construction(tmp_path):
    path = tmp_path / "none.safetensors"
    with pytest.raises(
        InputError, match=r"none\.safetensors: no such file; expected weights of lenz2014"
    ):
        GraspStage(GraspConfig(enable=True, detector="lenz2014", weights=str(path)))
