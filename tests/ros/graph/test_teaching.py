"""Teaching on a real graph: a name, a clicked point, and the name comes back."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile

from cvdl.core.scene import Scene
from cvdl.messages.topics import LABEL_INFO_TOPIC, SCENE_TOPICS
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.recognition import teacher
from cvdl.recognition.gallery import Gallery
from cvdl.ros.interfaces import message_type
from cvdl.ros.nodes import DetectionNode, PerceptionNode, SegmentationNode
from cvdl.simulation import SimulationConfig, simulate_scene

from .conftest import PERIOD_NS, STAMP_NS, wait_until

OBJECTS, BOXES = "segmentation/objects", "detection/boxes"
REQUESTS = QoSProfile(depth=10)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "gallery"


@pytest.fixture(scope="module")
def tabletop():
    """Things that are large enough to be taught."""
    config = SimulationConfig(min_objects=3, max_objects=4)
    return replace(simulate_scene(3, 0, config=config).frame, stamp_ns=STAMP_NS)


@pytest.fixture(scope="module")
def scene(tabletop) -> Scene:
    return Perception(PerceptionConfig().segmentation_only())(tabletop)


class Camera:
    """Sends a frame again and again, as a camera does that looks at a quiet table."""

    def __init__(self, wire, frame):
        self._wire, self._frame, self._sent = wire, frame, 0

    def until(self, condition, seconds=20.0):
        """Whether the condition comes true while frames are sent."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            stamp = STAMP_NS + self._sent * PERIOD_NS
            self._sent += 1
            self._wire.send(self._wire.messages(replace(self._frame, stamp_ns=stamp)))
            if wait_until(condition, 0.15):
                return True
        return False


@pytest.fixture
def camera(wire, tabletop):
    return Camera(wire, tabletop)


def say(wire, topic, text):
    wire.publish(f"/perception/{topic}", message_type("std_msgs/msg/String")(data=text), REQUESTS)


def click(wire, point, frame_id):
    message = message_type("geometry_msgs/msg/PointStamped")()
    message.header.frame_id = frame_id
    message.point.x, message.point.y, message.point.z = map(float, point)
    wire.publish("/clicked_point", message, REQUESTS)


def named(messages):
    """Labels by name, in the newest of the messages."""
    found = {}
    for each in messages[-1].detections if messages else ():
        found.setdefault(each.results[0].hypothesis.class_id, []).append(int(each.id))
    return found


def logged(wire, text):
    heard = wire.listen("/rosout", "rcl_interfaces/msg/Log")
    return any(text in each.msg for each in heard)


def surface_point(frame, scene, item):
    """A point of an object's surface, in its middle."""
    rows, columns = np.nonzero(scene.mask(item) & np.isfinite(frame.depth))
    middle = np.argmin(np.hypot(columns - columns.mean(), rows - rows.mean()))
    pixel = np.array([columns[middle], rows[middle]], float)
    return frame.camera.deproject_pixels(pixel, frame.depth[rows[middle], columns[middle]])


def test_a_clicked_object_is_taught_named_and_forgotten(
    start, wire, tabletop, scene, camera, folder
):
    start(PerceptionNode, gallery__path=str(folder), gallery__unique=True, grasp__enable=False)
    wire.listen("/rosout", "rcl_interfaces/msg/Log")
    objects = wire.listen(f"/perception/{OBJECTS}", SCENE_TOPICS[OBJECTS])
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    names = wire.listen(f"/perception/{LABEL_INFO_TOPIC}", "vision_msgs/msg/LabelInfo", latched)
    assert camera.until(lambda: objects)
    assert set(named(objects)) == {"object"}
    item = scene.objects[-1]
    click(wire, surface_point(tabletop, scene, item), tabletop.frame_id)
    time.sleep(0.2)
    say(wire, "teach", "my thing")
    assert camera.until(lambda: named(objects).get("my thing") == [item.label])
    assert logged(wire, "my thing is taught: the object at the clicked point; 1 view")
    assert Gallery(folder).names() == ("my thing",)
    assert camera.until(lambda: names and names[-1].class_map)
    assert [each.class_name for each in names[-1].class_map] == ["my thing"]
    assert wait_until(lambda: wire.diagnosed().get("gallery") == "my thing")
    # It is known already from this side.
    say(wire, "teach", "my thing")
    assert camera.until(lambda: logged(wire, "my thing is not taught: the view of the object"))
    say(wire, "forget", "my thing")  # while it is shown
    assert camera.until(lambda: set(named(objects)) == {"object"})
    assert camera.until(lambda: not names[-1].class_map)
    assert Gallery(folder).names() == ()


