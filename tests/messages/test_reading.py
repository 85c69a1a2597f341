"""Messages to frames."""

from __future__ import annotations

import re
import struct
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvdl.bags.typestore import message_type
from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.messages.camera_info import is_rectified, read_camera
from cvdl.messages.factory import MessageFactory
from cvdl.messages.images import MessageError, image_kind, image_size, read_color, read_depth
from cvdl.messages.reading import doubts, read_frame
from cvdl.messages.sync import Match

RGB = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
MILLIMETERS = np.random.default_rng(2).integers(1, 65536, (6, 8)).astype(np.uint16)


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


def camera_info(width=8, height=6, fx=50.0, d=(), p=(0,) * 12, binning=(0, 0), roi=(0, 0, 0, 0)):
    """roi: x, y, width, height."""
    names = ("x_offset", "y_offset", "width", "height")
    return SimpleNamespace(
        header=header(),
        width=width,
        height=height,
        k=[fx, 0, 3.5, 0, 51.0, 2.5, 0, 0, 1],
        d=list(d),
        p=p,
        binning_x=binning[0],
        binning_y=binning[1],
        roi=SimpleNamespace(**dict(zip(names, roi, strict=True))),
    )


def encoded(extension, pixels):
    return cv2.imencode(extension, pixels)[1].tobytes()


# Color


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
def test_color_in_any_order_of_channels(encoding, pixels, padding):
    color = read_color(image(pixels, encoding, padding))
    np.testing.assert_array_equal(color, RGB)
    assert color.flags.c_contiguous
    assert color.flags.writeable


def test_gray_is_the_same_in_all_channels():
    gray = RGB[..., 0]
    np.testing.assert_array_equal(read_color(image(gray, "mono8", 3)), np.dstack([gray] * 3))


def test_yuy2_with_a_known_color():
    # Pure red in studio-range BT.601: Y 81, U 90, V 240; two pixels share U and V.
    pixels = np.tile(np.array([[81, 90], [81, 240]], np.uint8), (6, 4, 1))
    color = read_color(image(pixels, "yuv422_yuy2", 4))
    np.testing.assert_allclose(color, np.broadcast_to([255, 0, 0], (6, 8, 3)), atol=2)


@pytest.mark.parametrize("form", ["png", "rgb8; png compressed bgr8", "bgr8; png compressed bgr8"])
def test_compressed_color_is_taken_for_what_transports_write(form):
    message = compressed(encoded(".png", RGB[..., ::-1]), form)
    np.testing.assert_array_equal(read_color(message), RGB)
    assert image_kind(message) == "color"
    assert image_size(message) == (8, 6)


def test_compressed_color_by_an_encoder_that_was_handed_rgb():
    message = compressed(encoded(".png", RGB), "rgb8; png compressed rgb8")
    np.testing.assert_array_equal(read_color(message), RGB)


