"""Scenes of other cameras: gaps in depth, crowded tables, near views, any roll, bins."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.evaluation.scene_scores import plane_error
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.simulation import simulate_scene

RED, BLUE, GREEN, YELLOW = (180, 60, 40), (30, 80, 160), (40, 130, 60), (200, 180, 40)
D435 = Camera(640, 480, 610.0, 610.0, 319.5, 239.5)


def three_boxes(block):
    return (
        block(-0.2, 0.05, (0.10, 0.07, 0.12), yaw=20),
        block(0.05, -0.1, (0.15, 0.05, 0.06), yaw=-35, color=BLUE),
        block(0.2, 0.15, (0.06, 0.06, 0.2), yaw=50, color=GREEN),
    )


# --- Gaps in the depth --------------------------------------------------------------------------


def kept(rows=1, cols=1):
    """The pixels (480, 640) that a sensor of lower resolution fills."""
    return (np.arange(480)[:, None] % rows == 0) & (np.arange(640) % cols == 0)


PATTERNS = {
    "3 of 4 empty": kept(2, 2),
    "8 of 9 empty": kept(3, 3),
    "15 of 16 empty": kept(4, 4),
    "every second row": kept(2, 1),
    "every third row empty": ~kept(3, 1),
    "two of three columns empty": kept(1, 3),
    "30 % at random": np.random.default_rng(0).random((480, 640)) > 0.3,
    "70 % at random": np.random.default_rng(1).random((480, 640)) > 0.7,
    "two lost rows": ~np.isin(np.arange(480), (250, 251))[:, None] & np.ones(640, bool),
}


@pytest.mark.parametrize(
    ("pattern", "nothing"),
    [*((pattern, np.nan) for pattern in PATTERNS), ("3 of 4 empty", 0), ("3 of 4 empty", np.inf)],
)
def test_all_objects_are_found_despite_gaps(cast, block, segment, pattern, nothing):
    view = cast(*three_boxes(block))
    depth = np.where(PATTERNS[pattern], view.frame.depth, np.float32(nothing))
    scene = segment(replace(view.frame, depth=depth))
    assert plane_error(view.plane, scene.plane)[1] < 5
    assert len(scene.objects) == 3
    assert min(view.overlaps(scene)) > 0.85
    causes = [cause for cause, _ in scene.doubts]
    assert ("gaps in the depth" in causes) == (pattern != "two lost rows")


# --- Crowded tables -----------------------------------------------------------------------------


@pytest.mark.parametrize("elevation", [30, 45, 70])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_pile_that_hides_half_of_the_table_is_kept(cast, block, segment, elevation, seed):
    rng = np.random.default_rng(seed)
    colors = (RED, BLUE, GREEN, YELLOW)
    pile = [
        block(
            0.06 + 0.14 * column,
            -0.22 + 0.14 * row,
            (0.13, 0.13, float(rng.uniform(0.05, 0.2))),
            yaw=float(rng.uniform(-4, 4)),
            color=colors[(row + 2 * column) % 4],
        )
        for column in range(3)
        for row in range(4)
    ]
    view = cast(*pile, block(-0.2, 0, (0.08, 0.08, 0.1)), elevation=elevation)
    scene = segment(view.frame)
    shown = view.labels >= FIRST_OBJECT_LABEL
    assert (scene.labels[shown] >= FIRST_OBJECT_LABEL).mean() > 0.7


def test_a_chair_beside_the_table_is_removed(cast, block, segment, room):
    """Its back continues below the top of the table, behind the edge."""
    chair = block(0.1, 0.55, (0.35, 0.05, 0.55), z=-0.35, color=YELLOW)
    view = cast(*three_boxes(block), elevation=30, room=(*room, chair))
    scene = segment(view.frame)
    assert min(view.overlaps(scene)) > 0.85
    assert len(scene.objects) == 3


# --- Near views ---------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", [0.3, 0.4, 0.5])
def test_a_wrist_camera_sees_a_mat(cast, block, segment, distance):
    """The mat covers the view, 0.05 to 0.15 square meters, and objects lie on it."""
    scale = distance / 0.4
    view = cast(
        block(-0.07 * scale, 0.02, (0.05 * scale, 0.08 * scale, 0.03)),
        block(0.03 * scale, -0.05 * scale, (0.06 * scale, 0.03, 0.02), yaw=30, color=BLUE),
        block(0.08 * scale, 0.06 * scale, (0.04, 0.04 * scale, 0.05), color=GREEN),
        elevation=75,
        distance=distance,
        table=block(0, 0, (2, 2, 0.03), z=-0.03, color=(60, 120, 70)),
        camera=D435,
    )
    scene = segment(view.frame)
    assert plane_error(view.plane, scene.plane)[1] < 5
    assert len(scene.objects) == 3
    assert min(view.overlaps(scene)) > 0.8


def test_depth_with_much_more_noise_than_a_kinect(cast, block, segment):
    """A D405 over a plain mat: grains of noise of 10 mm at half a meter."""
    view = cast(
        block(-0.12, 0.0, (0.09, 0.09, 0.08)),
        block(0.1, 0.03, (0.08, 0.1, 0.1), color=BLUE),
        elevation=80,
        distance=0.55,
        table=block(0, 0, (2, 2, 0.03), z=-0.03, color=(60, 120, 70)),
        camera=D435,
    )
    grains = np.random.default_rng(0).normal(0, 0.008, (60, 80)).repeat(8, 0).repeat(8, 1)
    noisy = replace(view.frame, depth=(view.frame.depth + grains).astype(np.float32))
    scene = segment(noisy)
    assert plane_error(view.plane, scene.plane)[0] < 3
    assert min(view.overlaps(scene)) > 0.7
    assert len(scene.objects) <= 4


# --- Cameras that are turned --------------------------------------------------------------------


def turned(frame, quarters):
    """The frame of a camera that is rolled by quarters of a circle."""
    camera = frame.camera
    for _ in range(quarters):
        camera = Camera(
            camera.height,
            camera.width,
            camera.fy,
            camera.fx,
            camera.cy,
            camera.width - 1 - camera.cx,
        )
    return RgbdFrame(np.rot90(frame.color, quarters), np.rot90(frame.depth, quarters), camera)


@cache
def simulated(index):
    return simulate_scene(31, index)


@pytest.mark.parametrize("up", ["auto", "side"])
@pytest.mark.parametrize(("quarters", "side"), [(1, "left"), (2, "bottom"), (3, "right")])
@pytest.mark.parametrize("index", [1, 16, 29, 62])
def test_a_turned_camera_finds_the_table(index, quarters, side, up):
    """Most of these are rooms in which a wall or the floor won in the past."""
    scene = simulated(index)
    config = PerceptionConfig().segmentation_only()
    setting = side if up == "side" else "auto"
    segmentation = config.segmentation.model_copy(update={"up": setting})
    perceive = Perception(config.model_copy(update={"segmentation": segmentation}))
    found = perceive(turned(scene.frame, quarters)).plane
    x, y, z = scene.truth.plane.normal
    expected = {1: (y, -x, z), 2: (-x, -y, z), 3: (-y, x, z)}[quarters]
    assert found.normal @ expected > np.cos(np.deg2rad(2))
    assert found.offset == pytest.approx(scene.truth.plane.offset, abs=0.02)


def test_gravity_distinguishes_a_table_from_a_wall(cast, block):
    """A wall with many objects, and an empty table that is less visible."""
    wall = block(0, 0.3, (2, 0.05, 2), z=-0.5, color=(200, 200, 190))
    shelf = [block(x, 0.25, (0.08, 0.06, 0.08), z=0.3, color=BLUE) for x in (-0.3, -0.1, 0.1, 0.3)]
    view = cast(elevation=20, room=(wall, *shelf))
    segment = Perception(PerceptionConfig().segmentation_only())
    known = segment(replace(view.frame, up=view.plane.normal))
    assert plane_error(view.plane, known.plane)[0] < 1
    assert known.doubts == ()


# --- Bins, floors -------------------------------------------------------------------------------


def test_the_bottom_of_a_bin_is_the_support(cast, block, segment):
    """Its walls have the color of its bottom."""
    walls = [
        block(x, y, size, color=(60, 80, 110))
        for x, y, size in (
            (0, 0.21, (0.62, 0.02, 0.15)),
            (0, -0.21, (0.62, 0.02, 0.15)),
            (0.3, 0, (0.02, 0.4, 0.15)),
            (-0.3, 0, (0.02, 0.4, 0.15)),
        )
    ]
    view = cast(
        block(-0.12, 0.05, (0.1, 0.07, 0.06)),
        block(0.05, -0.06, (0.08, 0.06, 0.04), yaw=30, color=YELLOW),
        block(0.16, 0.08, (0.05, 0.08, 0.05), color=GREEN),
        elevation=75,
        distance=0.6,
        table=block(0, 0, (0.6, 0.4, 0.02), z=-0.02, color=(60, 80, 110)),
        room=tuple(walls),
    )
    scene = segment(view.frame)
    assert plane_error(view.plane, scene.plane)[1] < 5
    assert (scene.labels[view.labels == 1] == 1).mean() > 0.9
    assert min(view.overlaps(scene)) > 0.8


def test_a_large_box_on_the_floor_is_an_object(cast, block, segment):
    """Its front is larger than any side of an object on a table, and ends within the image."""
    floor = block(0, 0, (6, 6, 0.05), z=-0.05, color=(120, 115, 110))
    view = cast(block(0, 0.2, (0.6, 0.25, 0.45)), elevation=20, distance=1.8, table=floor)
    scene = segment(view.frame)
    assert plane_error(view.plane, scene.plane)[1] < 10
    assert min(view.overlaps(scene)) > 0.85


def test_a_level_camera_sees_the_floor_at_a_small_angle(cast, block, segment):
    floor = block(0, 0, (6, 6, 0.05), z=-0.05, color=(120, 115, 110))
    view = cast(
        block(-0.2, 0.2, (0.2, 0.2, 0.25)),
        block(0.2, 0.1, (0.15, 0.2, 0.2), color=BLUE),
        elevation=9,
        distance=1.2,
        table=floor,
    )
    scene = segment(view.frame)
    assert plane_error(view.plane, scene.plane)[0] < 1
    assert min(view.overlaps(scene)) > 0.85
