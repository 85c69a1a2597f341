"""Messages to frames."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvdl.bags.typestore import message_type
from cvdl.camera import Camera
from cvdl.frame import RgbdFrame
from cvdl.ros.messages import MessageFactory
from cvdl.ros.reading import (
    COLOR_ENCODINGS,
    MessageError,
    doubts,
    image_kind,
    image_size,
    is_rectified,
    read_camera,
    read_color,
    read_depth,
    read_frame,
)

RGB = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
MILLIMETRES = np.random.default_rng(2).integers(1, 65536, (6, 8)).astype(np.uint16)


def image(pixels, encoding, padding=0, big_endian=False):
    """An Image without any class of ROS: whatever has the fields can be read."""
    if big_endian:
        pixels = pixels.astype(pixels.dtype.newbyteorder(">"))
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return SimpleNamespace(
        header=header(),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(big_endian),
        step=rows.shape[1],
        data=rows.reshape(-1),
    )


def compressed(data, form):
    return SimpleNamespace(header=header(), format=form, data=np.frombuffer(data, np.uint8))


def header(frame_id="optical"):
    return SimpleNamespace(stamp=SimpleNamespace(sec=3, nanosec=7), frame_id=frame_id)


def camera_info(width=8, height=6, fx=50.0, d=(), p=(0,) * 12):
    k = [fx, 0, 3.5, 0, 51.0, 2.5, 0, 0, 1]
    return SimpleNamespace(header=header(), width=width, height=height, k=k, d=list(d), p=p)


def encoded(extension, pixels):
    return cv2.imencode(extension, pixels)[1].tobytes()


# Colour


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[..., ::-1]),
        ("rgba8", np.dstack([RGB, RGB[..., 0]])),
        ("bgra8", np.dstack([RGB[..., ::-1], RGB[..., 0]])),
    ],
)
def test_colour_in_any_order_of_channels(encoding, pixels, padding):
    color = read_color(image(pixels, encoding, padding))
    np.testing.assert_array_equal(color, RGB)
    assert color.flags.c_contiguous
    assert color.flags.writeable


def test_grey_is_the_same_in_all_channels():
    grey = RGB[..., 0]
    np.testing.assert_array_equal(read_color(image(grey, "mono8", 3)), np.dstack([grey] * 3))


def test_yuy2_with_a_known_colour():
    # Pure red in studio-range BT.601: Y 81, U 90, V 240; two pixels share U and V.
    pixels = np.tile(np.array([[81, 90], [81, 240]], np.uint8), (6, 4, 1))
    color = read_color(image(pixels, "yuv422_yuy2", 4))
    np.testing.assert_allclose(color, np.broadcast_to([255, 0, 0], (6, 8, 3)), atol=2)


@pytest.mark.parametrize("form", ["png", "rgb8; png compressed bgr8", "bgr8; png compressed bgr8"])
def test_compressed_colour_is_taken_for_what_transports_write(form):
    message = compressed(encoded(".png", RGB[..., ::-1]), form)
    np.testing.assert_array_equal(read_color(message), RGB)
    assert image_kind(message) == "color"
    assert image_size(message) == (8, 6)


def test_compressed_colour_by_an_encoder_that_was_handed_rgb():
    message = compressed(encoded(".png", RGB), "rgb8; png compressed rgb8")
    np.testing.assert_array_equal(read_color(message), RGB)


def test_jpeg():
    smooth = cv2.resize(RGB[:2, :2], (64, 48), interpolation=cv2.INTER_LINEAR)
    message = compressed(encoded(".jpg", smooth[..., ::-1]), "rgb8; jpeg compressed bgr8")
    np.testing.assert_allclose(read_color(message), smooth, atol=12)


# Depth


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 6])
def test_depth_in_millimetres(padding, big_endian):
    raw = MILLIMETRES.copy()
    raw[0, 0] = 0
    depth = read_depth(image(raw, "16UC1", padding, big_endian))
    assert depth.dtype == np.float32
    assert np.isnan(depth[0, 0])
    np.testing.assert_allclose(depth.ravel()[1:], raw.ravel()[1:] / 1000, rtol=1e-6)


@pytest.mark.parametrize("big_endian", [False, True])
def test_depth_in_metres_and_all_that_is_no_reading(big_endian):
    raw = np.array([[0.5, 1.25, 3.0, np.nan], [0, -1, np.inf, -np.inf]], np.float32)
    depth = read_depth(image(raw, "32FC1", 4, big_endian))
    np.testing.assert_array_equal(depth[0, :3], raw[0, :3])
    assert np.isnan([*depth[0, 3:], *depth[1]]).all()


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_depth_without_any_reading_is_all_nan(value):
    assert np.isnan(read_depth(image(np.full((6, 8), value, np.float32), "32FC1"))).all()


@pytest.mark.parametrize("form", ["16UC1; compressedDepth png", "16UC1; compressedDepth"])
def test_compressed_depth_in_millimetres(form):
    message = compressed(struct.pack("<iff", 0, 0, 0) + encoded(".png", MILLIMETRES), form)
    np.testing.assert_array_equal(read_depth(message), (MILLIMETRES / 1000).astype(np.float32))
    assert image_kind(message) == "depth"
    assert image_size(message) == (8, 6)


def test_depth_as_a_plain_png():
    message = compressed(encoded(".png", MILLIMETRES), "16UC1; png compressed ")
    np.testing.assert_array_equal(read_depth(message), (MILLIMETRES / 1000).astype(np.float32))
    assert image_kind(message) == "depth"


def test_compressed_depth_in_metres_is_quantised_inverse_depth():
    # As compressed_depth_image_transport writes it: a = z0 (z0 + 1), b = 1 - a / z_max.
    quantisation, farthest = 100.0, 10.0
    a = quantisation * (quantisation + 1)
    b = 1 - a / farthest
    metres = np.linspace(0.4, 9.5, 48).astype(np.float32).reshape(6, 8)
    raw = (a / metres + b).astype(np.uint16)
    raw[2, 3] = 0
    data = struct.pack("<iff", 0, a, b) + encoded(".png", raw)
    depth = read_depth(compressed(data, "32FC1; compressedDepth png"))
    assert np.isnan(depth[2, 3])
    depth[2, 3] = metres[2, 3]
    # One step of the quantisation is z^2 / a metres.
    assert (np.abs(depth - metres) <= 1.05 * metres**2 / a).all()


@given(st.integers(0, 65535))
def test_every_millimetre_comes_back_through_the_depth_image(value):
    raw = np.full((1, 2), value, np.uint16)
    frame = RgbdFrame(
        np.zeros((1, 2, 3), np.uint8), read_depth(image(raw, "16UC1")), Camera(2, 1, 1, 1, 0, 0)
    )
    message = MessageFactory(message_type).depth(frame)
    np.testing.assert_array_equal(message.data.view(np.uint16), raw[0])


# Bad images


def test_an_unknown_encoding_is_named_with_those_accepted():
    with pytest.raises(
        MessageError, match=r"unknown colour encoding: 'bayer_rggb8'; accepted: rgb8"
    ):
        read_color(image(RGB[..., 0], "bayer_rggb8"))
    with pytest.raises(
        MessageError, match=r"unknown depth encoding: 'mono16'; accepted: 16UC1, 32"
    ):
        read_depth(image(MILLIMETRES, "mono16"))
    assert image_kind(image(MILLIMETRES, "mono16")) == ""
    with pytest.raises(MessageError, match="16UC1; compressedDepth rvl"):
        read_depth(compressed(b"x" * 40, "16UC1; compressedDepth rvl"))


def test_a_colour_picture_is_no_depth():
    with pytest.raises(MessageError, match=r"uint8 \(6, 8, 3\); accepted: one channel of 16 bits"):
        read_depth(compressed(encoded(".png", RGB), "16UC1; png compressed "))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"step": 23}, "wrong image step: 23 bytes, but 8 pixels rgb8 need at least 24"),
        ({"step": 32}, "wrong image data length: 144 bytes, but step 32 times height 6 is 192"),
        ({"height": 7}, "wrong image data length"),
        ({"data": np.zeros(0, np.uint8)}, "wrong image data length: 0 bytes"),
        ({"width": 0}, "empty image: 0x6"),
        ({"height": 0}, "empty image: 8x0"),
    ],
)
def test_sizes_that_disagree(changes, cause):
    message = image(RGB, "rgb8")
    vars(message).update(changes)
    with pytest.raises(MessageError, match=cause):
        read_color(message)


@pytest.mark.parametrize("data", [b"", b"junk", encoded(".png", RGB)[:40]])
def test_compressed_data_that_is_no_picture(data):
    message = compressed(data, "rgb8; jpeg compressed bgr8")
    for read in (read_color, image_size):
        with pytest.raises(MessageError, match="unreadable compressed image: format 'rgb8; jpeg"):
            read(message)


def test_yuy2_of_an_odd_width():
    with pytest.raises(MessageError, match="odd width: 7 pixels"):
        read_color(image(np.zeros((6, 7, 2), np.uint8), "yuv422_yuy2"))


def test_a_jpeg_turned_by_its_metadata_is_read_as_it_lies():
    """Exif orientation is for people's photographs: depth is not turned."""
    data = encoded(".jpg", RGB)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    turned = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (8, 6, 3)
    assert read_color(compressed(turned, "jpeg")).shape == (6, 8, 3)


