"""Fixtures for all tests: a frame and a scene with known values, and bags of them."""

from __future__ import annotations

import array
import os
import runpy
import tempfile
from contextlib import ExitStack
from dataclasses import replace

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The gallery of the person who runs the tests is neither used nor changed, also by processes that
# tests start.
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="cvdl-tests-")

import numpy as np
import pytest
import setuptools
from hypothesis import settings

from cvdl.bags import BagWriter, message_type, write_frame
from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Detection, Grasp, OrientedBox, Plane, Scene, SceneObject
from cvdl.detection import Detections
from cvdl.messages.factory import MessageFactory
from helpers.paths import DATA, ROOT

# In CI a test fails because of the change under test; the search for new examples is for people.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("people", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "people")

_STAMP_NS = 1_700_000_000_000_000_123
_PERIOD_NS = 33_333_333


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark tests of ROS graphs, skip tests without their data, and group tests for workers."""
    for item in items:
        if item.path.parent.name == "graph":
            item.add_marker(pytest.mark.ros)
        for mark in item.iter_markers("real"):
            for name in mark.args:
                if not (DATA / name).is_dir():
                    item.add_marker(pytest.mark.skip(reason=f"needs ../shared/data/{name}"))
        # The fixtures of a module are made once; two ROS graphs at once would share the cores.
        group = "ros" if item.get_closest_marker("ros") else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture
def metadata(monkeypatch):
    """The arguments that setup.py passes to setuptools."""
    arguments = {}
    monkeypatch.setattr(setuptools, "setup", arguments.update)
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    return arguments


@pytest.fixture
def one_thread():
    """Make torch use one thread: more are slower on the small networks of tests."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def frame() -> RgbdFrame:
    """64 x 48; depth in whole millimeters, with holes."""
    rng = np.random.default_rng(0)
    color = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    depth = (rng.integers(500, 2000, (48, 64)) / 1000).astype(np.float32)
    depth[:4] = np.nan
    camera = Camera(64, 48, 60.0, 61.0, 31.5, 23.5)
    return RgbdFrame(color, depth, camera, _STAMP_NS, "optical")


@pytest.fixture
def scene() -> Scene:
    """A table seen from 30 degrees above it, with a turned box and a cylinder with a class.

    In order of score, the grasp of the box is between the two of the cylinder. A mug is detected
    where nothing is segmented.
    """
    normal = np.array([0, -np.cos(np.pi / 3), -np.sin(np.pi / 3)])
    right = np.array([1.0, 0, 0])
    turned = np.stack([right, np.cross(normal, right), normal], axis=1)
    sign = np.array([1, -1, -1])  # a gripper comes from above
    labels = np.zeros((48, 64), np.uint16)
    labels[16:] = 1
    labels[20:30, 10:20] = 2
    labels[24:40, 30:50] = 3
    return Scene(
        labels,
        Plane(normal, 0.8),
        (
            SceneObject(
                2,
                np.array([10, 20, 20, 30], float),
                OrientedBox(np.array([-0.2, 0.0, 0.9]), turned, np.array([0.1, 0.06, 0.04])),
                100,
            ),
            SceneObject(
                3,
                np.array([30, 24, 50, 40], float),
                OrientedBox(np.array([0.1, 0.1, 0.8]), turned, np.array([0.05, 0.05, 0.2])),
                320,
                "can",
                0.75,
            ),
        ),
        {"segment": 1.5},
        tuple(
            Grasp(
                *(np.array([u, v]), angle, 12.0, 6.0, score, label),
                *(np.array(at), turned * sign, 0.06, 0.02),
            )
            for u, v, angle, score, label, at in (
                (40.0, 32.0, 0.5, 0.9, 3, [0.1, 0.1, 0.8]),
                (15.0, 25.0, -1.2, 0.7, 2, [-0.2, 0.0, 0.9]),
                (42.0, 33.0, 1.0, 0.4, 3, [0.1, 0.12, 0.8]),
            )
        ),
        {"opening out of reach": 2},
        (
            Detection(np.array([2.0, 2, 8, 9]), "mug", 0.8, track=7),
            Detection(np.array([30.0, 25, 50, 41]), "can", 0.75, label=3),
        ),
        ("mug", "can"),
    )


