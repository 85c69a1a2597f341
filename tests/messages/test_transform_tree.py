"""Transforms between frames, from the messages of tf2."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cvdl.messages.transform_tree import TransformTree, matrix_of


def transform(shift=(0, 0, 0), euler_deg=(0, 0, 0)):
    x, y, z, w = Rotation.from_euler("xyz", euler_deg, degrees=True).as_quat()
    return SimpleNamespace(
        rotation=SimpleNamespace(x=x, y=y, z=z, w=w),
        translation=SimpleNamespace(x=shift[0], y=shift[1], z=shift[2]),
    )


def message(*links):
    """Of (parent, child, transform)."""
    return SimpleNamespace(
        transforms=[
            SimpleNamespace(
                header=SimpleNamespace(frame_id=parent), child_frame_id=child, transform=each
            )
            for parent, child, each in links
        ]
    )


def test_a_chain_and_back():
    tree = TransformTree()
    tree.add(message(("base", "mast", transform((0, 0, 1)))))
    tree.add(message(("mast", "camera", transform((0.1, 0, 0), (0, 0, 90)))))
    found = tree.lookup("base", "camera")
    np.testing.assert_allclose(found @ [1, 0, 0, 1], [0.1, 1, 1, 1], atol=1e-12)
    np.testing.assert_allclose(tree.lookup("camera", "base") @ found, np.eye(4), atol=1e-12)


def test_two_branches_meet_at_their_common_parent():
    tree = TransformTree()
    tree.add(
        message(("base", "left", transform((0, 1, 0))), ("base", "right", transform((0, -1, 0))))
    )
    np.testing.assert_allclose(tree.lookup("left", "right")[:3, 3], [0, -2, 0])


def test_the_newest_transform_of_a_frame_counts():
    tree = TransformTree()
    tree.add(message(("base", "arm", transform((1, 0, 0)))))
    tree.add(message(("base", "arm", transform((2, 0, 0)))))
    np.testing.assert_allclose(tree.lookup("base", "arm")[:3, 3], [2, 0, 0])


def test_names_of_ros_1_begin_with_a_slash():
    tree = TransformTree()
    tree.add(message(("/base", "/camera", transform((1, 0, 0)))))
    assert tree.frames == {"base", "camera"}
    assert tree.lookup("/base", "camera") is not None


def test_unconnected_frames_have_no_transform():
    tree = TransformTree()
    tree.add(message(("base", "camera", transform()), ("map", "odom", transform())))
    assert tree.lookup("map", "camera") is None
    assert tree.lookup("base", "unheard") is None
    np.testing.assert_array_equal(tree.lookup("unheard", "unheard"), np.eye(4))


@pytest.mark.parametrize(
    "broken",
    [
        ("base", "base", transform()),
        ("", "camera", transform()),
        ("base", "camera", transform((np.nan, 0, 0))),
    ],
)
def test_unusable_transforms_are_skipped(broken):
    tree = TransformTree()
    tree.add(message(broken, ("base", "camera2", transform())))
    assert tree.lookup("base", "camera2") is not None
    assert tree.lookup("base", "camera") is None


def test_a_zero_quaternion_is_unusable():
    zero = SimpleNamespace(
        rotation=SimpleNamespace(x=0, y=0, z=0, w=0), translation=SimpleNamespace(x=0, y=0, z=0)
    )
    with pytest.raises(ValueError, match="length of the quaternion"):
        matrix_of(zero)
    tree = TransformTree()
    tree.add(message(("base", "camera", zero)))
    assert tree.lookup("base", "camera") is None


def test_a_loop_of_frames_ends():
    tree = TransformTree()
    tree.add(message(("a", "b", transform()), ("b", "a", transform())))
    assert tree.lookup("a", "b") is not None
    assert tree.lookup("a", "c") is None