def test_errors_of_one_cause_share_it():
    causes = set()
    for length in (1, 2, 3):
        message = image(RGB, "rgb8")
        message.data = message.data[:length]
        with pytest.raises(MessageError) as caught:
            read_color(message)
        causes.add(caught.value.cause)
    assert causes == {"wrong image data length"}


# Camera and frame


def test_camera():
    assert read_camera(camera_info()) == Camera(8, 6, 50.0, 51.0, 3.5, 2.5)


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("/rgb/image_rect_color", True),
        ("/rgb/image_rect/compressed", True),
        ("/rectified/image", True),
        ("/rgb/image_raw", False),
        ("/direct/image", False),
    ],
)
def test_topics_of_rectified_pictures(topic, expected):
    assert is_rectified(topic) == expected


def test_rectified_pictures_have_the_intrinsics_of_the_projection():
    p = [45.0, 0, 3.0, 0, 0, 46.0, 2.0, 0, 0, 0, 1, 0]
    info = camera_info(d=[0.1, 0, 0, 0, 0], p=p)
    assert read_camera(info, is_rectified=True) == Camera(8, 6, 45.0, 46.0, 3.0, 2.0)
    assert read_camera(info) == Camera(8, 6, 50.0, 51.0, 3.5, 2.5)
    assert read_camera(camera_info(), is_rectified=True) == Camera(8, 6, 50.0, 51.0, 3.5, 2.5)
    color = image(RGB, "rgb8")
    depth = image(MILLIMETRES, "16UC1")
    assert read_frame(color, depth, info, is_rectified=True).camera.fx == 45
    assert [cause for cause, _ in doubts(color, depth, info)] == ["distortion"]
    assert list(doubts(color, depth, info, is_rectified=True)) == []