@pytest.fixture
def cloud_of():
    """A function that makes a PointCloud2 of a frame, in the layout of depth_image_proc."""

    def make(
        frame,
        color="rgb",
        big_endian=False,
        padding=0,
        kind="f4",
        point_step=32,
        types=message_type,
    ):
        order = ">" if big_endian else "<"
        size = np.dtype(kind).itemsize
        offsets = [0, size, 2 * size, point_step - 8]
        layout = np.dtype(
            {
                "names": ["x", "y", "z", color],
                "formats": [order + kind] * 3 + [f"{order}u4"],
                "offsets": offsets,
                "itemsize": point_step,
            }
        )
        height, width = frame.depth.shape
        points = np.zeros((height, width), layout)
        xyz = frame.camera.deproject(frame.depth)
        for axis, name in enumerate("xyz"):
            points[name] = xyz[..., axis] if kind[0] == "f" else 1
        r, g, b = (frame.color[..., i].astype(np.uint32) for i in range(3))
        points[color] = 255 << 24 | r << 16 | g << 8 | b
        rows = np.pad(points.view(np.uint8).reshape(height, -1), ((0, 0), (0, padding)))
        field = types("sensor_msgs/msg/PointField")
        number = {"f4": 7, "f8": 8, "i4": 5}[kind]
        packed = 7 if color == "rgb" else 6
        fields = [
            field(name=name, offset=offset, datatype=each, count=1)
            for name, offset, each in zip(
                layout.names, offsets, [number] * 3 + [packed], strict=True
            )
        ]
        data = rows.reshape(-1)
        if types is not message_type:  # rclpy takes only arrays
            data = array.array("B", data.tobytes())
        return types("sensor_msgs/msg/PointCloud2")(
            header=MessageFactory(types).color(frame).header,
            height=height,
            width=width,
            fields=fields,
            is_bigendian=big_endian,
            point_step=point_step,
            row_step=rows.shape[1],
            data=data,
            is_dense=False,
        )

    return make


@pytest.fixture
def frames(frame):
    """A function that returns copies of the frame, 30 a second."""

    def make(count: int) -> list[RgbdFrame]:
        return [replace(frame, stamp_ns=_STAMP_NS + i * _PERIOD_NS) for i in range(count)]

    return make


@pytest.fixture
def bag(tmp_path, frames):
    """A bag of five frames."""
    path = tmp_path / "input"
    with BagWriter(path) as writer:
        for each in frames(5):
            write_frame(writer, each)
    return path


class NamesSegments:
    """A stand-in for a detector: every segmented object is a thing."""

    classes = ("thing",)

    def __call__(self, frames, proposals):
        return [
            Detections(boxes, np.zeros(len(boxes), np.int64), np.full(len(boxes), 0.9))
            for boxes in proposals
        ]


@pytest.fixture
def quick_detector(monkeypatch):
    """Make every perception use the stand-in instead of the detector in its settings."""
    monkeypatch.setattr("cvdl.detection.stage.load_detector", lambda *_: NamesSegments())


@pytest.fixture
def interrupting():
    """A function that wraps views: the second iteration over them raises KeyboardInterrupt."""

    def make(views):
        iterations = []

        def iterate(self):
            iterations.append(self)
            if len(iterations) == 2:
                raise KeyboardInterrupt
            return list.__iter__(self)

        return type("Interrupting", (type(views),), {"__iter__": iterate})(views)

    return make


@pytest.fixture
def resumes(tmp_path, interrupting):
    """A function that checks that an interrupted and resumed training gives the same weights."""

    def check(train, views, validation, settings):
        import torch

        from cvdl.training.checkpoint import Run

        part = tmp_path / "part"
        whole = train(views, validation, settings, Run(tmp_path / "whole"))
        with pytest.raises(KeyboardInterrupt):
            train(views, interrupting(validation), settings, Run(part))
        resumed = train(views, validation, settings, Run(part, resume=True))
        for name, tensor in whole.state_dict().items():
            torch.testing.assert_close(resumed.state_dict()[name], tensor, rtol=0, atol=0)

    return check


@pytest.fixture
def register():
    """Declares models or data sets for one test, also in place of those of the same name."""
    with ExitStack() as undo:

        def declare(registry, entry):
            if entry.name in registry.names:
                undo.callback(registry.register, registry[entry.name])
            else:
                undo.callback(registry.remove, entry.name)
            registry.register(entry)

        yield declare
