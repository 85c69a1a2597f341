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
from helpers.rays import yaw_rotation

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


class Chances:
    """A predictor of the chance by what it is told of hands, and remembers what it was asked."""

    def __init__(self, chance=lambda hands: np.full(len(hands), 0.9)) -> None:
        self.calls: list[tuple] = []
        self._chance = chance

    def __call__(self, cloud, hands, config):
        self.calls.append((cloud, hands, config))
        return self._chance(hands)


@pytest.fixture(scope="module")
def view(look, solid):
    """Two boxes of 5 x 8 x 10 cm, 15 cm apart: 2 on the left, 3 on the right."""
    left, right = (
        solid((x, 0, 0.05), (0.05, 0.08, 0.1), label=n) for x, n in ((-0.1, 2), (0.1, 3))
    )
    return look(left, right)


def run(view, detector=None, predictor=None, scene=None, **settings):
    """The scene of a view after a stage with these parts."""
    config = GraspConfig(enable=False, **settings)
    stage = GraspStage(config, detector or Answer(), predictor or Chances())
    return stage(view.frame, scene or view.scene)


def test_the_predictor_ranks_the_hands(view):
    """It prefers those near to a place on the object at the right."""
    place = view.point((0.1, 0.02, 0.08))
    predictor = Chances(lambda hands: 1 - np.linalg.norm(hands.position - place, axis=1))
    scene = run(view, predictor=predictor)
    ((cloud, hands, config),) = predictor.calls
    assert set(cloud.label) == set(hands.label) == {2, 3}
    assert not config.enable
    score = [grasp.score for grasp in scene.grasps]
    assert score == sorted(score, reverse=True)
    best = scene.grasps[0]
    assert (best.label, best.score) == (3, predictor._chance(hands).max())
    assert np.linalg.norm(best.position - place) == pytest.approx(1 - best.score)
    assert {grasp.label for grasp in scene.grasps} == {2, 3}
    assert scene.refused == {}


def test_a_grasp_has_the_rectangle_that_its_plates_span(view):
    camera = view.frame.camera
    for grasp in run(view, approach="plane", plate_width=0.03).grasps:
        assert grasp.plate_m == 0.03
        half = grasp.rotation[:, 0] * grasp.opening_m / 2
        one, other = camera.project(grasp.position + np.stack([-half, half]))
        assert grasp.center == pytest.approx((one + other) / 2, abs=2)
        assert grasp.opening == pytest.approx(np.linalg.norm(other - one), abs=3)
        assert np.tan(grasp.angle) == pytest.approx(np.divide(*(other - one)[::-1]), abs=0.1)


def test_the_rectangles_of_the_detector_are_tried(look, solid):
    """Its opening is 15 degrees from the directions that are tried anyway."""
    view = look(solid((0, 0, 0.03), (0.04, 0.16, 0.06)), elevation=60)
    along = yaw_rotation(15)[:, 0]
    rectangles = view.rectangle((0, 0.018, 0.06), along, 0.075)
    cosine = []
    for detector in (Answer(rectangles), Answer()):
        predictor = Chances()
        run(view, detector, predictor, approach="plane")
        ((_, hands, _),) = predictor.calls
        cosine.append(np.abs(hands.rotation[:, :, 0] @ view.direction(along)).max())
    assert cosine[0] > np.cos(np.deg2rad(5)) > np.cos(np.deg2rad(10)) > cosine[1]


@pytest.mark.parametrize(("objects", "count"), [(8, 10), (9, 20), (24, 30)])
def test_a_crowded_scene_gets_more_candidates(view, objects, count):
    detector = Answer()
    run(
        view, detector, scene=replace(view.scene, objects=objects * view.objects[:1]), candidates=10
    )
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


def test_the_numbers_of_grasps_are_limited(view):
    settings = {"min_distance": 0.0, "approach": "plane"}
    labels = [grasp.label for grasp in run(view, max_per_object=2, **settings).grasps]
    assert sorted(labels) == [2, 2, 3, 3]
    scene = run(view, max_grasps=3, **settings)
    assert (len(scene.grasps), scene.refused) == (3, {})
    assert len(run(view, max_per_object=6, **settings).grasps) == 12


def test_grasps_that_hardly_hold_are_left_out(view):
    """One object has one good grasp, the other none."""

    def chance(hands):
        return np.where(np.arange(len(hands)) == np.argmax(hands.label == 3), 0.3, 0.1)

    scene = run(view, predictor=Chances(chance), min_score=0.2)
    assert [(grasp.label, grasp.score) for grasp in scene.grasps] == [(3, 0.3)]
    assert scene.refused == {"unlikely to hold": 1}
    assert run(view, predictor=Chances(chance), min_score=0.4).refused == {"unlikely to hold": 2}


def test_objects_without_a_pose_are_counted_by_reason(view):
    scene = run(view, clearance=0.1, approach="plane")
    assert (scene.grasps, scene.refused) == ((), {"too flat for the plates": 2})