GREEN = np.array([20, 200, 90], np.uint8)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_with_a_known_color(pattern, bits):
    block = GREEN[["rgb".index(letter) for letter in pattern]].reshape(2, 2)
    mosaic = np.tile(block, (3, 4)).astype(f"u{bits // 8}") << (bits - 8)
    for big_endian in (False, True)[: bits // 8]:
        color = read_color(image(mosaic, f"bayer_{pattern}{bits}", 2, big_endian))
        np.testing.assert_array_equal(color, np.broadcast_to(GREEN, (6, 8, 3)))


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize(
    ("encoding", "order"),
    [("rgb16", [0, 1, 2]), ("bgra16", [2, 1, 0, 0]), ("rgba16", [0, 1, 2, 0])],
)
def test_color_of_16_bits_keeps_the_upper_8(encoding, order, big_endian):
    pixels = RGB[..., order].astype(np.uint16) * 256 + 77
    np.testing.assert_array_equal(read_color(image(pixels, encoding, 4, big_endian)), RGB)


def test_color_with_the_encodings_of_opencv():
    np.testing.assert_array_equal(read_color(image(RGB[..., ::-1], "8UC3")), RGB)
    np.testing.assert_array_equal(
        read_color(image(np.dstack([RGB[..., ::-1], RGB[..., 0]]), "8UC4", 3)), RGB
    )
    np.testing.assert_array_equal(
        read_color(image(RGB[..., 0], "8UC1")), np.dstack([RGB[..., 0]] * 3)
    )


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize(
    ("encoding", "first", "second"),
    [
        ("yuyv", [81, 90], [81, 240]),
        ("yuv422_yuy2", [81, 90], [81, 240]),
        ("uyvy", [90, 81], [240, 81]),
        ("yuv422", [90, 81], [240, 81]),
    ],
)
def test_two_pixels_with_one_color(encoding, first, second, padding):
    # Pure red in studio-range BT.601: Y 81, U 90, V 240.
    pixels = np.tile(np.array([first, second], np.uint8), (6, 4, 1))
    color = read_color(image(pixels, encoding, padding))
    np.testing.assert_allclose(color, np.broadcast_to([255, 0, 0], (6, 8, 3)), atol=2)


@pytest.mark.parametrize(("encoding", "chroma"), [("nv12", [90, 240]), ("nv21", [240, 90])])
def test_color_in_two_planes(encoding, chroma):
    planes = np.full((9, 8), 81, np.uint8)
    planes[6:] = np.tile(chroma, 4)
    message = image(planes, encoding, 3)
    message.height = 6
    color = read_color(message)
    np.testing.assert_allclose(color, np.broadcast_to([255, 0, 0], (6, 8, 3)), atol=2)
    message.height = 5
    with pytest.raises(MessageError, match="odd height: 5 pixels; nv"):
        read_color(message)


@pytest.mark.parametrize("form", ["h264", "bgr8; hevc; ffmpeg", ""])
def test_a_video_stream_is_reported(form):
    with pytest.raises(MessageError, match=r"video stream: format .*accepted: JPEG or PNG"):
        read_color(compressed(b"\0\0\0\1\x67" + bytes(99), form))


def test_jpeg():
    smooth = cv2.resize(RGB[:2, :2], (64, 48), interpolation=cv2.INTER_LINEAR)
    message = compressed(encoded(".jpg", smooth[..., ::-1]), "rgb8; jpeg compressed bgr8")
    np.testing.assert_allclose(read_color(message), smooth, atol=12)


# Depth


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 6])
def test_depth_in_millimeters(padding, big_endian):
    raw = MILLIMETERS.copy()
    raw[0, 0] = 0
    depth = read_depth(image(raw, "16UC1", padding, big_endian))
    assert depth.dtype == np.float32
    assert np.isnan(depth[0, 0])
    np.testing.assert_allclose(depth.ravel()[1:], raw.ravel()[1:] / 1000, rtol=1e-6)


@pytest.mark.parametrize("big_endian", [False, True])
def test_depth_in_meters_and_all_that_is_no_reading(big_endian):
    raw = np.array([[0.5, 1.25, 3.0, np.nan], [0, -1, np.inf, -np.inf]], np.float32)
    depth = read_depth(image(raw, "32FC1", 4, big_endian))
    np.testing.assert_array_equal(depth[0, :3], raw[0, :3])
    assert np.isnan([*depth[0, 3:], *depth[1]]).all()


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_depth_without_any_reading_is_all_nan(value):
    assert np.isnan(read_depth(image(np.full((6, 8), value, np.float32), "32FC1"))).all()


@pytest.mark.parametrize("form", ["16UC1; compressedDepth png", "16UC1; compressedDepth"])
def test_compressed_depth_in_millimeters(form):
    message = compressed(struct.pack("<iff", 0, 0, 0) + encoded(".png", MILLIMETERS), form)
    np.testing.assert_array_equal(read_depth(message), (MILLIMETERS / 1000).astype(np.float32))
    assert image_kind(message) == "depth"
    assert image_size(message) == (8, 6)


def test_depth_as_a_plain_png():
    message = compressed(encoded(".png", MILLIMETERS), "16UC1; png compressed ")
    np.testing.assert_array_equal(read_depth(message), (MILLIMETERS / 1000).astype(np.float32))
    assert image_kind(message) == "depth"


@pytest.mark.parametrize(
    "form", ["png", "mono16; png compressed ", "", "16UC1; jpeg compressed ", "PNG"]
)
def test_depth_as_a_png_of_16_bits_of_any_format(form):
    message = compressed(encoded(".png", MILLIMETERS), form)
    assert image_kind(message, "/camera/depth/image/compressed") == "depth"
    assert image_size(message) == (8, 6)
    np.testing.assert_array_equal(read_depth(message), (MILLIMETERS / 1000).astype(np.float32))


