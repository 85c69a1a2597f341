"""The nodes on a real graph: what comes back over the wire, and when."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_srvs.srv import SetBool, Trigger

from cvdl.messages.reading import read_frame, stamp_ns
from cvdl.messages.sync import Match
from cvdl.messages.topics import LABEL_INFO_TOPIC, SCENE_TOPICS
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.ros.inputs import NO_SEGMENTATION, SegmentationInput
from cvdl.ros.interfaces import message_type
from cvdl.ros.nodes import DetectionNode, GraspNode, PerceptionNode, SegmentationNode
from cvdl.segmentation.stage import SegmentationStage

from .background import background
from .conftest import PATIENCE_S, PERIOD_NS, STAMP_NS, deserialized, wait_until

NODE = "/perception/perception_node"
LOG = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
FEW = ("segmentation/labels", "segmentation/objects")
SEGMENTED = (*FEW, "segmentation/support")


def offline(wire, messages, config=None):
    """What the offline pipeline makes of the camera's messages, as messages by topic."""
    frame = read_frame(Match(*messages))
    scene = Perception(config or PerceptionConfig(detector={"enable": False}))(frame)
    return wire.results(frame, scene)


def same(received, expected):
    """Whether one message came, equal to the bit to the one expected."""
    return received == [deserialized(expected)]


def change_state(wire, transition, node=NODE):
    request = Transition(id=getattr(Transition, f"TRANSITION_{transition.upper()}"))
    return wire.call(ChangeState, f"{node}/change_state", transition=request).success


def state(wire, node=NODE):
    return wire.call(GetState, f"{node}/get_state").current_state.label


# --- What comes back ----------------------------------------------------------------------------


def test_every_topic_is_equal_to_the_offline_result(quick_detector, start, wire, tabletop):
    start(PerceptionNode, detector__enable=True)
    heard = wire.listen_to_scene()
    messages = wire.messages(tabletop)
    expected = offline(wire, messages, PerceptionConfig())
    wire.send(messages)
    assert wait_until(lambda: all(heard[topic] for topic in expected))
    assert len(expected["grasp/poses"].poses) > 2
    assert expected["detection/boxes"].detections
    for topic, message in expected.items():
        assert same(heard[topic], message), topic
        if hasattr(message, "header"):
            assert stamp_ns(message) == STAMP_NS
            assert message.header.frame_id == tabletop.frame_id
    assert heard["detection/tracks"] == []  # nothing is tracked
    # Late joiners get the names of the classes.
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    names = wire.listen(f"/perception/{LABEL_INFO_TOPIC}", "vision_msgs/msg/LabelInfo", latched)
    assert wait_until(lambda: names)
    assert [(c.class_id, c.class_name) for c in names[0].class_map] == [(0, "thing")]
    for topic in (*SCENE_TOPICS, LABEL_INFO_TOPIC):
        (offer,) = wire.node.get_publishers_info_by_topic(f"/perception/{topic}")
        assert offer.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        is_latched = offer.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert is_latched == (topic == LABEL_INFO_TOPIC)