def test_grasps_outside_of_the_region_are_refused(view):
    height, width = view.labels.shape
    around = OrientedBox(view.point((-0.1, 0, 0.1)), np.eye(3), np.full(3, 0.15))
    for region in (Region((0, 0, width // 2, height)), Region((0, 0, width, height), around)):
        scene = run(view, scene=replace(view.scene, region=region))
        assert {grasp.label for grasp in scene.grasps} == {2}
        assert scene.refused == {"outside the region": 1}


# --- Unlikely objects ---------------------------------------------------------------------------


def doubting(view, *labels, objectness=0.5):
    """The scene of a view, with some objects less likely than the setting asks."""
    objects = (
        replace(item, objectness=objectness) if item.label in labels else item
        for item in view.objects
    )
    return replace(view.scene, objects=tuple(objects))


@pytest.mark.parametrize(("least", "labels"), [(0.0, {2, 3}), (0.5, {2, 3}), (0.51, {2})])
def test_an_unlikely_object_gets_no_grasps(view, least, labels):
    scene = run(view, scene=doubting(view, 3), min_objectness=least)
    assert {grasp.label for grasp in scene.grasps} == labels
    assert scene.refused == ({} if len(labels) == 2 else {"unlikely object": 1})
    assert len(scene.objects) == 2


def test_the_detector_is_not_asked_for_unlikely_objects(view):
    detector = Answer()
    run(view, detector, scene=doubting(view, 3))
    ((_, mask, _),) = detector.calls
    assert mask[view.labels == 2].all()
    assert not mask[:, np.nonzero(view.labels == 3)[1].min() - 8 :].any()


def test_with_unlikely_objects_alone_nothing_is_asked(view):
    detector, predictor = Answer(), Chances()
    scene = run(view, detector, predictor, doubting(view, 2, 3))
    assert (scene.grasps, scene.refused) == ((), {"unlikely object": 2})
    assert detector.calls == predictor.calls == []


def test_an_unlikely_object_is_an_obstacle(look, solid):
    size = (0.05, 0.2, 0.1)
    box = solid((0, 0, 0.05), (0.05, 0.08, 0.1))
    pair = look(box, *(solid((x, 0, 0.05), size, label=3) for x in (-0.06, 0.06)))
    scenes = (
        doubting(pair, 3),
        replace(doubting(pair, 3), labels=np.where(pair.labels == 3, 1, pair.labels)),
    )
    found = [run(pair, scene=scene, approach="plane", max_opening=0.075) for scene in scenes]
    assert [len(scene.grasps) > 0 for scene in found] == [False, True]
    assert found[0].refused["gripper meets a neighbor"] == 1


# --- Grasps by name -----------------------------------------------------------------------------


def named(view, **names):
    """The scene of a view with the names of objects, as ``_2="mug"``, and one that none has."""
    objects = (replace(o, class_name=names.get(f"_{o.label}", "")) for o in view.objects)
    classes = (*dict.fromkeys(names.values()), "fork")
    return replace(view.scene, objects=tuple(objects), classes=classes)


@pytest.mark.parametrize(
    ("only", "labels"),
    [
        ([], {2, 3}),
        (["mug"], {2}),
        (["Drill "], {3}),
        ("mug, drill", {2, 3}),
        (["fork"], set()),
        ("fork,drill,", {3}),
    ],
)
def test_grasps_of_the_named_objects_alone(view, only, labels):
    scene = run(view, scene=named(view, _2="mug", _3="drill"), only=only)
    assert {grasp.label for grasp in scene.grasps} == labels
    others = 2 - len(labels)
    assert scene.refused == ({"not in grasp.only": others} if others else {})
    assert scene.doubts == ()


def test_nothing_is_computed_for_the_others(view):
    detector, predictor = Answer(), Chances()
    scene = named(view, _2="mug", _3="drill")
    run(view, detector, predictor, scene, only=["mug"])
    ((_, mask, _),) = detector.calls
    assert mask[view.labels == 2].all()
    assert not mask[:, np.nonzero(view.labels == 3)[1].min() - 8 :].any()
    ((cloud, hands, _),) = predictor.calls
    assert set(hands.label) == {2}
    assert set(cloud.label) == {2, 3}
    run(view, detector, predictor, scene, only=["fork"])
    assert len(detector.calls) == len(predictor.calls) == 1


def test_named_objects_share_the_candidates(view):
    """Eight others do not count."""
    detector = Answer()
    scene = named(view, _2="mug", _3="drill")
    mug, drill = scene.objects
    scene = replace(scene, objects=(mug, *[drill] * 8))
    run(view, detector, scene=scene, candidates=10, only=["mug"])
    assert [asked for _, _, asked in detector.calls] == [10]


def test_an_object_that_is_not_asked_for_is_an_obstacle(look, solid):
    size = (0.05, 0.2, 0.1)
    box = solid((0, 0, 0.05), (0.05, 0.08, 0.1))
    pair = look(box, *(solid((x, 0, 0.05), size, label=3) for x in (-0.06, 0.06)))
    scene = named(pair, _2="mug", _3="box")
    alone = replace(scene, labels=np.where(pair.labels == 3, 1, pair.labels))
    settings = {"approach": "plane", "max_opening": 0.075, "only": ["mug"]}
    found = [run(pair, scene=scene, **settings) for scene in (scene, alone)]
    assert [len(scene.grasps) > 0 for scene in found] == [False, True]
    assert found[0].refused == {"gripper meets a neighbor": 1, "not in grasp.only": 1}


def test_each_object_counts_once(view):
    """One that is unlikely and not asked for, and one that is only unlikely."""
    scene = replace(named(view, _2="mug", _3="drill"), objects=())
    objects = (replace(item, objectness=0.1) for item in named(view, _2="mug", _3="drill").objects)
    scene = run(view, scene=replace(scene, objects=tuple(objects)), only=["mug"])
    assert scene.refused == {"unlikely object": 1, "not in grasp.only": 1}


def test_a_name_that_nothing_has_is_doubtful(view):
    scene = named(view, _2="mug", _3="drill")
    earlier = replace(scene, doubts=(("dark", "it is dark"),))
    found = run(view, scene=earlier, only=["mugg", "drill", "spoon"])
    assert {grasp.label for grasp in found.grasps} == {3}
    assert found.doubts == (
        ("dark", "it is dark"),
        (
            "grasp.only: mugg",
            "grasp.only asks for 'mugg', which is no known name (did you mean mug?); known: mug, "
            "drill, fork",
        ),
        (
            "grasp.only: spoon",
            "grasp.only asks for 'spoon', which is no known name; known: mug, drill, fork",
        ),
    )
    # Names of another node, whose classes are not known here.
    assert run(view, scene=replace(scene, classes=()), only=["drill"]).doubts == ()


@pytest.mark.parametrize("objects", [True, False])
def test_names_without_a_detector_are_doubtful(view, objects):
    scene = view.scene if objects else replace(view.scene, objects=())
    found = run(view, scene=scene, only=["mug"])
    ((cause, sentence),) = found.doubts
    assert cause == "grasp.only without names"
    assert sentence.startswith("grasp.only asks for mug, but nothing names the objects here, so")
    assert (found.grasps, found.refused) == ((), {"not in grasp.only": 2} if objects else {})


# --- Nothing to grasp ---------------------------------------------------------------------------


def test_without_objects_nothing_is_asked(view):
    for scene in (
        replace(view.scene, plane=None),
        Scene(np.zeros_like(view.labels), view.plane, ()),
    ):
        detector, predictor = Answer(), Chances()
        result = run(view, detector, predictor, scene)
        assert (result.grasps, result.refused) == ((), {})
        assert detector.calls == predictor.calls == []


def test_a_frame_without_depth_has_no_grasps(view):
    blind = replace(view, frame=replace(view.frame, depth=np.full_like(view.frame.depth, np.nan)))
    scene = run(blind, Answer(view.rectangle((0.1, 0, 0.1), X, 0.075)))
    assert (scene.grasps, scene.refused) == ((), {"no depth": 2})


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


# --- With the package's predictor ---------------------------------------------------------------


def published(view, **settings):
    """The grasps of a view with the network of the package."""
    return GraspStage(GraspConfig(enable=False, **settings), Answer())(
        view.frame, view.scene
    ).grasps


def test_a_ball_is_held_at_its_equator_or_below(look, solid):
    """At right angles to the approach, within a tenth of the radius."""
    depths = []
    for radius in (0.02, 0.03, 0.04):
        for elevation in (35, 55, 75):
            view = look(solid((0, 0, radius), (2 * radius,) * 3, shape="ball"), elevation=elevation)
            best = published(view)[0]
            assert best.score > 0.7
            assert view.plane.height(best.position) > 0
            below = (best.position - view.point((0, 0, radius))) @ best.rotation[:, 2]
            depths.append(below / radius)
    assert min(depths) > -0.1


def test_a_stick_is_held_near_its_middle(look, solid):
    view = look(solid((0, 0, 0.015), (0.2, 0.02, 0.03)))
    grasps = published(view, max_per_object=50)
    away = [np.linalg.norm(grasp.position - view.point((0, 0, 0.01))) for grasp in grasps]
    assert away[0] < 0.04
    assert max(away) < 0.06  # a quarter of its length, and the height of the tips


def test_a_plate_is_taken_at_its_rim_or_not_at_all(look, solid):
    """It is wider than the gripper opens: a chance above one half is that of a rim."""
    view = look(solid((0, 0, 0.01), (0.2, 0.2, 0.02), shape="cylinder"))
    middle = view.point((0, 0, 0.02))
    for grasp in published(view):
        assert grasp.score < 0.5 or np.linalg.norm(grasp.position - middle) > 0.07


def test_a_wide_box_has_no_likely_grasp(look, solid):
    view = look(solid((0, 0, 0.02), (0.2, 0.25, 0.04)))
    assert all(grasp.score < 0.5 for grasp in published(view))