def test_a_jpeg_is_no_depth():
    message = compressed(encoded(".jpg", RGB[..., 0]), "16UC1; jpeg compressed ")
    assert image_kind(message, "/camera/depth/image/compressed") == ""
    with pytest.raises(MessageError, match="JPEG cannot hold depth"):
        read_depth(message)


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("/zed/depth/image_raw", "depth"),
        ("/depth_registered/hw_registered/image", "depth"),
        ("/sensor/range", "depth"),
        ("/camera/infra1/image_rect_raw", ""),
        ("/camera/ir/image_raw", ""),
        ("/perception/segmentation/labels", ""),
        ("/thermal_camera/image", ""),
    ],
)
def test_16_bits_are_depth_by_the_name_of_their_topic(topic, kind):
    assert image_kind(image(MILLIMETERS, "mono16"), topic) == kind
    assert image_kind(compressed(encoded(".png", MILLIMETERS), "png"), topic) == kind
    assert image_kind(image(MILLIMETERS, "16UC1"), topic) == "depth"
    np.testing.assert_array_equal(
        read_depth(image(MILLIMETERS, "mono16")), (MILLIMETERS / 1000).astype(np.float32)
    )


def test_depth_of_64_bits():
    depth = read_depth(image(np.array([[0.5, np.inf], [-1, 2.0]]), "64FC1"))
    np.testing.assert_array_equal(depth, np.array([[0.5, np.nan], [np.nan, 2]], np.float32))


def rvl(pixels, name="16UC1"):
    """A compressedDepth message, by the paper's algorithm (Wilson, 2017)."""
    nibbles = []

    def write(value):
        while True:
            value, low = value >> 3, value & 7
            nibbles.append(low | 8 * (value > 0))
            if not value:
                return

    flat, at, previous = pixels.ravel().astype(int), 0, 0
    while at < len(flat):
        for is_reading in (False, True):
            run = 0
            while at + run < len(flat) and (flat[at + run] > 0) == is_reading:
                run += 1
            write(run)
            for value in flat[at : at + run] if is_reading else ():
                difference = value - previous
                write(2 * difference if difference >= 0 else -2 * difference - 1)
                previous = value
            at += run
    nibbles += [0] * (-len(nibbles) % 8)
    words = [
        int("".join(f"{n:x}" for n in nibbles[i : i + 8]), 16) for i in range(0, len(nibbles), 8)
    ]
    header = struct.pack("<iff", 0, 0, 0) + struct.pack("<II", pixels.shape[1], pixels.shape[0])
    return compressed(
        header + struct.pack(f"<{len(words)}I", *words), f"{name}; compressedDepth rvl"
    )


SPARSE = np.where(np.random.default_rng(3).random((60, 80)) < 0.6, 0, 900).astype(np.uint16)
SPARSE[30:] += np.random.default_rng(4).integers(0, 4000, (30, 80)).astype(np.uint16)


@pytest.mark.parametrize(
    "raw", [MILLIMETERS, SPARSE, np.zeros((6, 8), np.uint16), np.full((6, 8), 65535, np.uint16)]
)
def test_depth_as_rvl(raw):
    message = rvl(raw)
    assert image_kind(message) == "depth"
    assert image_size(message) == raw.shape[::-1]
    np.testing.assert_array_equal(read_depth(message), read_depth(image(raw, "16UC1")))


def test_rvl_by_hand():
    # No empty pixel, two readings: 5 (folded 10: 2|8, 1), then 3 (folded -2: 3).
    data = bytes(12) + struct.pack("<III", 2, 1, 0x02A13000)
    message = compressed(data, "16UC1; compressedDepth rvl")
    np.testing.assert_allclose(read_depth(message), [[0.005, 0.003]])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda data: data[:-40], "the data ends too early"),
        (lambda data: data[:20], "the data ends too early"),
        (lambda data: data[:15], "3 bytes are too few for its header"),
        (lambda data: data[:12] + bytes(8) + data[20:], "its header gives 0x0 pixels"),
        (lambda data: data[:12] + b"\xff" * 8 + data[20:], "its header gives 4294967295x429"),
        (lambda data: data[:20] + b"\x7f" * 4 + data[24:], "a run is longer than the image"),
        (lambda data: data[:20] + b"\xff" * 100, "a number has more than 32 bits"),
    ],
)
def test_damaged_rvl(change, found):
    message = rvl(SPARSE)
    message.data = np.frombuffer(change(message.data.tobytes()), np.uint8)
    with pytest.raises(MessageError, match=f"damaged RVL depth: format .*{found}"):
        read_depth(message)