def test_single_nodes_together_make_the_same(quick_detector, start, wire, tabletop):
    for kind in (SegmentationNode, DetectionNode, GraspNode):
        start(kind, **({"detector__enable": True} if kind is DetectionNode else {}))
    topics = list(SCENE_TOPICS)
    heard = wire.listen_to_scene(topics=topics)
    # Pictures are looked at: the node that draws them asks for names.
    assert wait_until(lambda: wire.node.count_subscribers("/perception/detection/boxes") == 2)
    messages = wire.messages(tabletop)
    named = offline(wire, messages, PerceptionConfig())
    unnamed = offline(wire, messages)
    wire.send(messages)
    assert wait_until(lambda: all(heard[topic] for topic in topics if topic in named))
    for topic in topics:
        if topic.startswith("segmentation"):
            assert same(heard[topic], unnamed[topic]), topic
    boxes, expected = heard["detection/boxes"][0], named["detection/boxes"]
    assert [(d.id, d.bbox) for d in boxes.detections] == [
        (d.id, d.bbox) for d in expected.detections
    ]
    poses, expected = heard["grasp/poses"][0], unnamed["grasp/poses"]
    assert poses.header == expected.header
    assert len(poses.poses) == len(expected.poses)
    for pose, other in zip(poses.poses, expected.poses, strict=True):
        assert pose.position.z == pytest.approx(other.position.z, abs=1e-6)
    texts, expected = (
        [marker.text for marker in message.markers if marker.ns == "names"]
        for message in (heard["markers"][0], named["markers"])
    )
    assert texts == expected
    assert any("thing" in text for text in texts)
    pictures = [np.array(m["overlay"].data) for m in (named, unnamed)]
    seen = np.array(heard["overlay"][0].data)
    # But for lines that go through a neighboring pixel.
    assert np.mean(seen != pictures[0]) < 1e-3 < np.mean(seen != pictures[1])


def test_nobody_is_named_for_nobody(start, wire, tabletops):
    """A node that draws takes names from another one only while somebody looks."""
    start(GraspNode)
    boxes = "/perception/detection/boxes"
    wire.listen("/perception/grasp/poses", SCENE_TOPICS["grasp/poses"])
    time.sleep(1.2)  # more than a tick
    assert wire.node.count_subscribers(boxes) == 0
    wire.listen("/perception/markers", SCENE_TOPICS["markers"])
    assert wait_until(lambda: wire.node.count_subscribers(boxes) == 1)


def test_pictures_without_names_where_none_come(start, wire, tabletops, monkeypatch):
    """As beside a detection node that is switched off."""
    monkeypatch.setattr("cvdl.ros.inputs.SILENCE_S", 0.5)
    for kind in (SegmentationNode, GraspNode):
        start(kind)
    kind = message_type("vision_msgs/msg/Detection2DArray")
    silent = wire.node.create_publisher(kind, "/perception/detection/boxes", 10)
    heard = wire.listen_to_scene(topics=("markers",))
    assert wait_until(silent.get_subscription_count)
    first, second = tabletops(2)
    wire.send(wire.messages(first))
    assert wait_until(lambda: len(heard["markers"]) == 1)
    wire.send(wire.messages(second))  # does not wait any more
    assert wait_until(lambda: len(heard["markers"]) == 2)
    wire.node.destroy_publisher(silent)


def test_a_single_node_segments_where_no_other_does(start, wire, tabletop):
    start(GraspNode)
    heard = wire.listen_to_scene(topics=["grasp/poses", "grasp/rectangles"])
    messages = wire.messages(tabletop)
    expected = offline(wire, messages)
    wire.send(messages)
    assert wait_until(lambda: all(heard.values()))
    for topic, received in heard.items():
        assert same(received, expected[topic]), topic


@pytest.mark.parametrize(
    ("topic", "is_rectified"), [("/rgb/image_rect_color", True), ("/rgb/image_raw", False)]
)
def test_a_rectified_topic_uses_the_projection_matrix(start, wire, tabletop, topic, is_rectified):
    class Remapped(SegmentationNode):
        def __init__(self, **kwargs):
            super().__init__(cli_args=["--ros-args", "-r", f"color:={topic}"], **kwargs)

    start(Remapped)
    objects = wire.listen("/perception/segmentation/objects", SCENE_TOPICS["segmentation/objects"])
    color, depth, info = messages = wire.messages(tabletop)
    info.p[0] *= 1.1
    info.p[5] *= 1.1
    perceive = Perception(PerceptionConfig(detector={"enable": False}, grasp={"enable": False}))
    by_p, by_k = (read_frame(Match(*messages), is_rectified=choice) for choice in (True, False))
    expected, other = (
        wire.results(frame, perceive(frame))["segmentation/objects"]
        for frame in ((by_p, by_k) if is_rectified else (by_k, by_p))
    )
    assert expected != other
    wire.publish("/perception/camera_info", info)
    wire.publish(topic, color)
    wire.publish("/perception/depth", depth)
    assert wait_until(lambda: objects)
    assert same(objects, expected)


