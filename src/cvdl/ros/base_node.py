"""What the nodes share: frames in, stages off the executor's thread, topics out.

A node says which stages it has and which topics it publishes; see the modules beside this one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from difflib import get_close_matches
from time import monotonic, perf_counter
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene, Segmentation
from cvdl.messages.depth_registration import NotRegisteredYetError
from cvdl.messages.factory import LABEL_INFO_TOPIC, REPORTER, SCENE_TOPICS, MessageFactory
from cvdl.messages.reading import MessageError, doubts, read_frame, stamp_ns
from cvdl.messages.segments import read_segmentation
from cvdl.messages.sync import Match
from cvdl.messages.topics import SPATIAL, scene_messages
from cvdl.messages.up import with_up
from cvdl.pipeline import PerceptionConfig
from cvdl.ros.health import Health
from cvdl.ros.inputs import OVERRIDABLE, CameraInput, SegmentationInput
from cvdl.ros.interfaces import message_type
from cvdl.ros.parameters import (
    NodeConfig,
    PerceptionNodeConfig,
    assemble,
    descriptor,
    parameters_of,
)
from cvdl.ros.stages import Stages
from cvdl.ros.tf_input import TfInput
from cvdl.ros.transforms import Transformer, TransformMissingError, transformed
from cvdl.ros.worker import LatestWorker
from cvdl.segmentation.doubts import tilt_deg
from cvdl.segmentation.missing_plane import missing_plane

__all__ = ["BaseNode"]

_log = logging.getLogger("cvdl.ros")

_TICK_S = 1.0  # of diagnostics and of the watch over the inputs
_LAST_S = 2.0  # after which a pair without a follower is taken for the last one
_STOP_S = 2.0  # that an end of the work, by Ctrl-C say, waits for the frame under way


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
        self._warn_of_unknown()
        self.add_on_set_parameters_callback(self._on_parameters)
        self._settings = self.CONFIG()
        self._stages: Stages | None = None
        self._transformer: Transformer | None = None
        self._tf: TfInput | None = None
        self._scene_publishers: dict[str, Any] = {}
        self._label_info: Any = None
        self._diagnostics: Any = None
        self._worker: LatestWorker[_Job] | None = None
        self._health: Health | None = None
        self._camera: CameraInput | None = None
        self._segmented: SegmentationInput[Match] | None = None
        self._timer: Any = None
        self._once = False
        self._unwanted: tuple[float, Match, tuple[Any, Any] | None] | None = None
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
            self._worker = LatestWorker(self._work, self._on_overrun)
            config = self.stages_of(self._settings)
            start = monotonic()
            self._stages = self._worker.call(lambda: Stages.ready(config), self.context.ok)
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
        except CancelledError:  # Ctrl-C
            self._release()
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            # An unforeseen one too must not end the process: the state machine swallows it.
            known = isinstance(error, InputError)
            self.get_logger().error(f"cannot be configured: {error}" if known else repr(error))
            _log.debug("configure", exc_info=error)
            self._release()
            return TransitionCallbackReturn.FAILURE
        self._told_classes = False
        self.get_logger().info(
            f"configured in {monotonic() - start:.1f} s: networks on {self._stages.device}"
        )
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and work."""
        assert self._stages
        self._due = 0.0
        self._health = Health(self._stages.device)
        if self.BUILDS_ON_SEGMENTATION:
            self._segmented = SegmentationInput(self, self._choose, self._on_unsegmented)
        self._tf = TfInput(self)
        self._camera = CameraInput(self, self._settings, self._on_match, self._tf)
        self._timer = self.create_timer(_TICK_S, self._tick, clock=self._steady)
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
        # It holds the node's handle, and a stage that has not ended holds this object: the node
        # would stay in the graph until the middleware takes it for dead, 10 s later.
        self._state_machine = None

    def _stop(self) -> None:
        for inputs in (self._camera, self._segmented, self._tf):
            if inputs is not None:
                inputs.close()
        if self._timer is not None:
            self.destroy_timer(self._timer)
        self._camera = self._segmented = self._tf = self._timer = self._unwanted = None
        if self._worker is not None and not self._worker.clear(_STOP_S):
            self.get_logger().warning(f"a stage did not end within {_STOP_S:g} s")

    def _release(self) -> None:
        for publisher in (*self._scene_publishers.values(), self._label_info, self._diagnostics):
            if publisher is not None:
                self.destroy_lifecycle_publisher(publisher)
        self._scene_publishers, self._label_info, self._diagnostics = {}, None, None
        if self._transformer is not None:
            self._transformer.close()
        if self._worker is not None:
            self._worker.stop()
        self._transformer = self._stages = self._worker = None

    def _publisher(self, topic: str, kind: str, qos: QoSProfile | None = None) -> Any:
        return self.create_lifecycle_publisher(
            message_type(kind),
            topic,
            qos or QoSProfile(depth=10),
            qos_overriding_options=QoSOverridingOptions(OVERRIDABLE),
        )

    # Parameters and services --------------------------------------------------------------------

    def _values(self) -> dict[str, Any]:
        return {name: self.get_parameter(name).value for name in self._specs}

    def _warn_of_unknown(self) -> None:
        """Of names in files and on the command line that are no parameters: rclpy says nothing.

        Those of another of our nodes are none to warn of: all nodes may have one file.
        """
        ours = {spec.name for spec in parameters_of(PerceptionNodeConfig)}
        for name in self._parameter_overrides:  # rclpy has no public name for them
            if name.startswith("qos_overrides."):  # declared with their topics
                continue
            if name not in ours and not self.has_parameter(name):
                like = get_close_matches(name, ours, 1)
                hint = f"; did you mean {like[0]}?" if like else ""
                self.get_logger().warning(f"there is no parameter {name}: it is ignored{hint}")

    def _on_parameters(self, changes: Sequence[Parameter]) -> Any:
        result = message_type("rcl_interfaces/msg/SetParametersResult")
        values = self._values()
        new = {each.name: each.value for each in changes if each.name in self._specs}
        if not new:  # only those that rclpy declares for itself
            return result(successful=True)
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
        if "enable" in new:  # whoever said so wants more, or less, than a single frame
            self._once = False
        if new.keys() & {"enable", "max_rate"}:  # the next frame is due by the new settings
            self._due = 0.0
        return result(successful=True)

    def _on_enable(self, request: Any, response: Any) -> Any:
        done = self.set_parameters([Parameter("enable", value=request.data)])[0]
        response.success, response.message = done.successful, done.reason
        return response

    def _on_detect_once(self, request: Any, response: Any) -> Any:
        response.success = self._camera is not None
        if response.success:
            self.set_parameters([Parameter("enable", value=True)])
            self._once = True
            response.message = "the next frame is processed; then the node is idle"
        else:
            response.message = "the node is not active"
        return response

    # Input --------------------------------------------------------------------------------------

    def _on_match(self, match: Match) -> None:
        self._tell_classes(match)
        if self._segmented is not None and self._segmented.is_published:
            self._segmented.wait(stamp_ns(match.color), match)
        else:
            self._choose(match)

    def _choose(self, match: Match, segmentation: tuple[Any, Any] | None = None) -> None:
        """Has a pair worked on if it is wanted and does not come too soon."""
        settings, wanted, now = self._settings, self._wanted(), monotonic()
        self._unwanted = None
        if not settings.enable:
            return
        if not wanted:
            self._unwanted = (now, match, segmentation)
            return
        if settings.max_rate:
            if now < self._due:
                return
            # A camera at just this rate, a little early and a little late, must not lose frames.
            period = 1 / settings.max_rate
            self._due = max(self._due, now - period / 2) + period
        if self._once:
            self.set_parameters([Parameter("enable", value=False)])
        if self._worker is not None:
            self._worker.submit(_Job(match, wanted, segmentation))

    def _choose_unwanted(self) -> None:
        """Has the last pair worked on, if somebody wants it now and none has come since.

        Who publishes a single picture publishes it once, perhaps before anybody listens to results.
        """
        if self._unwanted is not None and self._wanted():
            since, match, segmentation = self._unwanted
            if monotonic() - since > _LAST_S:
                self._choose(match, segmentation)

    def _on_unsegmented(self, match: Match, is_skipped: bool) -> None:
        if self._health is None or not self._settings.enable:
            return
        if is_skipped:  # as one that is slower than the camera does
            self._health.count("not segmented")
        else:
            topic = self.resolve_topic_name("segmentation/labels")
            self._health.drop("no segmentation", f"no messages on {topic}")

    def _on_overrun(self, job: _Job) -> None:
        if self._health is not None:
            self._health.count("a newer frame arrived")

    def _wanted(self) -> frozenset[str]:
        return frozenset(
            topic
            for topic, publisher in self._scene_publishers.items()
            if publisher.get_subscription_count()
        )

    # Work, on the worker's thread ---------------------------------------------------------------

    def _work(self, job: _Job) -> None:
        stages, health, camera = self._stages, self._health, self._camera
        if stages is None or health is None or camera is None:  # the node has just stopped
            return
        start = perf_counter()
        try:
            match = camera.unpacked(job.match)
            frame = read_frame(
                match.color,
                match.depth,
                match.camera_info,
                camera.is_rectified,
                camera.registration,
            )
            if job.segmentation is None:
                frame = self._with_up(frame, stages, health)
            read = perf_counter()
            scene = stages(frame, job.wanted, self._segmentation(job, frame))
            found = perf_counter()
            if self._camera is not camera:  # stopped meanwhile, and perhaps set up anew
                return
            self._publish(frame, scene, job.wanted, health)
            end = perf_counter()
        except NotRegisteredYetError as error:  # as at every start, so no warning
            health.count(error.cause)
            self.get_logger().info(str(error), once=True)
        except MessageError as error:
            health.drop(error.cause, f"{', '.join(camera.topics)}: {error}")
        except TransformMissingError as error:
            health.drop("no transform", f"segmentation/objects: {error}")
        except Exception as error:  # a stage that fails on one frame must not end the node
            if not self.context.ok():  # the end came between the stages and the publishing
                return
            cause = _cause_of(error)
            _log.debug("frame with stamp %d ns", stamp_ns(job.match.color), exc_info=error)
            health.drop(cause, f"{cause}, at stamp {stamp_ns(job.match.color)} ns: {error}")
        else:
            health.add(
                {
                    "read": (read - start) * 1e3,
                    **scene.latency_ms,
                    "publish": (end - found) * 1e3,
                    "total": (end - start) * 1e3,
                }
            )
            of_messages = doubts(
                match.color,
                match.depth,
                match.camera_info,
                camera.is_rectified,
                camera.registration,
                (frame.camera.width, frame.camera.height),
            )
            for cause, sentence in (*of_messages, *scene.doubts):
                health.warn(cause, sentence)
            if "segment" in scene.latency_ms:
                health.saw_plane(scene.plane is not None)
                if scene.plane is not None and frame.up is not None:
                    health.tilt_deg = tilt_deg(scene.plane, frame.up)
                if scene.plane is None:
                    max_range = stages.config.segmentation.max_range
                    missing = missing_plane(frame.depth, max_range)
                    health.warn(f"no support plane: {missing.cause}", missing.sentence)

    def _with_up(self, frame: RgbdFrame, stages: Stages, health: Health) -> RgbdFrame:
        """Where tf knows it; see `cvdl.messages.up`."""
        tf = self._tf
        if tf is None:  # the node has just stopped
            return frame
        config = stages.config.segmentation
        if tf.problem and config.up == "tf":
            raise MessageError("no up direction", f"segmentation.up is tf, but {tf.problem}")
        return with_up(frame, tf.tree, config, health.warn)

    def _segmentation(self, job: _Job, frame: RgbdFrame) -> Segmentation | None:
        """Of another node, in the camera's frame."""
        if job.segmentation is None:
            return None
        found, frame_id = read_segmentation(*job.segmentation)
        if found.labels.shape != frame.depth.shape:
            height, width = found.labels.shape
            raise MessageError(
                "sizes differ",
                f"segmentation/labels {width}x{height}, colour {frame.camera.width}x"
                f"{frame.camera.height}",
            )
        if not found.objects or frame_id == frame.frame_id:
            return found
        if self._transformer is None or frame_id != self._transformer.target_frame:
            raise MessageError(
                "segmentation/objects in another frame",
                f"{frame_id!r}; accepted: the camera's, {frame.frame_id!r}, and this node's "
                "target_frame",
            )
        from_target = np.linalg.inv(self._to_target(frame, self._transformer)).astype(np.float64)
        return transformed(found, from_target)

    def _to_target(self, frame: RgbdFrame, transformer: Transformer) -> NDArray[np.float64]:
        timeout = self._settings.transform_timeout
        return transformer(frame.frame_id, frame.stamp_ns, timeout)

    def _publish(
        self, frame: RgbdFrame, scene: Scene, wanted: frozenset[str], health: Health
    ) -> None:
        messages = scene_messages(self._factory, frame, scene, wanted - SPATIAL)
        spatial = wanted & SPATIAL
        if self._transformer is None:
            messages.update(scene_messages(self._factory, frame, scene, spatial))
        elif spatial:
            try:
                matrix = self._to_target(frame, self._transformer)
            except TransformMissingError as error:
                health.count("no transform")
                health.warn("no transform", f"3-D results are skipped: {error}")
            else:
                turned = transformed(scene, matrix)
                target = replace(frame, frame_id=self._transformer.target_frame)
                messages.update(scene_messages(self._factory, target, turned, spatial))
        for topic in SCENE_TOPICS:  # in their order
            publisher = self._scene_publishers.get(topic)
            if topic in messages and publisher is not None:
                publisher.publish(messages[topic])

    # What is told beside the results ------------------------------------------------------------

    def _tell_classes(self, match: Match) -> None:
        """The names of the classes, once; late joiners get them too."""
        if self._told_classes or self._label_info is None or self._stages is None:
            return
        self._told_classes = True
        if self._stages.classes:
            stamp, frame_id = stamp_ns(match.color), match.color.header.frame_id
            self._label_info.publish(
                self._factory.label_info(stamp, frame_id, self._stages.classes)
            )

    def _tick(self) -> None:
        """Diagnostics, and a word where nothing comes."""
        if self._camera is None or self._health is None:
            return
        self._camera.watch()
        self._choose_unwanted()
        summary, values, wrong = self._health.report(self._camera, not self._settings.enable)
        self._diagnostics.publish(
            self._factory.diagnostics(
                self.get_clock().now().nanoseconds,
                f"{REPORTER}{self.get_fully_qualified_name()}",
                summary,
                values,
                wrong,
            )
        )


def _service_type(kind: str) -> Any:
    import std_srvs.srv

    return getattr(std_srvs.srv, kind)


def _cause_of(error: Exception) -> str:
    import torch

    if isinstance(error, torch.cuda.OutOfMemoryError):
        torch.cuda.empty_cache()
        return "out of GPU memory"
    return f"{type(error).__name__} in a stage"
