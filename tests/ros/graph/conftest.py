"""A ROS 2 graph of this test run's own, with a camera and a listener on it."""

from __future__ import annotations

import fcntl
import gc
import os
import random
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from cvdl.messages.factory import MessageFactory
from cvdl.messages.reading import stamp_ns
from cvdl.messages.topics import SCENE_TOPICS, Results, scene_messages
from cvdl.messages.topics import TOPICS as RESULTS
from cvdl.ros.interfaces import message_type
from cvdl.simulation import SimulationConfig, simulate_scene

pytest.importorskip("rclpy", reason="there is no ROS 2: pip install '.[live]', or source one")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.signals import SignalHandlerOptions

STAMP_NS = 1_700_000_000_000_000_123
PERIOD_NS = 66_666_667
WITNESS = "witness"
#: Where nothing is tracked; without what is too large for any rate.
TOPICS = [t for t in SCENE_TOPICS if t != "detection/tracks" and not RESULTS[t].is_large]
PATIENCE_S = 20  # a busy machine is slow; nothing waits so long where all is well


def wait_until(condition, seconds=PATIENCE_S):
    """Whether the condition comes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def deserialized(message):
    """A message as it arrives: a field of 32 bits holds 64 before it is sent."""
    return deserialize_message(serialize_message(message), type(message))


def stamp_of(message):
    """Nanoseconds."""
    return stamp_ns(message.markers[0] if hasattr(message, "markers") else message)


def is_stamped(topic):
    """Whether the messages of a topic have a stamp."""
    fields = message_type(SCENE_TOPICS[topic]).get_fields_and_field_types()
    return not fields.keys().isdisjoint({"header", "markers"})


class Spinning:
    """Nodes that are spun on a thread of their own."""

    def __init__(self):
        self._executor = SingleThreadedExecutor()
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._nodes = []

    def add(self, node):
        self._executor.add_node(node)
        self._nodes.append(node)
        if not self._thread.is_alive():
            self._thread.start()
        return node

    def close(self):
        self._executor.shutdown()
        self._thread.join(PATIENCE_S)
        for node in self._nodes:
            node.destroy_node()
        # A managed node lives, and its name with it, until nothing refers to it any more.
        del node, self._executor
        self._nodes.clear()
        gc.collect()


class Wire:
    """A camera that publishes frames, and ears for what comes back."""

    def __init__(self, node):
        self.node = node
        self._own = {node.get_name(), WITNESS}
        self.factory = MessageFactory(message_type)
        self.patience = PATIENCE_S
        self._publishers = {}
        self._ears = {}

    def nodes(self):
        """(name, namespace) of the other nodes in the graph, by their logs.

        rmw_fastrtps may handle the last lists of a participant's nodes after its farewell, and then
        keeps their names forever. It forgets the publishers in any case.
        """
        logs = self.node.get_publishers_info_by_topic("/rosout")
        nodes = {(log.node_name, log.node_namespace) for log in logs}
        return {(name, namespace) for name, namespace in nodes if name not in self._own}

    def publish(self, topic, message, qos=qos_profile_sensor_data):
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(type(message), topic, qos)
            publisher = self._publishers[topic]
            assert wait_until(publisher.get_subscription_count, self.patience), (
                f"nobody listens to {topic}"
            )
        self._publishers[topic].publish(message)

    def silence(self, topic):
        self.node.destroy_publisher(self._publishers.pop(topic))

    def messages(self, frame):
        """Color, depth and camera_info of a frame, as the camera sends them."""
        make = self.factory
        return make.color(frame), make.depth(frame), make.camera_info(frame)

    def results(self, frame, scene):
        """The messages of a scene by topic."""
        return scene_messages(self.factory, Results(frame, scene))

    def send(self, messages, camera="/perception"):
        color, depth, info = messages
        for name, message in (("camera_info", info), ("color", color), ("depth", depth)):
            self.publish(f"{camera}/{name}", message)

    def listen(self, topic, kind, qos=None):
        """The list that the topic's messages come into."""
        if topic not in self._ears:
            heard = []
            publishers = self.node.count_publishers
            self.node.create_subscription(
                message_type(kind), topic, heard.append, qos or QoSProfile(depth=10)
            )
            self._ears[topic] = heard
            wait_until(lambda: publishers(topic), 5)
        return self._ears[topic]

    def diagnosed(self):
        """The values of the newest diagnostics; none before the first."""
        heard = self.listen("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")
        return {value.key: value.value for value in heard[-1].status[0].values} if heard else {}

    def listen_to_scene(self, namespace="/perception", topics=tuple(SCENE_TOPICS)):
        return {t: self.listen(f"{namespace}/{t}", SCENE_TOPICS[t]) for t in topics}

    def call(self, kind, service, **fields):
        client = self.node.create_client(kind, service)
        assert client.wait_for_service(PATIENCE_S), f"no service {service}"
        future = client.call_async(kind.Request(**fields))
        assert wait_until(future.done), f"no answer from {service}"
        self.node.destroy_client(client)
        return future.result()


@pytest.fixture(scope="session")
def graph():
    """ROS 2, heard on this machine only, apart from every other graph."""
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    with a_domain() as domain:
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        # Signals stay Python's: other tests send them.
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        # Without a node, nobody sees that the lease of a killed one ends: it would be kept forever.
        witness = rclpy.create_node(WITNESS)
        yield
        witness.destroy_node()
        rclpy.shutdown()


@contextmanager
def a_domain():
    """One that no other test run on this machine has."""
    for domain in random.SystemRandom().sample(range(1, 101), 100):
        lock = Path(tempfile.gettempdir()) / f"cvdl-tests-domain-{domain}"
        with lock.open("w") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield domain
            return
    raise RuntimeError("all ROS domains are taken")


@pytest.fixture
def wire(graph):
    spinning = Spinning()
    wire = Wire(spinning.add(rclpy.create_node("camera_and_ears")))
    try:
        # What was killed stays in the graph until its lease ends, 10 s or, of Fast DDS, 20 s later.
        assert wait_until(lambda: not wire.nodes(), 3 * PATIENCE_S), f"these stay: {wire.nodes()}"
        yield wire
    finally:
        spinning.close()


@pytest.fixture
def start(graph):
    """A function: a node, spun on its own thread, active unless ``autostart`` is false."""
    running = []

    def make(kind, autostart=True, namespace="perception", **parameters):
        values = {"detector.enable": False} if hasattr(kind.CONFIG(), "detector") else {}
        values |= {name.replace("__", "."): value for name, value in parameters.items()}
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        node = kind(namespace=namespace, parameter_overrides=overrides)
        if autostart:
            assert node.trigger_configure().to_label() == "transition_success"
            assert node.trigger_activate().to_label() == "transition_success"
        running.append(Spinning())
        return running[-1].add(node)

    yield make
    while running:
        running.pop().close()


@pytest.fixture(scope="session")
def tabletop():
    """A frame with some things on a table, 320 x 240."""
    config = SimulationConfig(width=320, height=240, min_objects=3, max_objects=4)
    return replace(simulate_scene(3, 0, config=config).frame, stamp_ns=STAMP_NS)


@pytest.fixture
def tabletops(tabletop):
    """A function: so many copies, 15 a second."""
    return lambda n: [replace(tabletop, stamp_ns=STAMP_NS + i * PERIOD_NS) for i in range(n)]
