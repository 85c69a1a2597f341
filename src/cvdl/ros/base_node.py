"""What the nodes share: frames in, stages off the executor's thread, topics out.

A node says which stages it has and which topics it publishes; see the modules beside this one.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic, perf_counter
from types import SimpleNamespace
from typing import Any, ClassVar

from rclpy.clock import Clock, ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import (
    DurabilityPolicy,
    QoSProfile,
    qos_policy_name_from_kind,
    qos_profile_sensor_data,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from cvdl.errors import InputError
from cvdl.frame import RgbdFrame, Scene, Segmentation
from cvdl.pipeline import PerceptionConfig
from cvdl.ros.interfaces import message_type
from cvdl.ros.messages import (
    LABEL_INFO_TOPIC,
    SCENE_TOPICS,
    MessageError,
    MessageFactory,
    doubts,
    read_frame,
    stamp_ns,
)
from cvdl.ros.parameters import NodeConfig, assemble, descriptor, parameters_of
from cvdl.ros.results import SPATIAL, scene_messages
from cvdl.ros.segments import SegmentationTopics, read_segmentation
from cvdl.ros.stages import Stages
from cvdl.ros.transforms import Transformer, TransformMissingError, tilt_deg, transformed
from cvdl.ros.worker import LatestWorker
from cvdl.sync import Match, RgbdSync
from cvdl.tally import Tally

__all__ = ["BaseNode"]

_log = logging.getLogger("cvdl.ros")

_SILENCE_S = 5.0
_REPORT_S = 1.0
_STOP_S = 4.0  # that an end by Ctrl-C waits for the frame under way
_WINDOW = 100  # frames whose latencies are kept
_WAITING = 10  # frames that wait for another node's segmentation
_LEVEL_DEG = 15.0  # a support that is tilted more is worth a word


@dataclass(frozen=True)
class _Job:
    """A frame to work on.

    Attributes:
        match: its messages.
        wanted: the topics that somebody listens to.
        segmentation: labels and objects of another node, where there is one.
    """

    match: Match
    wanted: frozenset[str]
    segmentation: tuple[Any, Any] | None = None


class BaseNode(LifecycleNode):
    """A managed node that runs stages on synchronised frames.

    Unconfigured it has only parameters; configured, networks and publishers; active, it
    subscribes, works and publishes.

    Class attributes:
        NAME: of the node, unless it is remapped.
        CONFIG: model of its parameters.
        TOPICS: of `SCENE_TOPICS`, those that it publishes.
        BUILDS_ON_SEGMENTATION: whether it takes another node's segmentation where there is one.

    Args:
        kwargs: as of rclpy.node.Node.
    """

    NAME: ClassVar[str]
    CONFIG: ClassVar[type[NodeConfig]]
    TOPICS: ClassVar[Sequence[str]]
    BUILDS_ON_SEGMENTATION: ClassVar[bool] = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(self.NAME, **{"namespace": "perception", **kwargs})
        self._factory = MessageFactory(message_type)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._specs = {spec.name: spec for spec in parameters_of(self.CONFIG)}
        for spec in self._specs.values():
            self.declare_parameter(spec.name, spec.default, descriptor(spec))
        self.add_on_set_parameters_callback(self._on_parameters)
        self._settings = self.CONFIG()
        self._stages: Stages | None = None
        self._transformer: Transformer | None = None
        self._scene_publishers: dict[str, Any] = {}
        self._label_info: Any = None
        self._diagnostics: Any = None
        self._worker: LatestWorker[_Job] | None = None
        self._subscribed: list[Any] = []
        self._timers_running: list[Any] = []
        self._once = False
        self._tally_lock = threading.Lock()
        services = (
            ("enable", "SetBool", self._on_enable),
            ("detect_once", "Trigger", self._on_detect_once),
        )
        for name, kind, callback in services:
            self.create_service(_service_type(kind), f"~/{name}", callback)

    # Which stages -------------------------------------------------------------------------------

    def stages_of(self, settings: Any) -> PerceptionConfig:
        """The stages that the node has, with their settings; a subclass says."""
        raise NotImplementedError

    # Transitions --------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the networks and make the publishers; failing leaves the node unconfigured."""
        try:
            self._settings = assemble(self.CONFIG, self._values())
            self._stages = Stages(self.stages_of(self._settings))
            if self._settings.target_frame:
                self._transformer = Transformer(self, self._settings.target_frame)
            for topic in self.TOPICS:
                self._scene_publishers[topic] = self._publisher(topic, SCENE_TOPICS[topic])
            if LABEL_INFO_TOPIC.partition("/")[0] in {t.partition("/")[0] for t in self.TOPICS}:
                latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
                kind = "vision_msgs/msg/LabelInfo"
                self._label_info = self._publisher(LABEL_INFO_TOPIC, kind, latched)
            self._diagnostics = self._publisher(
                "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray"
            )
        except Exception as error:
            # An unforeseen one too must not end the process: the state machine swallows it.
            known = isinstance(error, InputError)
            self.get_logger().error(f"cannot be configured: {error}" if known else repr(error))
            _log.debug("configure", exc_info=error)
            self._release()
            return TransitionCallbackReturn.FAILURE
        self._told_classes = False
        self._tally = Tally(_WINDOW)
        self._overrun = 0
        self._without_transform = 0
        self._tilt: float | None = None
        self.get_logger().info(f"configured: networks on {self._stages.device}")
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and work."""
        settings = self._settings
        color, depth = self._topic("color"), self._topic("depth")
        kinds = {"color": "sensor_msgs/msg/Image", "depth": "sensor_msgs/msg/Image"}
        if settings.image_transport != "raw":
            color += f"/{settings.image_transport}"
            kinds["color"] = "sensor_msgs/msg/CompressedImage"
        if settings.depth_image_transport != "raw":
            depth += f"/{settings.depth_image_transport}"
            kinds["depth"] = "sensor_msgs/msg/CompressedImage"
        info = self._topic("camera_info")
        self._inputs = (color, depth, info)
        self._misfits: dict[str, str] = {}
        self._silent_since = monotonic()
        self._complained: set[str] = set()
        self._last_submitted = 0.0
        self._reported = (monotonic(), self._tally.frames, 0)
        self._sync = RgbdSync(color, depth, info, settings.slop, settings.queue_size)
        self._segmented = SegmentationTopics()
        self._unsegmented: OrderedDict[int, _Job] = OrderedDict()
        self._worker = LatestWorker(self._work, self._on_overrun)
        subscriptions: list[tuple[str, str, Callable[[Any], None]]] = [
            (info, "sensor_msgs/msg/CameraInfo", self._on_camera_info),
            (color, kinds["color"], self._on_color),
            (depth, kinds["depth"], self._on_depth),
        ]
        for topic, kind, callback in subscriptions:
            self._subscribe(topic, kind, callback, qos_profile_sensor_data)
        if self.BUILDS_ON_SEGMENTATION:
            labels, objects = "segmentation/labels", "segmentation/objects"
            for topic, add in (
                (labels, self._segmented.add_labels),
                (objects, self._segmented.add_objects),
            ):
                callback = partial(self._on_segmentation, add)
                self._subscribe(topic, SCENE_TOPICS[topic], callback, QoSProfile(depth=10))
        for period, tick in ((_REPORT_S, self._report), (1.0, self._watch)):
            self._timers_running.append(self.create_timer(period, tick, clock=self._steady))
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening; the frame under way is let go of."""
        result = super().on_deactivate(state)  # first: nothing is published from here on
        self._stop()
        return result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of networks and publishers."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that failed halfway: unconfigured again."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Let go of everything, and of the node."""
        self._stop()
        self._release()
        super().destroy_node()

    def _stop(self) -> None:
        for subscription in self._subscribed:
            self.destroy_subscription(subscription)
        for timer in self._timers_running:
            self.destroy_timer(timer)
        self._subscribed, self._timers_running = [], []
        if self._worker is not None and not self._worker.stop(_STOP_S):
            self.get_logger().warning(f"a stage has not ended within {_STOP_S:g} s")
        self._worker = None

    def _release(self) -> None:
        for publisher in (*self._scene_publishers.values(), self._label_info, self._diagnostics):
            if publisher is not None:
                self.destroy_lifecycle_publisher(publisher)
        self._scene_publishers, self._label_info, self._diagnostics = {}, None, None
        if self._transformer is not None:
            self._transformer.close()
        self._transformer = self._stages = None

    def _publisher(self, topic: str, kind: str, qos: QoSProfile | None = None) -> Any:
        return self.create_lifecycle_publisher(
            message_type(kind),
            topic,
            qos or QoSProfile(depth=10),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _subscribe(
        self, topic: str, kind: str, callback: Callable[[Any], None], qos: QoSProfile
    ) -> None:
        subscription = self.create_subscription(
            message_type(kind),
            topic,
            callback,
            qos,
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=partial(self._on_misfit, topic)
            ),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._subscribed.append(subscription)

    def _topic(self, name: str) -> str:
        return str(self.resolve_topic_name(name))

    # Parameters and services --------------------------------------------------------------------

    def _values(self) -> dict[str, Any]:
        return {name: self.get_parameter(name).value for name in self._specs}

    def _on_parameters(self, changes: Sequence[Parameter]) -> Any:
        result = message_type("rcl_interfaces/msg/SetParametersResult")
        values = self._values()
        new = {each.name: each.value for each in changes if each.name in self._specs}
        if self._stages is not None:
            for name, value in new.items():
                if not self._specs[name].live and value != values[name]:
                    reason = f"{name} can be set only while the node is unconfigured"
                    return result(successful=False, reason=reason)
        try:
            settings = assemble(self.CONFIG, {**values, **new})
            if self._stages is not None:
                # In one step: the worker takes the stages once a frame.
                self._stages = Stages(self.stages_of(settings), self._stages)
        except InputError as error:
            return result(successful=False, reason=str(error))
        self._settings = settings
        return result(successful=True)

    def _on_enable(self, request: Any, response: Any) -> Any:
        self._once = False
        done = self.set_parameters([Parameter("enable", value=request.data)])[0]
        response.success, response.message = done.successful, done.reason
        return response

    def _on_detect_once(self, request: Any, response: Any) -> Any:
        response.success = self._worker is not None
        if response.success:
            self.set_parameters([Parameter("enable", value=True)])
            self._once = True
            response.message = "the next frame is worked on; then the node is idle"
        else:
            response.message = "the node is not active"
        return response

    # Input --------------------------------------------------------------------------------------

    def _on_color(self, message: Any) -> None:
        self._on_matches(self._sync.add_color(stamp_ns(message), message))

    def _on_depth(self, message: Any) -> None:
        self._on_matches(self._sync.add_depth(stamp_ns(message), message))

    def _on_camera_info(self, message: Any) -> None:
        self._on_matches(self._sync.add_camera_info(message))

    def _on_matches(self, matches: list[Match]) -> None:
        for match in matches:
            self._silent_since = monotonic()
            self._complained.clear()
            self._tell_classes(match)
            settings = self._settings
            wanted = self._wanted()
            now = monotonic()
            if not settings.enable or not wanted:
                continue
            if settings.max_rate and now - self._last_submitted < 1 / settings.max_rate:
                continue
            self._last_submitted = now
            job = _Job(match, wanted)
            if self._once:
                self.set_parameters([Parameter("enable", value=False)])
                self._once = False
            if self.BUILDS_ON_SEGMENTATION and self.count_publishers("segmentation/labels"):
                self._unsegmented[stamp_ns(match.color)] = job
                self._submit_segmented()
                if len(self._unsegmented) > _WAITING:
                    self._unsegmented.popitem(last=False)
                    self._drop(
                        "no segmentation", f"nothing on {self._topic('segmentation/labels')}"
                    )
            elif self._worker is not None:
                self._worker.submit(job)

    def _on_segmentation(self, add: Callable[[int, Any], None], message: Any) -> None:
        add(stamp_ns(message), message)
        self._submit_segmented()

    def _submit_segmented(self) -> None:
        for stamp in list(self._unsegmented):
            found = self._segmented.take(stamp)
            if found is not None and self._worker is not None:
                self._worker.submit(replace(self._unsegmented.pop(stamp), segmentation=found))

    def _wanted(self) -> frozenset[str]:
        return frozenset(
            topic
            for topic, publisher in self._scene_publishers.items()
            if publisher.get_subscription_count()
        )

    def _on_overrun(self, job: _Job) -> None:
        self._overrun += 1

    def _on_misfit(self, topic: str, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        self._misfits[topic] = policy
        self.get_logger().warning(
            f"{topic}: a publisher's QoS does not fit ({policy}), nothing comes from it; set "
            f"qos_overrides.{topic}.subscription.{policy.lower()}"
        )

    def _drop(self, cause: str, detail: str) -> None:
        with self._tally_lock:
            self._tally.drop(cause, detail)

    # Work, on the worker's thread ---------------------------------------------------------------

    def _work(self, job: _Job) -> None:
        stages, start = self._stages, perf_counter()
        if stages is None:
            return
        match = job.match
        try:
            frame = read_frame(match.color, match.depth, match.camera_info)
            read = perf_counter()
            scene = stages(frame, job.wanted, self._segmentation(job, frame))
            found = perf_counter()
            self._publish(frame, scene, job.wanted)
            end = perf_counter()
        except MessageError as error:
            self._drop(error.cause, f"{', '.join(self._inputs)}: {error}")
        except Exception as error:  # a stage that fails on one frame must not end the node
            if not self.context.ok():  # the end came between the stages and the publishing
                return
            cause = _cause_of(error)
            _log.debug("frame with stamp %d ns", stamp_ns(match.color), exc_info=error)
            self._drop(cause, f"{cause}, at stamp {stamp_ns(match.color)} ns: {error}")
        else:
            latency = {
                "read": (read - start) * 1e3,
                **scene.latency_ms,
                "publish": (end - found) * 1e3,
                "total": (end - start) * 1e3,
            }
            with self._tally_lock:
                self._tally.add(latency)
                for cause, sentence in doubts(match.color, match.depth, match.camera_info):
                    self._tally.warn(cause, sentence)

    def _segmentation(self, job: _Job, frame: RgbdFrame) -> Segmentation | None:
        if job.segmentation is None:
            return None
        found = read_segmentation(*job.segmentation, frame.frame_id)
        if found.labels.shape != frame.depth.shape:
            height, width = found.labels.shape
            raise MessageError(
                "sizes differ",
                f"segmentation/labels {width}x{height}, colour {frame.camera.width}x"
                f"{frame.camera.height}",
            )
        return found

    def _publish(self, frame: RgbdFrame, scene: Scene, wanted: frozenset[str]) -> None:
        messages = scene_messages(self._factory, frame, scene, wanted - SPATIAL)
        spatial = wanted & SPATIAL
        if self._transformer is None:
            messages.update(scene_messages(self._factory, frame, scene, spatial))
        elif spatial:
            try:
                matrix = self._transformer(
                    frame.frame_id, frame.stamp_ns, self._settings.transform_timeout
                )
            except TransformMissingError as error:
                self._without_transform += 1
                with self._tally_lock:
                    self._tally.warn("no transform", f"3-D results left out: {error}")
            else:
                turned = transformed(scene, matrix)
                target = replace(frame, frame_id=self._transformer.target_frame)
                messages.update(scene_messages(self._factory, target, turned, spatial))
                self._check_level(turned)
        for topic in SCENE_TOPICS:  # in their order
            publisher = self._scene_publishers.get(topic)
            if topic in messages and publisher is not None:
                publisher.publish(messages[topic])

    def _check_level(self, scene: Scene) -> None:
        """Whether the support is level, in a frame whose z axis points up."""
        if scene.plane is None or self._transformer is None:
            return
        self._tilt = tilt_deg(scene.plane)
        if self._tilt > _LEVEL_DEG:
            with self._tally_lock:
                self._tally.warn(
                    "tilted support",
                    f"the support plane is tilted by {self._tilt:.0f} degrees in "
                    f"{self._transformer.target_frame}: is the camera's transform right?",
                )

    # What is told beside the results ------------------------------------------------------------

    def _tell_classes(self, match: Match) -> None:
        """The names of the classes, once; late joiners get them too."""
        if self._told_classes or self._label_info is None or self._stages is None:
            return
        self._told_classes = True
        if self._stages.classes:
            source: Any = SimpleNamespace(
                stamp_ns=stamp_ns(match.color), frame_id=match.color.header.frame_id
            )
            self._label_info.publish(self._factory.label_info(source, self._stages.classes))

    def _watch(self) -> None:
        """Say why nothing pairs, once a cause."""
        if monotonic() - self._silent_since < _SILENCE_S:
            return
        sentence = self._sync.complaint() or f"nothing comes on {', '.join(self._inputs)}"
        cause = sentence.partition(" (")[0]
        if cause in self._complained:
            return
        self._complained.add(cause)
        hints = []
        for topic in self._inputs:
            if topic in self._misfits:
                hints.append(f"{topic}: QoS does not fit ({self._misfits[topic]})")
            elif not self.count_publishers(topic):
                hints.append(f"{topic}: nobody publishes it")
        self.get_logger().warning("; ".join([f"no frame for {_SILENCE_S:g} s: {sentence}", *hints]))

    def _report(self) -> None:
        """Diagnostics."""
        now = monotonic()
        with self._tally_lock:
            frames, latency = self._tally.frames, self._tally.latency_ms()
            dropped: Counter[str] = self._sync.dropped + self._tally.dropped
        dropped["a newer frame came"] = self._overrun
        dropped["no transform"] = self._without_transform
        dropped = +dropped
        since, old_frames, old_dropped = self._reported
        self._reported = (now, frames, dropped.total())
        silent = now - self._silent_since >= _SILENCE_S
        device = self._stages.device if self._stages else ""
        values = {
            "frames": str(frames),
            "rate (Hz)": f"{(frames - old_frames) / max(now - since, 1e-9):.2f}",
            **{
                f"latency of {stage} (ms)": f"median {median:.1f}, 95 % {p95:.1f}"
                for stage, (median, p95) in latency.items()
            },
            "pairs": str(self._sync.matched),
            **{f"dropped: {cause}": str(count) for cause, count in dropped.items()},
            **({} if self._tilt is None else {"tilt of the support (deg)": f"{self._tilt:.1f}"}),
            "device": device,
            "memory (MB)": _memory_mb(device),
        }
        if silent:
            summary = "no frame: " + (self._sync.complaint() or "nothing comes")
        elif not self._settings.enable:
            summary = "idle"
        else:
            summary = f"{dropped.total()} dropped" if dropped else "no frame dropped"
        message = self._factory.diagnostics(
            self.get_clock().now().nanoseconds,
            f"cvdl: {self.get_fully_qualified_name()}",
            summary,
            values,
            warn=silent or dropped.total() > old_dropped,
        )
        self._diagnostics.publish(message)


def _service_type(kind: str) -> Any:
    import std_srvs.srv

    return getattr(std_srvs.srv, kind)


def _cause_of(error: Exception) -> str:
    import torch

    if isinstance(error, torch.cuda.OutOfMemoryError):
        torch.cuda.empty_cache()
        return "out of GPU memory"
    return f"{type(error).__name__} in a stage"


def _memory_mb(device: str) -> str:
    """What the process holds now, and on the GPU where it uses one."""
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    text = f"{resident / 1e6:.0f}"
    if "cuda" in device:
        import torch

        text += f", GPU {torch.cuda.memory_allocated() / 1e6:.0f}"
    return text
