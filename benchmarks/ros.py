"""Latency of the nodes: from the stamp of an image to its result, next to the offline pipeline.

    python benchmarks/ros.py [--data DIR] [--frames N] [--device cpu] [--rate HZ]

The perception node runs in its own process; this one publishes the frames of an image folder
through DDS, each as soon as the result of the previous one arrives, and measures the time from the
stamp (just before the color image is published) to the last result. The offline time is that of
the stages on the same frames, and of drawing the overlay if it is subscribed to.

A second table is of a camera that does not wait for results: with and without the parameter
``overlap``, the latency of the frames that are processed, and how many are, per second.

The last line is of teaching, with such a camera: the time from a name on the topic ``teach`` to the
first result with that name, for the object in the middle of some of the frames.

Needs ROS 2, or the extra cvdl[live].
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, time_ns
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from rich.console import Console
from rich.progress import track

from cvdl.core.frame import RgbdFrame
from cvdl.datasets import ImageFolder
from cvdl.messages.factory import MessageFactory
from cvdl.messages.reading import stamp_ns
from cvdl.messages.topics import OBJECTS_TOPIC, SCENE_TOPICS, TOPICS
from cvdl.pipeline import Perception, load_config
from cvdl.ros import executables
from cvdl.ros.interfaces import message_type
from cvdl.viz.pictures import overlay
from measuring import DATA, new_table, timed

NODE = f"from {executables.__name__} import perception; perception()"
NAMESPACE = "/benchmark"
IMAGES = {"color": "Image", "depth": "Image", "camera_info": "CameraInfo"}
# Best effort, the default of the node for its inputs, may lose images of this size.
RELIABLE = [
    f"qos_overrides.{NAMESPACE}/{name}.subscription.reliability:=reliable" for name in IMAGES
]
#: The settings of each variant, and the results it subscribes to.
VARIANTS: dict[str, tuple[list[str], list[str]]] = {
    "segmentation": (
        ["detector.enable=false", "grasp.enable=false"],
        ["segmentation/labels", "segmentation/objects"],
    ),
    "and detection": (["grasp.enable=false"], ["segmentation/objects", "detection/boxes"]),
    "and grasps": ([], ["segmentation/objects", "detection/boxes", "grasp/poses"]),
    "and overlay, markers": ([], [name for name in SCENE_TOPICS if not TOPICS[name].is_large]),
}
STAGES = ("segmentation", "detector", "grasp")
WARM_UP = 5  # frames that are not counted: they compile and load
START_S = 60.0  # time to load the networks, at most
TEXT = "std_msgs/msg/String"
TAUGHT = 10  # things
TEACH_S = 5.0  # for each, at most
LOST_S = 3.0  # after this time a result is lost
ABSENT = {"detection/tracks"}  # tracking is off
UNSTAMPED = {"segmentation/plane"}


class Bench(Node):
    """Publishes frames and waits for their results."""

    def __init__(self, results: Sequence[str]) -> None:
        super().__init__("bench", namespace=NAMESPACE)
        self._make = MessageFactory(message_type)
        self._inputs = {
            name: self.create_publisher(message_type(f"sensor_msgs/msg/{kind}"), name, 10)
            for name, kind in IMAGES.items()
        }
        self._expected = set(results) - ABSENT - UNSTAMPED
        self._teach, self._forget = (
            self.create_publisher(message_type(TEXT), topic, 10) for topic in ("teach", "forget")
        )
        self._named: dict[str, float] = {}  # time of the first result with each name
        self._arrived: dict[int | None, dict[str, int]] = defaultdict(dict)
        for topic in self._expected:
            self.create_subscription(
                message_type(SCENE_TOPICS[topic]),
                topic,
                partial(self._on_result, topic),
                10,
            )

    def wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the node subscribes to all inputs."""
        end = monotonic() + START_S
        while not all(pub.get_subscription_count() for pub in self._inputs.values()):
            if process.poll() is not None or monotonic() > end:
                raise SystemExit("the perception node has not started")
            rclpy.spin_once(self, timeout_sec=0.1)

    def latency_ms(self, frame: RgbdFrame) -> float:
        """From the stamp to the last result, milliseconds; NaN if one is lost."""
        stamp = self._publish(self._messages(frame))
        self._spin_until(monotonic() + LOST_S, stamp)
        return self._latency_ms(stamp)

    def stream(self, frames: Sequence[RgbdFrame], rate: float) -> tuple[list[float], float]:
        """Publish frames at a rate, per second.

        Returns:
            Milliseconds of each frame with results, and the number of these per second.
        """
        messages = [self._messages(frame) for frame in frames]
        begin, stamps = monotonic(), []
        for number, each in enumerate(messages, start=1):
            stamps.append(self._publish(each))
            self._spin_until(begin + number / rate)
        seconds = monotonic() - begin
        latencies = [self._latency_ms(stamp) for stamp in stamps]
        found = [latency for latency in latencies if not np.isnan(latency)]
        return found, len(found) / seconds

    def teach(self, name: str, frame: RgbdFrame, rate: float) -> float:
        """Teach a name, with frames at a rate.

        Returns:
            Seconds to the first result with the name; NaN if there is none in time.
        """
        self.latency_ms(frame)  # no frame of another scene is in work any more
        messages, begin = self._messages(frame), monotonic()
        self._teach.publish(message_type(TEXT)(data=name))
        for number in range(1, round(TEACH_S * rate)):
            self._publish(messages)
            self._spin_until(begin + number / rate)
            if name in self._named:
                break
        self._forget.publish(message_type(TEXT)(data=name))  # the next may be the same thing
        return self._named.get(name, float("nan")) - begin

    def _messages(self, frame: RgbdFrame) -> dict[str, Any]:
        return {
            "camera_info": self._make.camera_info(frame),
            "depth": self._make.depth(frame),
            "color": self._make.color(frame),
        }

    def _publish(self, messages: dict[str, Any]) -> int:
        """Publish a frame with the time as its stamp, nanoseconds."""
        stamp = time_ns()
        seconds, nanoseconds = divmod(stamp, 1_000_000_000)
        for name, message in messages.items():
            message.header.stamp.sec, message.header.stamp.nanosec = seconds, nanoseconds
            self._inputs[name].publish(message)
        return stamp

    def _spin_until(self, end: float, stamp: int | None = None) -> None:
        """Receive results until a time, or until all of a stamp have arrived."""
        while (left := end - monotonic()) > 0 and not self._is_complete(stamp):
            rclpy.spin_once(self, timeout_sec=left)

    def _is_complete(self, stamp: int | None) -> bool:
        return self._arrived[stamp].keys() == self._expected

    def _latency_ms(self, stamp: int) -> float:
        if not self._is_complete(stamp):
            return float("nan")
        return (max(self._arrived[stamp].values()) - stamp) / 1e6

    def _on_result(self, topic: str, message: Any) -> None:
        if topic == OBJECTS_TOPIC:
            for each in message.detections:
                self._named.setdefault(each.results[0].hypothesis.class_id, monotonic())
        headed = message.markers[0] if topic == "markers" else message
        self._arrived[stamp_ns(headed)][topic] = time_ns()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA / "osd", help="folder of RGB-D images")
    parser.add_argument("--frames", type=int, default=50, help="that are counted")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--rate", type=float, default=15, help="frames per second of a camera")
    arguments = parser.parse_args()
    # On this machine only, and apart from any other ROS graph.
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("ROS_DOMAIN_ID", "97")
    # Images through large sockets and shared memory: docs/ros.md, "Quality of service".
    os.environ.setdefault("FASTDDS_BUILTIN_TRANSPORTS", "LARGE_DATA")
    frames = list(islice(cycle(list(ImageFolder(arguments.data))), arguments.frames + WARM_UP))
    camera = frames[0].camera
    devices = [f"{stage}.device={arguments.device}" for stage in STAGES]
    title = f"{arguments.frames} frames {camera.width}x{camera.height}, milliseconds"
    headings = ("stages", "offline", "95 %", "on the wire", "95 %", "more", "lost")
    table = new_table(*headings, title=title)
    rclpy.init()
    for name, (overrides, results) in VARIANTS.items():
        overrides = [*overrides, *devices]
        with bench_of(overrides, results) as bench:
            times = [bench.latency_ms(frame) for frame in track(frames, name, transient=True)]
        wire = times[WARM_UP:]
        offline = measure_offline(frames, overrides, "overlay" in results)
        more = float(np.nanmedian(wire) - np.median(offline))
        table.add_row(
            name,
            *(f"{value:.1f}" for value in np.percentile(offline, (50, 95))),
            *(f"{value:.1f}" for value in np.nanpercentile(wire, (50, 95))),
            f"{more:.1f}",
            str(int(np.isnan(wire).sum())),
        )
    title = f"a camera with {arguments.rate:g} frames per second, all stages"
    streams = new_table("overlap", "frames/s", "latency", "95 %", title=title)
    overrides, results = VARIANTS["and grasps"]
    for overlap in track(("false", "true"), "with a camera", transient=True):
        with bench_of([*overrides, *devices, f"overlap={overlap}"], results) as bench:
            for frame in frames[:WARM_UP]:
                bench.latency_ms(frame)
            latency, rate = bench.stream(frames, arguments.rate)
        figures = (rate, *np.percentile(latency, (50, 95)))
        streams.add_row(overlap, *(f"{value:.1f}" for value in figures))
    with (
        TemporaryDirectory() as gallery,
        bench_of([*overrides, *devices, f"gallery.path={gallery}"], results) as bench,
    ):
        for frame in frames[:WARM_UP]:
            bench.latency_ms(frame)
        apart = frames[:: max(len(frames) // TAUGHT, 1)][:TAUGHT]
        taught = [
            bench.teach(f"thing {number}", frame, arguments.rate)
            for number, frame in enumerate(track(apart, "teaching", transient=True))
        ]
    rclpy.shutdown()
    console = Console()
    console.print(table)
    console.print(streams)
    known = np.array(taught)[np.isfinite(taught)]
    median, longest = (f"{of(known):.2f}" if len(known) else "-" for of in (np.median, np.max))
    console.print(
        f"from a name on teach to the first result with it: median {median} s, longest {longest} "
        f"s; {len(known)} of {len(taught)} things had their names in time"
    )


@contextmanager
def bench_of(overrides: Sequence[str], results: Sequence[str]) -> Iterator[Bench]:
    """A running node, and the bench that is connected with it."""
    values = [*(each.replace("=", ":=") for each in overrides), *RELIABLE]
    parameters = [part for value in values for part in ("-p", value)]
    command = [sys.executable, "-c", NODE, "--ros-args", "-r", f"__ns:={NAMESPACE}", *parameters]
    process = subprocess.Popen(command)
    bench = Bench(results)
    try:
        bench.wait_until_it_listens(process)
        yield bench
    finally:
        bench.destroy_node()
        process.terminate()
        process.wait()


def measure_offline(
    frames: Sequence[RgbdFrame], overrides: Sequence[str], drawn: bool
) -> list[float]:
    perception = Perception(load_config(None, overrides))

    def run(frame: RgbdFrame) -> None:
        scene = perception(frame)
        if drawn:
            overlay(frame, scene)

    return [timed(run, frame)[1] for frame in frames][WARM_UP:]


if __name__ == "__main__":
    main()