def test_one_frame_asked_for_is_the_next_that_is_segmented(start, wire, tabletops):
    """The node that segments may be slower than the camera, and skip frames."""
    node = "/perception/grasp_node"
    start(GraspNode)
    poses = wire.listen("/perception/grasp/poses", SCENE_TOPICS["grasp/poses"])
    first, second, third = (wire.messages(frame) for frame in tabletops(3))

    def segment(messages):
        for topic, message in offline(wire, messages).items():
            if topic in SEGMENTED:
                wire.publish(f"/perception/{topic}", message, QoSProfile(depth=10))

    segment(first)  # so that the topics are known of each other
    assert wire.call(SetBool, f"{node}/enable", data=False).success
    assert wire.call(Trigger, f"{node}/detect_once").success
    wire.send(second)
    wire.send(third)
    segment(third)
    assert wait_until(lambda: poses)
    assert [stamp_ns(message) for message in poses] == [stamp_ns(third[0])]


def test_the_highest_rate_can_be_raised_live(start, wire, tabletops):
    node = start(SegmentationNode, max_rate=0.01)
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    frames = iter(tabletops(200))
    for _ in range(6):
        wire.send(wire.messages(next(frames)))
        time.sleep(0.1)
    assert wait_until(lambda: labels)
    time.sleep(0.3)
    assert len(labels) == 1
    node.set_parameters([Parameter("max_rate", value=100.0)])
    while len(labels) <= 3:  # some are dropped where the machine is busy
        wire.send(wire.messages(next(frames)))
        time.sleep(0.1)


def test_compressed_images(start, wire, tabletop):
    import cv2

    start(
        PerceptionNode,
        image_transport="compressed",
        depth_image_transport="compressedDepth",
    )
    heard = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    from sensor_msgs.msg import CompressedImage

    color, depth, info = wire.messages(tabletop)
    png = cv2.imencode(".png", cv2.cvtColor(tabletop.color, cv2.COLOR_RGB2BGR))[1]
    raw = np.frombuffer(depth.data, np.uint16).reshape(depth.height, depth.width)
    packed = bytes(12) + cv2.imencode(".png", raw)[1].tobytes()
    wire.publish("/perception/camera_info", info)
    for name, header, form, data in (
        ("color/compressed", color.header, "rgb8; png compressed bgr8", png.tobytes()),
        ("depth/compressedDepth", depth.header, "16UC1; compressedDepth png", packed),
    ):
        wire.publish(f"/perception/{name}", CompressedImage(header=header, format=form, data=data))
    assert wait_until(lambda: heard)
    assert same(heard, offline(wire, (color, depth, info))["segmentation/labels"])


def test_nothing_is_computed_that_nobody_listens_to(start, wire, tabletops):
    start(PerceptionNode)
    report = wire.listen("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")
    first, second = tabletops(2)
    wire.send(wire.messages(first))
    assert wait_until(lambda: wire.diagnosed().get("pairs") == "1")
    assert wire.diagnosed().get("frames") == "0"
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    wire.send(wire.messages(second))
    assert wait_until(lambda: labels and wire.diagnosed().get("frames") == "1")
    values = wire.diagnosed()
    assert "latency of segment (ms)" in values
    assert "latency of grasp (ms)" not in values
    assert values["device"] == "cpu"
    assert float(values["memory (MB)"]) > 50
    assert report[-1].status[0].name == f"cvdl: {NODE}"


def test_networks_are_loaded_on_the_thread_that_runs_them(start, wire, tabletop, monkeypatch):
    threads = []

    class Watched(Perception):
        def __init__(self, *args):
            threads.append(threading.get_ident())
            super().__init__(*args)

        def segment(self, *args):
            threads.append(threading.get_ident())
            return super().segment(*args)

    monkeypatch.setattr("cvdl.warm_up.Perception", Watched)
    start(SegmentationNode)
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    wire.send(wire.messages(tabletop))
    assert wait_until(lambda: labels)
    assert len(threads) > 2
    assert len(set(threads)) == 1


