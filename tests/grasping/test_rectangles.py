"""Grasp rectangles against brute force."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvdl.grasping.rectangles import GraspRectangles, angle_difference, jaccard, wrap_angle

angles = st.floats(-10, 10)
sides = st.floats(2, 60)
places = st.floats(-40, 40)


@st.composite
def rectangles(draw: st.DrawFn, count: int = 1) -> GraspRectangles:
    """Some rectangles near the origin."""
    rows = [
        (draw(places), draw(places), draw(angles), draw(sides), draw(sides)) for _ in range(count)
    ]
    u, v, angle, opening, plate = np.array(rows).T
    return GraspRectangles(np.stack([u, v], axis=1), angle, opening, plate)


def rasterised(rectangle: GraspRectangles, points: np.ndarray) -> np.ndarray:
    """Which points (N, 2) lie inside one rectangle, from its definition."""
    x, y = (points - rectangle.center[0]).T
    c, s = np.cos(rectangle.angle[0]), np.sin(rectangle.angle[0])
    along, across = c * x + s * y, c * y - s * x
    return (np.abs(along) <= rectangle.opening[0] / 2) & (np.abs(across) <= rectangle.plate[0] / 2)


@given(rectangles(), rectangles())
@pytest.mark.slow
def test_jaccard_indices_equal_those_of_rasterized_rectangles(a, b):
    everything = np.concatenate([a.corners()[0], b.corners()[0]])
    low, high = everything.min(axis=0), everything.max(axis=0)
    cells = 400
    u, v = np.meshgrid(*(np.linspace(low[i], high[i], cells) for i in range(2)))
    points = np.stack([u.ravel(), v.ravel()], axis=1)
    in_a, in_b = rasterised(a, points), rasterised(b, points)
    expected = np.mean(in_a & in_b) / np.mean(in_a | in_b)
    # A side of the smaller one may be a hundredth of the grid: a cell more or less matters.
    cell = ((high - low) / cells).max()
    rim = 2 * cell * sum((r.opening + r.plate)[0] for r in (a, b))
    assert jaccard(a, b)[0, 0] == pytest.approx(expected, abs=rim / max(rim, union_area(a, b)))


def union_area(a: GraspRectangles, b: GraspRectangles) -> float:
    return max((a.opening * a.plate)[0], (b.opening * b.plate)[0])


@given(rectangles(3), rectangles(2))
def test_jaccard_indices_are_symmetric_and_between_0_and_1(a, b):
    values = jaccard(a, b)
    assert values.shape == (3, 2)
    np.testing.assert_allclose(values, jaccard(b, a).T, atol=1e-9)
    assert ((values >= 0) & (values <= 1 + 1e-9)).all()


@given(rectangles(2))
def test_the_jaccard_index_of_a_rectangle_with_itself_is_1(a):
    np.testing.assert_allclose(np.diag(jaccard(a, a)), 1, atol=1e-6)


@given(rectangles(), places, places, angles)
def test_jaccard_indices_are_invariant_to_position(a, u, v, turn):
    b = GraspRectangles(a.center + np.array([3, -2]), a.angle + 0.3, a.opening * 0.8, a.plate * 1.3)
    c, s = np.cos(turn), np.sin(turn)

    def moved(some: GraspRectangles) -> GraspRectangles:
        center = some.center @ np.array([[c, s], [-s, c]]) + [u, v]
        return GraspRectangles(center, some.angle + turn, some.opening, some.plate)

    np.testing.assert_allclose(jaccard(moved(a), moved(b)), jaccard(a, b), atol=1e-6)


def test_jaccard_of_known_rectangles():
    square = GraspRectangles([[0, 0]], [0], [4], [4])
    others = GraspRectangles(
        [[2, 0], [0, 0], [0, 0], [9, 9]], [0, np.pi / 4, np.pi / 2, 0], [4, 4, 8, 4], [4, 4, 2, 4]
    )
    octagon = 16 * (2 * np.sqrt(2) - 2)  # where a square meets itself turned by an eighth
    expected = [8 / 24, octagon / (32 - octagon), 8 / 24, 0]
    np.testing.assert_allclose(jaccard(square, others)[0], expected, atol=1e-9)


def test_jaccard_without_area_or_rectangles():
    line = GraspRectangles([[0, 0]], [0], [4], [0])
    square = GraspRectangles([[0, 0]], [0], [4], [4])
    assert jaccard(line, line) == [[0]]
    assert jaccard(line, square) == [[0]]
    assert jaccard(GraspRectangles.none(), square).shape == (0, 1)
    assert jaccard(square, GraspRectangles.none()).shape == (1, 0)


@given(rectangles(3))
def test_rectangles_from_corners_are_the_same(a):
    back = GraspRectangles.from_corners(a.corners())
    np.testing.assert_allclose(back.center, a.center, atol=1e-9)
    np.testing.assert_allclose(back.opening, a.opening, atol=1e-9)
    np.testing.assert_allclose(back.plate, a.plate, atol=1e-9)
    np.testing.assert_allclose(angle_difference(back.angle, a.angle), 0, atol=1e-9)


@given(rectangles(), st.integers(0, 1), st.booleans())
def test_corners_may_start_anywhere_and_have_any_orientation(a, half_turns, mirrored):
    corners = np.roll(a.corners(), 2 * half_turns, axis=1)
    if mirrored:  # the other way round, the first side still along the opening
        corners = corners[:, [1, 0, 3, 2]]
    back = GraspRectangles.from_corners(corners)
    assert jaccard(a, back)[0, 0] == pytest.approx(1, abs=1e-6)
    assert angle_difference(a.angle, back.angle)[0] == pytest.approx(0, abs=1e-9)
    assert back.opening[0] == pytest.approx(a.opening[0])


@pytest.mark.slow
def test_the_jaccard_index_is_1_for_rectangles_equal_to_rounding():
    rng = np.random.default_rng(1)
    count = 4000  # GEOS finds nothing common in about one pair of 250 of these
    length = rng.uniform(2, 50, count)
    some = GraspRectangles(
        np.stack([np.zeros(count), length], axis=1),
        rng.uniform(-1.57, 1.57, count),
        length,
        np.full(count, 2.0),
    )
    back = GraspRectangles.from_corners(some.corners()[:, [1, 0, 3, 2]])
    for row in range(count):
        assert jaccard(some[row : row + 1], back[row : row + 1])[0, 0] == pytest.approx(1, abs=1e-4)


@given(rectangles(2))
def test_the_corners_enclose_the_area_of_the_rectangle(a):
    for corners, opening, plate in zip(a.corners(), a.opening, a.plate, strict=True):
        assert cv2.contourArea(corners.astype(np.float32)) == pytest.approx(
            opening * plate, rel=1e-3, abs=0.05
        )
        sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
        np.testing.assert_allclose(sides, [opening, plate, opening, plate], atol=1e-9)


def test_the_first_side_is_along_the_opening():
    a = GraspRectangles([[10, 20]], [np.radians(30)], [20], [6])
    first, second, third, _ = a.corners()[0]
    np.testing.assert_allclose(second - first, [20 * np.sqrt(3) / 2, 10])
    np.testing.assert_allclose(third - second, [-3, 6 * np.sqrt(3) / 2])


def test_a_quadrilateral_becomes_the_mean_rectangle():
    trapezium = [[[0, 0], [10, 0], [8, 4], [2, 4]]]
    a = GraspRectangles.from_corners(trapezium)
    assert a.center.tolist() == [[5, 2]]
    assert (a.angle[0], a.opening[0], a.plate[0]) == (0, 8, 4)


@given(st.floats(-1e3, 1e3), st.integers(-5, 5))
def test_half_turns_change_nothing(angle, half_turns):
    wrapped = wrap_angle(np.array(angle))
    assert -np.pi / 2 <= wrapped < np.pi / 2
    assert np.tan(wrapped - angle) == pytest.approx(0, abs=1e-9)
    turned = np.array(angle + half_turns * np.pi)
    assert angle_difference(np.array(angle), turned) == pytest.approx(0, abs=1e-9)


@given(angles, angles)
def test_the_difference_of_orientations(a, b):
    difference = angle_difference(np.array(a), np.array(b))
    assert difference == pytest.approx(np.arccos(min(1, abs(np.cos(a - b)))), abs=1e-6)
    assert difference == pytest.approx(angle_difference(np.array(b), np.array(a)), abs=1e-9)


def test_the_range_of_wrapped_angles_is_half_open():
    edge = np.pi / 2
    for kind in (np.float64, np.float32):
        angle = wrap_angle(np.array([edge, -edge, np.nextafter(-edge, -9), np.nan], kind))
        assert ((angle >= -kind(edge)) & (angle < kind(edge))).tolist() == [True] * 3 + [False]
        assert np.isnan(angle[3])
        assert angle.dtype == kind


def test_rectangles_are_selected_with_their_scores():
    a = GraspRectangles(np.zeros((3, 2)), [0, 1, 2], [1, 2, 3], [4, 5, 6])
    assert a.score.tolist() == [1, 1, 1]
    b = GraspRectangles(a.center, a.angle, a.opening, a.plate, [0.1, 0.3, 0.2])
    best = b[np.argsort(-b.score)]
    assert best.opening.tolist() == [2, 3, 1]
    assert len(b[b.score > 0.15]) == 2
    assert b[:1].plate.tolist() == [4]
    assert len(GraspRectangles.none()) == 0


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="2 values of opening for 1 centers"):
        GraspRectangles([[0, 0]], [0], [1, 2], [1])
    with pytest.raises(ValueError, match="3 values of score"):
        GraspRectangles([[0, 0]], [0], [1], [1], [1, 2, 3])


@given(rectangles(), st.floats(0.2, 5))
def test_corners_are_resized_with_the_image(a, factor):
    resized = a.resized((factor, factor))
    np.testing.assert_allclose(resized.corners() + 0.5, (a.corners() + 0.5) * factor, atol=1e-6)
    np.testing.assert_array_equal(resized.score, a.score)