def test_compressed_depth_in_meters_is_quantised_inverse_depth():
    # As compressed_depth_image_transport writes it: a = z0 (z0 + 1), b = 1 - a / z_max.
    quantisation, farthest = 100.0, 10.0
    a = quantisation * (quantisation + 1)
    b = 1 - a / farthest
    meters = np.linspace(0.4, 9.5, 48).astype(np.float32).reshape(6, 8)
    raw = (a / meters + b).astype(np.uint16)
    raw[2, 3] = 0
    data = struct.pack("<iff", 0, a, b) + encoded(".png", raw)
    depth = read_depth(compressed(data, "32FC1; compressedDepth png"))
    assert np.isnan(depth[2, 3])
    depth[2, 3] = meters[2, 3]
    # One step of the quantisation is z^2 / a meters.
    assert (np.abs(depth - meters) <= 1.05 * meters**2 / a).all()


@given(st.integers(0, 65535))
def test_every_millimeter_comes_back_through_the_depth_image(value):
    raw = np.full((1, 2), value, np.uint16)
    frame = RgbdFrame(
        np.zeros((1, 2, 3), np.uint8), read_depth(image(raw, "16UC1")), Camera(2, 1, 1, 1, 0, 0)
    )
    message = MessageFactory(message_type).depth(frame)
    np.testing.assert_array_equal(message.data.view(np.uint16), raw[0])


# Bad images


def test_an_unknown_encoding_is_named_with_those_accepted():
    with pytest.raises(MessageError, match=r"unknown color encoding: 'jpeg'; accepted: rgb8"):
        read_color(image(RGB, "jpeg"))
    with pytest.raises(
        MessageError, match=r"unknown depth encoding: 'rgb8'; accepted: 16UC1, mono"
    ):
        read_depth(image(RGB, "rgb8"))
    assert image_kind(image(RGB, "jpeg")) == ""
    with pytest.raises(MessageError, match="'rgb8; compressedDepth png'; accepted: '16UC1; comp"):
        read_depth(compressed(b"x" * 40, "rgb8; compressedDepth png"))


def test_a_color_picture_is_no_depth():
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
    depth = image(MILLIMETERS, "16UC1")
    assert read_frame(Match(color, depth, info), is_rectified=True).camera.fx == 45
    assert [cause for cause, _ in doubts(Match(color, depth, info))] == ["distortion"]
    assert list(doubts(Match(color, depth, info), is_rectified=True)) == []


@pytest.mark.parametrize(
    ("info", "found"),
    [
        (camera_info(fx=0.0), "fx=0.0 fy=51.0; is the camera calibrated"),
        (camera_info(fx=float("nan")), "finite"),
        (camera_info(fx=float("nan"), p=(float("nan"),) * 12), "finite"),
        (camera_info(width=0), "width=0"),
    ],
)
def test_a_camera_that_is_not_calibrated(info, found):
    with pytest.raises(MessageError, match=f"unusable camera_info: .*{found}"):
        read_camera(info)


def test_frame_takes_stamp_and_frame_id_from_color():
    depth = image(MILLIMETERS, "16UC1")
    depth.header = header("depth")
    frame = read_frame(Match(image(RGB, "rgb8"), depth, camera_info()))
    assert (frame.stamp_ns, frame.frame_id) == (3_000_000_007, "optical")
    assert frame.camera == read_camera(camera_info())


@pytest.mark.parametrize(
    ("color", "depth", "info", "found"),
    [
        (RGB[:5], MILLIMETERS, camera_info(), "camera_info 8x6, its images 8x5; accepted"),
        (RGB, MILLIMETERS[:, :7], camera_info(), "color 8x6, depth 7x6; accepted"),
        (RGB, MILLIMETERS, camera_info(16, 11), "camera_info 16x11, its images 8x6; accepted"),
    ],
)
def test_sizes_that_differ_are_named(color, depth, info, found):
    with pytest.raises(MessageError, match=f"sizes differ: {found}"):
        read_frame(Match(image(color, "rgb8"), image(depth, "16UC1"), info))