# --- Names --------------------------------------------------------------------------------------


def test_two_instances_side_by_side(start, wire, tabletops):
    for name in ("left", "right"):
        start(SegmentationNode, namespace=name)
    heard = {name: wire.listen_to_scene(f"/{name}", FEW) for name in ("left", "right")}
    for name, frame in zip(heard, tabletops(2), strict=True):
        wire.send(wire.messages(replace(frame, frame_id=name)), camera=f"/{name}")
    assert wait_until(lambda: all(all(each.values()) for each in heard.values()))
    for name, topics in heard.items():
        for messages in topics.values():
            assert [message.header.frame_id for message in messages] == [name]


# --- Life ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", [False, True])
def test_lifecycle(start, wire, tabletops, overlap):
    start(SegmentationNode, autostart=False, overlap=overlap)
    node = "/perception/segmentation_node"
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    frames = iter(tabletops(9))
    assert state(wire, node) == "unconfigured"
    assert change_state(wire, "configure", node)
    assert state(wire, node) == "inactive"
    assert not labels
    for count in (1, 2):
        assert change_state(wire, "activate", node)
        wire.send(wire.messages(next(frames)))
        assert wait_until(lambda: len(labels) == count)  # noqa: B023
        assert change_state(wire, "deactivate", node)
        for name in ("camera_info", "color", "depth"):
            assert wait_until(lambda: not wire.node.count_subscribers(f"/perception/{name}"))  # noqa: B023
    assert not wire.node.count_subscribers("/perception/color")
    time.sleep(0.1)
    assert len(labels) == 2
    assert change_state(wire, "inactive_shutdown", node)
    assert state(wire, node) == "finalized"