@pytest.mark.parametrize(
    ("info", "found"),
    [
        (camera_info(fx=0.0), "fx=0.0 fy=51.0; is the camera calibrated"),
        (camera_info(fx=float("nan")), "finite"),
        (camera_info(width=0), "width=0"),
    ],
)
def test_a_camera_that_is_not_calibrated(info, found):
    with pytest.raises(MessageError, match=f"unusable camera_info: .*{found}"):
        read_camera(info)


def test_frame_takes_stamp_and_frame_id_from_colour():
    depth = image(MILLIMETRES, "16UC1")
    depth.header = header("depth")
    frame = read_frame(image(RGB, "rgb8"), depth, camera_info())
    assert (frame.stamp_ns, frame.frame_id) == (3_000_000_007, "optical")
    assert frame.camera == read_camera(camera_info())


@pytest.mark.parametrize(
    ("color", "depth", "info"),
    [
        (RGB[:5], MILLIMETRES, camera_info()),
        (RGB, MILLIMETRES[:, :7], camera_info()),
        (RGB, MILLIMETRES, camera_info(16, 12)),
    ],
)
def test_different_sizes_are_all_named(color, depth, info):
    with pytest.raises(MessageError, match=r"sizes differ: colour \d+x\d, depth .*, camera_info"):
        read_frame(image(color, "rgb8"), image(depth, "16UC1"), info)


def test_doubts():
    color, depth = image(RGB, "rgb8"), image(MILLIMETRES, "16UC1")
    assert list(doubts(color, depth, camera_info(d=[0, 0, 0]))) == []
    ((cause, sentence),) = doubts(color, depth, camera_info(d=[0.1, -0.2]))
    assert cause == "distortion"
    assert "(0.1, -0.2), which are not applied" in sentence
    depth.header = header("depth")
    assert [cause for cause, _ in doubts(color, depth, camera_info())] == ["frame ids differ"]


def test_the_encodings_accepted_are_those_of_the_design():
    assert COLOR_ENCODINGS == ("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "yuv422_yuy2")