def test_binning_and_a_region_of_interest():
    # Full resolution 8x6, of which x 2..5, y 0..5 are delivered, two by three pixels as one.
    info = camera_info(binning=(2, 3), roi=(2, 0, 4, 6))
    camera = read_camera(info)
    assert (camera.width, camera.height, camera.fx, camera.fy) == (2, 2, 25, 17)
    # A point on the axis of pixel (2.5, 1), the middle of the first one delivered.
    x, y = (2.5 - 3.5) / 50, (1 - 2.5) / 51
    np.testing.assert_allclose(camera.project(np.array([x, y, 1])), [0, 0], atol=1e-9)
    assert read_camera(info, size=(2, 2)) == camera
    frame = read_frame(Match(image(RGB[:2, :2], "rgb8"), image(MILLIMETERS[:2, :2], "16UC1"), info))
    assert frame.camera == camera
    region = read_camera(camera_info(roi=(2, 1, 4, 3)), size=(4, 3))
    assert region == Camera(4, 3, 50.0, 51.0, 1.5, 1.5)
    # Adapted by the driver already: its matrices are those of the pictures.
    assert read_camera(info, size=(8, 6)) == read_camera(camera_info())
    with pytest.raises(MessageError, match="8x6, with its binning and region of interest 2x2, its"):
        read_camera(info, size=(4, 3))


def test_the_camera_info_of_another_resolution_is_scaled_with_a_doubt():
    info = camera_info(16, 12)
    color, depth = image(RGB, "rgb8"), image(MILLIMETERS, "16UC1")
    frame = read_frame(Match(color, depth, info))
    assert frame.camera == Camera(8, 6, 25.0, 25.5, 1.5, 1.0)
    ((cause, sentence),) = doubts(Match(color, depth, info), size=(8, 6))
    assert cause == "camera_info scaled"
    assert "16x12, the images are 8x6" in sentence
    assert list(doubts(Match(color, depth, camera_info()), size=(8, 6))) == []


@pytest.mark.parametrize("nothing", [0.0, float("nan")])
def test_intrinsics_in_the_projection_alone(nothing):
    info = camera_info(p=[45.0, 0, 3.0, 0, 0, 46.0, 2.0, 0, 0, 0, 1, 0])
    info.k = [nothing] * 9
    assert read_camera(info) == Camera(8, 6, 45.0, 46.0, 3.0, 2.0)


@pytest.mark.parametrize(
    ("raw", "encoding", "words"),
    [
        (
            np.full((16, 16), 850, np.float32),
            "32FC1",
            "is in meters, .* 850 meters: .* millimeters",
        ),
        (np.full((16, 16), 2500.0), "64FC1", "is in meters, .* 2500 meters: .* millimeters"),
        (np.full((16, 16), 1, np.uint16), "16UC1", "is in millimeters, .* 1 millim.* send meters"),
        (np.full((16, 16), 850, np.uint16), "16UC1", ""),
        (np.full((16, 16), 0.85, np.float32), "32FC1", ""),
        (np.full((16, 16), np.nan, np.float32), "32FC1", ""),
    ],
)
def test_depth_in_another_unit_is_reported(raw, encoding, words):
    found = dict(doubts(Match(image(RGB, "rgb8"), image(raw, encoding), camera_info())))
    assert list(found) == (["unit of depth"] if words else [])
    if words:
        assert re.search(words, found["unit of depth"])


def test_doubts():
    color, depth = image(RGB, "rgb8"), image(MILLIMETERS, "16UC1")
    assert list(doubts(Match(color, depth, camera_info(d=[0, 0, 0])))) == []
    ((cause, sentence),) = doubts(Match(color, depth, camera_info(d=[0.1, -0.2])))
    assert cause == "distortion"
    assert "(0.1, -0.2), which are ignored" in sentence
    depth.header = header("depth")
    assert [cause for cause, _ in doubts(Match(color, depth, camera_info()))] == [
        "frame ids differ"
    ]


class Bridge:
    """A stand-in for cv_bridge.CvBridge: knows one encoding that is not ours."""

    def imgmsg_to_cv2(self, message, encoding):
        assert encoding == "rgb8"
        if message.encoding != "yuv444":
            raise RuntimeError(f"unknown encoding {message.encoding}")
        return np.full((message.height, message.width, 3), 7, np.uint8)


def test_an_encoding_of_tomorrow_is_converted_by_cv_bridge(frame, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv_bridge", SimpleNamespace(CvBridge=Bridge))
    message = MessageFactory(message_type).color(frame)
    np.testing.assert_array_equal(read_color(message), frame.color)  # by ours
    message.encoding = "yuv444"
    np.testing.assert_array_equal(read_color(message), np.full_like(frame.color, 7))
    message.encoding = "jpeg"
    with pytest.raises(MessageError, match="unknown color encoding: 'jpeg'"):
        read_color(message)
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    message.encoding = "yuv444"
    with pytest.raises(MessageError, match="unknown color encoding: 'yuv444'"):
        read_color(message)
