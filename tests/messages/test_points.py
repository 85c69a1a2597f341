"""Organized point clouds, taken apart into images."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from cvdl.bags import message_type
from cvdl.messages.factory import MessageFactory
from cvdl.messages.images import MessageError
from cvdl.messages.points import images_of, points_description, source_fault
from cvdl.messages.reading import read_frame

FACTORY = MessageFactory(message_type)


@pytest.mark.parametrize("has_info", [True, False])
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"color": "rgba", "padding": 7},
        {"big_endian": True, "color": "rgba"},
        {"kind": "f8", "point_step": 48},
    ],
)
def test_a_cloud_gives_the_frame_that_it_was_made_of(frame, layout, has_info, cloud_of):
    info = FACTORY.camera_info(frame) if has_info else None
    message = cloud_of(frame, **layout)
    assert not source_fault(message)
    read = read_frame(images_of(message, info), is_rectified=True)
    np.testing.assert_array_equal(read.color, frame.color)
    np.testing.assert_array_equal(read.depth, frame.depth)
    assert (read.stamp_ns, read.frame_id) == (frame.stamp_ns, "optical")
    if has_info:
        assert read.camera == frame.camera
    found = [read.camera.fx, read.camera.fy, read.camera.cx, read.camera.cy]
    np.testing.assert_allclose(found, [60.0, 61.0, 31.5, 23.5], atol=1e-3)


def test_a_camera_info_that_does_not_fit_the_points_is_not_used(frame, cloud_of):
    info = FACTORY.camera_info(frame)
    info.k[:] *= 2
    info.p[:] *= 2
    found = images_of(cloud_of(frame), info).camera_info
    assert found.k[0] == pytest.approx(60, abs=1e-3)


def test_a_cloud_of_a_part_of_the_camera(frame, cloud_of):
    info = FACTORY.camera_info(frame)
    info.binning_x = info.binning_y = 2
    info.width, info.height = 128, 96
    info.k[:6], info.p[:7] = info.k[:6] * 2, info.p[:7] * 2
    info.k[2], info.k[5] = info.p[2], info.p[6] = 63.5, 47.5
    found = images_of(cloud_of(frame), info).camera_info
    assert (found.k[0], found.k[2]) == (60.0, 31.5)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"height": 1, "width": 48 * 64}, "cloud not organized: 3072x1 points; accepted: clouds w"),
        ({"fields": []}, "cloud without points: its fields are none; accepted: x, y, z"),
        ({"data": np.zeros(99, np.uint8)}, "wrong cloud data length: 99 bytes"),
        ({"row_step": 5}, "wrong cloud data length"),
        ({"point_step": 8}, "unknown layout of a cloud: datatypes .*in points of 8 bytes"),
    ],
)
def test_clouds_that_cannot_be_used(frame, change, found, cloud_of):
    message = cloud_of(frame)
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(MessageError, match=found):
        images_of(message)


def test_a_cloud_without_color(frame, cloud_of):
    message = cloud_of(frame)
    message.fields = [*message.fields[:3], SimpleNamespace(name="intensity", offset=24, datatype=7)]
    assert source_fault(message).startswith("cloud without color")
    assert points_description(message) == "x y z intensity"
    with pytest.raises(
        MessageError, match="cloud without color: its fields are x, y, z, intensity"
    ):
        images_of(message)


def test_coordinates_that_are_whole_numbers(frame, cloud_of):
    with pytest.raises(MessageError, match=r"unknown layout of a cloud: datatypes .5, 5, 5, 7"):
        images_of(cloud_of(frame, kind="i4"))


def test_points_in_the_robots_frame(frame, cloud_of):
    """x forward, y left, z up."""
    message = cloud_of(frame)
    for each, name in zip(message.fields, "yzx", strict=False):
        each.name = name
    with pytest.raises(MessageError, match="cloud not of a camera: the points, in frame 'optical'"):
        images_of(message)


def test_a_cloud_with_nothing_in_it(frame, cloud_of):
    message = cloud_of(frame)
    message.data = np.zeros_like(message.data)
    with pytest.raises(MessageError, match="cloud without points: 0 points are too few"):
        images_of(message)
    read = read_frame(images_of(message, FACTORY.camera_info(frame)), is_rectified=True)
    assert np.isnan(read.depth).all()