def test_without_a_click_the_middle_counts_even_if_nobody_listens(
    start, wire, tabletop, scene, camera, folder
):
    start(PerceptionNode, gallery__path=str(folder), grasp__enable=False)
    wire.listen("/rosout", "rcl_interfaces/msg/Log")
    say(wire, "teach", "middle")
    assert camera.until(lambda: logged(wire, "middle is taught: the object in the middle"))
    assert Gallery(folder).names() == ("middle",)


def test_a_point_in_another_frame_needs_tf(start, wire, tabletop, scene, camera, folder):
    start(PerceptionNode, gallery__path=str(folder), gallery__unique=True, grasp__enable=False)
    wire.listen("/rosout", "rcl_interfaces/msg/Log")
    objects = wire.listen(f"/perception/{OBJECTS}", SCENE_TOPICS[OBJECTS])
    item = scene.objects[0]
    at = surface_point(tabletop, scene, item)
    click(wire, at + np.array([1.0, 2.0, 3.0]), "map")
    time.sleep(0.2)
    say(wire, "teach", "far")
    assert camera.until(lambda: logged(wire, "tf does not connect the frame of the clicked point"))
    transform = message_type("geometry_msgs/msg/TransformStamped")()
    transform.header.frame_id, transform.child_frame_id = "map", tabletop.frame_id
    shift = transform.transform.translation
    shift.x, shift.y, shift.z = 1.0, 2.0, 3.0
    transform.transform.rotation.w = 1.0
    tree = message_type("tf2_msgs/msg/TFMessage")(transforms=[transform])
    wire.publish("/tf", tree, REQUESTS)
    time.sleep(0.2)
    say(wire, "teach", "far")
    assert camera.until(lambda: named(objects).get("far") == [item.label])


@pytest.mark.parametrize(
    ("name", "point", "said"),
    [
        ("a/b", None, "'a/b' cannot be the name of a thing: it contains '/'"),
        ("mug", (0, 0, 9), "mug is not taught: there is no object within 5 cm of the clicked"),
    ],
)
def test_what_cannot_be_taught_is_said(start, wire, tabletop, camera, folder, name, point, said):
    start(PerceptionNode, gallery__path=str(folder), grasp__enable=False)
    wire.listen("/rosout", "rcl_interfaces/msg/Log")
    if point:
        click(wire, point, tabletop.frame_id)
        time.sleep(0.2)
    say(wire, "teach", name)
    assert camera.until(lambda: logged(wire, said))
    assert Gallery(folder).names() == ()
    assert wait_until(lambda: said in wire.diagnosed().get("last taught or forgotten", ""))


def test_forgetting_what_is_not_known_and_teaching_without_a_camera(
    start, wire, folder, monkeypatch
):
    monkeypatch.setattr(teacher, "_FRAME_S", 0.5)
    start(PerceptionNode, gallery__path=str(folder), grasp__enable=False)
    wire.listen("/rosout", "rcl_interfaces/msg/Log")
    say(wire, "forget", "mug")
    assert wait_until(lambda: logged(wire, "forgetting mug: 'mug' is not in"))
    say(wire, "teach", "mug")
    assert wait_until(lambda: logged(wire, "mug is not taught: no frame came for 0.5 s"))


def test_the_detection_node_names_what_another_node_segments(
    start, wire, tabletop, scene, camera, folder
):
    start(SegmentationNode)
    start(DetectionNode, gallery__path=str(folder), gallery__unique=True)
    boxes = wire.listen(f"/perception/{BOXES}", SCENE_TOPICS[BOXES])
    item = scene.objects[-1]
    click(wire, surface_point(tabletop, scene, item), tabletop.frame_id)
    time.sleep(0.2)
    say(wire, "teach", "my thing")
    assert camera.until(lambda: named(boxes).get("my thing") == [item.label])