class MallocUsage(ctypes.Structure):
    """What ``mallinfo2`` returns."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def allocated_mb():
    """What is allocated and not freed. Resident memory scatters by 20 MB from cycle to cycle."""
    gc.collect()
    libc = ctypes.CDLL("libc.so.6")
    libc.mallinfo2.restype = MallocUsage
    usage = libc.mallinfo2()
    return (usage.uordblks + usage.hblkhd) / 1e6


def test_many_cycles_leak_nothing(start, wire, tabletops):
    """With all networks, and a frame each; the smallest of their graphs takes 1.4 MB."""
    node = start(PerceptionNode, autostart=False, detector__enable=True)
    frames = iter(tabletops(5000))
    sizes, memory = [], []
    for _ in range(20):
        for step in ("configure", "activate"):
            assert getattr(node, f"trigger_{step}")().to_label() == "transition_success"
        heard = wire.listen_to_scene(topics=("grasp/poses", "detection/boxes"))
        for messages in heard.values():
            messages.clear()
        while not all(heard.values()):  # until all know of each other again
            wire.send(wire.messages(next(frames)))
            time.sleep(0.1)
        for step in ("deactivate", "cleanup"):
            assert getattr(node, f"trigger_{step}")().to_label() == "transition_success"
        sizes.append(
            (len(list(node.publishers)), len(list(node.subscriptions)), len(list(node.timers)))
        )
        memory.append(allocated_mb())
    assert set(sizes) == {sizes[0]}
    assert np.mean(np.diff(memory[5:])) < 0.3


def test_bad_weights_leave_the_node_unconfigured(start, wire, tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"nothing")
    start(PerceptionNode, autostart=False, grasp__weights=str(other))
    assert not change_state(wire, "configure")
    assert state(wire) == "unconfigured"
    assert set_parameter(wire, "grasp.weights", "") == ""  # mended
    assert change_state(wire, "configure")


# --- Parameters and services --------------------------------------------------------------------


def set_parameter(wire, name, value, node=NODE):
    """Why it was refused; empty if it was not."""
    kind, field = {
        bool: (ParameterType.PARAMETER_BOOL, "bool_value"),
        float: (ParameterType.PARAMETER_DOUBLE, "double_value"),
        str: (ParameterType.PARAMETER_STRING, "string_value"),
        list: (ParameterType.PARAMETER_DOUBLE_ARRAY, "double_array_value"),
    }[type(value)]
    message = ParameterMessage(name=name, value=ParameterValue(type=kind, **{field: value}))
    (result,) = wire.call(SetParameters, f"{node}/set_parameters", parameters=[message]).results
    assert result.successful == (not result.reason)
    return result.reason


def test_parameters_live(start, wire, tabletops):
    start(PerceptionNode)
    first, second, third = tabletops(3)
    labels = wire.listen("/perception/segmentation/labels", SCENE_TOPICS["segmentation/labels"])
    objects = wire.listen("/perception/segmentation/objects", SCENE_TOPICS["segmentation/objects"])
    wire.send(wire.messages(first))
    assert wait_until(lambda: len(objects) == 1)
    assert objects[0].detections
    assert set_parameter(wire, "segmentation.min_height", 0.2) == ""
    wire.send(wire.messages(second))
    assert wait_until(lambda: len(objects) == 2)
    assert len(objects[1].detections) < len(objects[0].detections)
    assert set_parameter(wire, "segmentation.min_height", 0.008) == ""
    assert set_parameter(wire, "segmentation.region.image", [0.0, 0.5, 0.0, 1.0]) == ""
    wire.send(wire.messages(third))
    assert wait_until(lambda: len(labels) == 3)
    found = np.array(labels[2].data).view(np.uint16).reshape(240, 320)
    assert found[:, :160].any()
    assert not found[:, 160:].any()
    assert "0 to 1, each minimum" in set_parameter(wire, "segmentation.region.image", [0.0, 2.0])
    assert "in meters" in set_parameter(wire, "segmentation.region.box", [0.0, 1.0])
    assert "out of range" in set_parameter(wire, "segmentation.max_range", 1000.0)
    assert "must be less than" in set_parameter(wire, "grasp.min_opening", 0.3)
    assert "surface, plane" in set_parameter(wire, "grasp.approach", "sideways")
    assert "only while the node is unconfigured" in set_parameter(wire, "target_frame", "base")


def test_names_that_are_no_parameters_are_reported(start, capfd):
    start(
        SegmentationNode,
        autostart=False,
        **{"segmentation.min_hight": 0.1, "detector.enable": True, "qos_overrides./x": "y"},
    )
    said = capfd.readouterr().err
    assert (
        "there is no parameter segmentation.min_hight: it is ignored; did you mean "
        "segmentation.min_height?"
    ) in said
    assert said.count("there is no parameter") == 1  # detector.enable is another node's


def test_a_clock_that_starts_again_drops_what_waits_for_a_segmentation(wire, tabletop):
    done, dropped = [], []
    segmented = SegmentationInput(
        wire.node,
        lambda item, segmentation: done.append(item),
        lambda item, cause: dropped.append((item, cause)),
    )
    segmented.wait(STAMP_NS + 1, "old")
    segmented.wait(STAMP_NS, "new")
    # Not yet a reason to warn: the other node may have just started.
    assert dropped == [("old", "not segmented")]
    scene = Perception(PerceptionConfig().segmentation_only())(tabletop)
    for name in SEGMENTED:
        message = wire.results(tabletop, scene)[name]
        wire.publish(f"/{name}", message, QoSProfile(depth=10))
    assert wait_until(lambda: done == ["new"])
    segmented.close()


def test_a_node_that_does_not_segment_for_long_is_reported(wire, monkeypatch):
    monkeypatch.setattr("cvdl.ros.inputs.SILENCE_S", 0.2)
    dropped = []
    segmented = SegmentationInput(
        wire.node, lambda *_: None, lambda item, cause: dropped.append(cause)
    )
    segmented.wait(2, "first")
    segmented.wait(1, "of another clock")
    time.sleep(0.3)
    segmented.wait(0, "again")
    assert dropped == ["not segmented", NO_SEGMENTATION]
    segmented.close()


def test_services(start, wire, tabletops):
    start(SegmentationNode)
    node = "/perception/segmentation_node"
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    report = wire.listen("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")
    frames = iter(tabletops(6))
    assert wire.call(SetBool, f"{node}/enable", data=False).success
    wire.send(wire.messages(next(frames)))
    assert wait_until(lambda: wire.diagnosed().get("pairs") == "1")
    assert report[-1].status[0].message == "idle"
    assert not labels
    assert wire.call(Trigger, f"{node}/detect_once").success
    once = [next(frames), next(frames)]
    for frame in once:
        wire.send(wire.messages(frame))
    assert wait_until(lambda: wire.diagnosed().get("pairs") == "3")
    assert [stamp_ns(message) for message in labels] == [once[0].stamp_ns]
    assert wire.call(SetBool, f"{node}/enable", data=True).success
    wire.send(wire.messages(next(frames)))
    assert wait_until(lambda: len(labels) == 2)
    # The parameter is the same switch as the service: it takes back that one frame was enough.
    assert wire.call(Trigger, f"{node}/detect_once").success
    on = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=True)
    enable = [ParameterMessage(name="enable", value=on)]
    answer = wire.call(SetParameters, f"{node}/set_parameters", parameters=enable)
    assert answer.results[0].successful
    for count, frame in enumerate(frames, start=3):
        wire.send(wire.messages(frame))
        assert wait_until(lambda count=count: len(labels) == count)
    assert change_state(wire, "deactivate", node)
    refused = wire.call(Trigger, f"{node}/detect_once")
    assert (refused.success, refused.message) == (False, "the node is not active")


# --- Faults -------------------------------------------------------------------------------------


def spoiled(message, **fields):
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def test_bad_input(start, wire, tabletops, caplog):
    """Each fault is dropped, counted and reported once; the node lives on."""
    start(SegmentationNode)
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    report = wire.listen("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")
    frames = iter(tabletops(40))

    def send(color=None, depth=None, info=None):
        messages = wire.messages(next(frames))
        for message, fields in zip(messages, (color, depth, info), strict=True):
            spoiled(message, **(fields or {}))
        wire.send(messages)

    assert wait_until(lambda: report)
    nothing = np.zeros(320 * 240, np.float32)
    half = np.zeros(160 * 120, np.uint16).tobytes()
    faults = [
        ("sizes differ", {"depth": {"width": 160, "height": 120, "step": 320, "data": half}}),
        ("unknown color encoding", {"color": {"encoding": "jpeg"}}),
        ("unknown depth encoding", {"depth": {"encoding": "8UC1"}}),
        ("wrong image step", {"color": {"step": 12}}),
        ("wrong image data length", {"depth": {"data": b"12"}}),
        ("unusable camera_info", {"info": {"k": np.zeros(9), "p": np.zeros(12)}}),
    ]
    for cause, fields in faults:
        for _ in range(2):
            send(**fields)
            time.sleep(0.1)
        key = f"dropped: {cause}"
        assert wait_until(lambda: wire.diagnosed().get(key) == "2"), cause  # noqa: B023
        assert sum(cause in sentence for sentence in caplog.messages) == 1
    for value in (0.0, np.nan, np.inf):
        data = np.full_like(nothing, value).tobytes()
        count = len(labels)
        send(depth={"encoding": "32FC1", "step": 1280, "data": data})
        assert wait_until(lambda: len(labels) == count + 1)  # noqa: B023
        assert not np.frombuffer(labels[-1].data, np.uint16).any()
    old = wire.messages(replace(next(frames), stamp_ns=STAMP_NS + 1))
    wire.send(old)
    assert wait_until(lambda: "dropped: stamp out of order" in wire.diagnosed())
    count = len(labels)
    send()
    assert wait_until(lambda: len(labels) == count + 1)
    assert np.frombuffer(labels[-1].data, np.uint16).max() > 1


def test_an_exception_in_a_stage(start, wire, tabletops, caplog, monkeypatch):
    import torch

    start(SegmentationNode)
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    frames = iter(tabletops(9))
    for error, cause in (
        (IndexError("broken"), "IndexError in a stage"),
        (torch.cuda.OutOfMemoryError("full"), "out of GPU memory"),
    ):

        def fail(stage, frame, scene, error=error):
            raise error

        monkeypatch.setattr(SegmentationStage, "__call__", fail)
        for _ in range(2):
            wire.send(wire.messages(next(frames)))
            time.sleep(0.1)
        key = f"dropped: {cause}"
        assert wait_until(lambda: wire.diagnosed().get(key) == "2")  # noqa: B023
        assert sum(cause in sentence for sentence in caplog.messages) == 1
    monkeypatch.undo()
    wire.send(wire.messages(next(frames)))
    assert wait_until(lambda: labels)


def test_overload(start, wire, tabletop, monkeypatch):
    """Frames at five times the rate: the newest wins, and none is older than two frame times."""
    start(SegmentationNode)
    busy = 0.2
    perceive = Perception(PerceptionConfig().segmentation_only())
    found = perceive(read_frame(Match(*wire.messages(tabletop))))

    def slow(stage, frame, scene):
        time.sleep(busy)
        return found

    monkeypatch.setattr(SegmentationStage, "__call__", slow)
    sent, waits = {}, {}

    def hear(message):
        stamp = stamp_ns(message)
        waits[stamp] = time.monotonic() - sent[stamp]

    kind = message_type("sensor_msgs/msg/Image")
    wire.node.create_subscription(kind, "/perception/segmentation/labels", hear, 10)
    messages = wire.messages(tabletop)
    while len(waits) < 8:
        assert len(sent) < 400, "nothing comes back"
        stamp = STAMP_NS + len(sent) * PERIOD_NS
        for message in messages:
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
        sent[stamp] = time.monotonic()
        wire.send(messages)
        time.sleep(busy / 5)
    # Most: one that a busy machine holds up says nothing. With a queue all would wait for longer.
    assert np.percentile(list(waits.values()), 75) < 2 * busy
    assert wait_until(lambda: wire.diagnosed().get("pairs") == str(len(sent)))
    values = wire.diagnosed()
    # All but those that came back and the two that were under way and waiting at the end.
    assert (
        int(values["dropped: a newer frame arrived"]) >= len(sent) - len(waits) - 2 > len(sent) / 2
    )


def test_silence_is_explained(start, wire, tabletops, monkeypatch):
    monkeypatch.setattr("cvdl.ros.inputs.SILENCE_S", 0.5)
    start(SegmentationNode)
    report = wire.listen("/rosout", "rcl_interfaces/msg/Log", LOG)
    color, _, info = wire.messages(tabletops(1)[0])
    wire.publish("/perception/camera_info", info)
    wire.publish("/perception/color", color)

    def told(*words):
        return any(all(word in log.msg for word in words) for log in report)

    silent = "no messages on /perception/depth"
    assert wait_until(lambda: told(silent, "/perception/depth: it has no publisher"))
    # A publisher that keeps what it sent only for those who were there: nobody is told twice.
    count = sum(silent in log.msg for log in report)
    time.sleep(1.2)
    assert sum(silent in log.msg for log in report) == count == 1
    assert not told("incompatible")


def test_it_is_said_when_frames_come_again(start, wire, tabletops, monkeypatch):
    monkeypatch.setattr("cvdl.ros.inputs.SILENCE_S", 0.5)
    start(SegmentationNode)
    report = wire.listen("/rosout", "rcl_interfaces/msg/Log", LOG)
    first, second = tabletops(2)

    def said(words):
        return sum(words in log.msg for log in report)

    wire.send(wire.messages(first))
    assert wait_until(lambda: said("no frame for 0.5 s"))
    assert not said("frames come again")
    for frame in (second, replace(second, stamp_ns=second.stamp_ns + PERIOD_NS)):
        wire.send(wire.messages(frame))
    assert wait_until(lambda: said("frames come again"))
    assert wait_until(lambda: wire.diagnosed().get("pairs") == "3")
    assert said("frames come again") == 1


TWIN = """
import rclpy
rclpy.init()
rclpy.spin(rclpy.create_node("segmentation_node", namespace="/perception"))
"""


def test_another_node_of_the_same_name_is_reported(start, wire, monkeypatch):
    monkeypatch.setattr("cvdl.ros.same_name._SETTLED_S", 0.5)
    report = wire.listen("/rosout", "rcl_interfaces/msg/Log", LOG)
    start(SegmentationNode)
    words = "there are 2 nodes /perception/segmentation_node"
    time.sleep(2.5)
    assert not any(words in log.msg for log in report)
    with background(sys.executable, "-c", TWIN) as twin:
        assert wait_until(lambda: any(words in log.msg for log in report))
        time.sleep(2)
        twin.interrupt()  # a killed one would stay in the graph for long
        twin.end(PATIENCE_S)
    assert sum(words in log.msg for log in report) == 1


def test_diagnostics_do_not_pile_up_where_the_clock_stands_still(start, wire, tabletop):
    """As after the end of a bag."""
    from rosgraph_msgs.msg import Clock

    start(SegmentationNode, use_sim_time=True)
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    report = wire.listen("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")
    clock = Clock()
    clock.clock.sec = 5
    wire.publish("/clock", clock)
    assert wait_until(lambda: any(stamp_ns(message) == 5 * 10**9 for message in report))
    wire.send(wire.messages(tabletop))
    assert wait_until(lambda: labels)
    assert wait_until(lambda: wire.diagnosed().get("frames") == "1")
    count = len(report)
    time.sleep(2.5)
    assert len(report) == count
    clock.clock.sec = 6
    wire.publish("/clock", clock)
    assert wait_until(lambda: stamp_ns(report[-1]) == 6 * 10**9)


def test_a_qos_that_does_not_fit_is_named(start, wire, tabletops):
    name = "qos_overrides./perception/depth.subscription.reliability"
    start(SegmentationNode, **{name.replace(".", "__"): "reliable"})
    report = wire.listen("/rosout", "rcl_interfaces/msg/Log", LOG)
    _, depth, _ = wire.messages(tabletops(1)[0])
    offer = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = wire.node.create_publisher(type(depth), "/perception/depth", offer)
    words = (
        "/perception/depth: the QoS of a publisher is incompatible (RELIABILITY), so its messages "
        "do not arrive; "
        "set qos_overrides./perception/depth.subscription.reliability to best_effort"
    )
    assert wait_until(lambda: any(words in log.msg for log in report))
    wire.node.destroy_publisher(publisher)


def test_a_camera_that_went_and_came_back(start, wire, tabletops):
    start(SegmentationNode)
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    first, second = tabletops(2)
    wire.send(wire.messages(first))
    assert wait_until(lambda: len(labels) == 1)
    for name in ("camera_info", "color", "depth"):
        wire.silence(f"/perception/{name}")
    wire.send(wire.messages(second))
    assert wait_until(lambda: len(labels) == 2)


def test_target_frame_needs_tf2(start, wire, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_ros", None)  # as if it were not installed
    report = wire.listen("/rosout", "rcl_interfaces/msg/Log", LOG)
    start(SegmentationNode, autostart=False, target_frame="base")
    node = "/perception/segmentation_node"
    assert not change_state(wire, "configure", node)
    assert wait_until(lambda: any("tf2_ros is missing" in log.msg for log in report))
    assert set_parameter(wire, "target_frame", "", node) == ""  # mended
    assert change_state(wire, "configure", node)
