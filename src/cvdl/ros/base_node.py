"""The base of the nodes: a managed node that runs stages on matched frames."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from time import monotonic, monotonic_ns
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from std_srvs.srv import SetBool, Trigger

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.core.worker import LatestWorker, Worker
from cvdl.detection.config import DetectionConfig
from cvdl.grasping.config import GraspConfig
from cvdl.language.config import WordsConfig
from cvdl.messages.config import NodeConfig
from cvdl.messages.factory import MessageFactory
from cvdl.messages.reading import stamp_ns
from cvdl.messages.segments import Segmented
from cvdl.messages.sync import Match
from cvdl.messages.topics import (
    DIAGNOSTICS_TOPIC,
    LABEL_INFO_TOPIC,
    LABELS_TOPIC,
    OBJECTS_TOPIC,
    Results,
    needs_of,
    topics_of,
)
from cvdl.networks.engine import device_of
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.recognition.config import RecognitionConfig
from cvdl.recognition.stage import RecognitionStage
from cvdl.ros.captioning import CaptionOutput
from cvdl.ros.finding import FOUND, FindInput
from cvdl.ros.inputs import (
    NO_SEGMENTATION,
    CameraInput,
    SegmentationInput,
    TfInput,
    camera_source,
)
from cvdl.ros.interfaces import message_type
from cvdl.ros.parameters import (
    GraspNodeConfig,
    PerceptionNodeConfig,
    assemble,
    descriptor,
    parameters_of,
)
from cvdl.ros.rate_limit import RateLimit
from cvdl.ros.same_name import SameName
from cvdl.ros.subscriptions import OVERRIDABLE
from cvdl.ros.teaching import TeachInput
from cvdl.ros.transforms import Transformer
from cvdl.runner import NEWER_FRAME, Runner
from cvdl.warm_up import warmed_up

__all__ = ["BaseNode"]

_log = logging.getLogger("cvdl.ros")

_TICK_S = 1.0  # period of the diagnostics and of the checks of the inputs
_LAST_S = 2.0  # after which a match without a follower counts as the last one
_STOP_S = 2.0  # longest wait for the current frame when the work ends, e.g. by Ctrl-C
_GRASP_ONLY = "grasp.only"  # the parameter that the topic grasp_only sets
_WINDOW = 100  # frames that diagnostics report latencies and planes of


class BaseNode(LifecycleNode):
    """A managed node that runs stages on matched frames.

    Unconfigured it has only parameters. Configured it has networks and publishers. Active, it
    subscribes, processes and publishes.

    Class attributes:
        NAME: node name, unless remapped.
        CONFIG: model of its parameters.

    Args:
        kwargs: see rclpy.node.Node.
    """

    NAME: ClassVar[str]
    CONFIG: ClassVar[type[NodeConfig]]

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
        self._perceive: Perception | None = None
        self._transformer: Transformer | None = None
        self._tf: TfInput | None = None
        self._result_publishers: dict[str, Any] = {}
        self._diagnostics: Any = None
        self._worker: LatestWorker[Iterator[None]] | None = None
        self._second: Worker | None = None
        self._finishing: Future[None] | None = None
        self._runner: Runner | None = None
        self._camera: CameraInput | None = None
        self._segmented: SegmentationInput[Match] | None = None
        self._teaching: TeachInput | None = None
        self._finding: FindInput | None = None
        self._captioning: CaptionOutput | None = None
        self._names: Any = None
        self._same_name = SameName(self)
        self._reported: tuple[Any, ...] = ()  # what the last diagnostics were about
        self._timer: Any = None
        self._once = False
        self._limit = RateLimit()
        self._unwanted: tuple[float, Match, Segmented | None] | None = None
        self.create_service(SetBool, "~/enable", self._on_enable)
        self.create_service(Trigger, "~/detect_once", self._on_detect_once)

    def get_logger(self) -> Any:
        """The node's logger; after a shutdown, when nothing can be published, that of a console."""
        return super().get_logger() if self.context.ok() else get_logger("cvdl")

    # Transitions --------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the networks and create the publishers; on failure the node stays unconfigured."""
        try:
            self._settings = assemble(self.CONFIG, self._values())
            self._second = Worker() if self._settings.overlap else None
            self._worker = LatestWorker(partial(self._work, self._second), self._on_overrun)
            config = _stages_of(self._settings)
            start = monotonic()
            self._perceive = self._worker.call(lambda: warmed_up(config), self.context.ok)
            if self._settings.target_frame:
                self._transformer = Transformer(self, self._settings.target_frame)
            for topic in topics_of(self.NAME):
                qos = QoSProfile(depth=10)
                if topic.name == LABEL_INFO_TOPIC:  # late joiners get the class names too
                    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
                self._result_publishers[topic.name] = self._publisher(topic.name, topic.type, qos)
            kind = "diagnostic_msgs/msg/DiagnosticArray"
            self._diagnostics = self._publisher(DIAGNOSTICS_TOPIC, kind, QoSProfile(depth=10))
        except CancelledError:  # Ctrl-C
            self._release()
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            # No exception may end the process: the state machine swallows even unknown ones.
            known = isinstance(error, InputError)
            self.get_logger().error(f"cannot be configured: {error}" if known else repr(error))
            _log.debug("configure", exc_info=error)
            self._release()
            return TransitionCallbackReturn.FAILURE
        self._has_sent_classes = False
        self.get_logger().info(
            f"configured in {monotonic() - start:.1f} s: networks on {_devices_of(config)}"
        )
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and process."""
        assert self._perceive
        self._limit.restart()
        self._tf = TfInput(self)
        source = camera_source(self, self._settings, self._tf)
        transformer = self._transformer
        self._runner = Runner(
            self._perceive,
            source,
            self._factory,
            window=_WINDOW,
            device=_devices_of(self._perceive.config),
            target_frame=transformer.target_frame if transformer else "",
            to_target=self._to_target if transformer else None,
            # After a shutdown nothing can be published.
            ends_run=lambda error: not self.context.ok(),
        )
        if LABELS_TOPIC not in self._result_publishers:
            self._segmented = SegmentationInput(self, self._choose, self._on_unsegmented)
        if self._perceive.recognition is not None:
            self._teaching = TeachInput(self, self._tf.tree, self._recognition)
        if FOUND.keys() <= self._result_publishers.keys():  # it has all stages
            self._finding = FindInput(self, self._publisher, self._taught)
            self._captioning = CaptionOutput(self, self._publisher, self._words)
        self._camera = CameraInput(self, self._settings, source, self._on_match)
        if _GRASP_ONLY in self._specs:
            kind, qos = message_type("std_msgs/msg/String"), QoSProfile(depth=10)
            self._names = self.create_subscription(kind, "grasp_only", self._on_names, qos)
        self._timer = self.create_timer(_TICK_S, self._tick, clock=self._steady)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe; the results of the current frame are not published."""
        result = super().on_deactivate(state)  # first: nothing is published from here on
        self._stop()
        return result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release networks and publishers."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    # After a transition that failed halfway the node is unconfigured again.
    on_error = on_shutdown

    def destroy_node(self) -> None:
        """Release everything, and the node."""
        self._stop()
        self._release()
        super().destroy_node()
        # It holds the node's handle, and a stage that has not ended holds this object: the node
        # would stay in the graph until the middleware gives it up 10 s later.
        self._state_machine = None

    def _stop(self) -> None:
        for part in (
            self._camera, self._segmented, self._teaching, self._finding, self._captioning, self._tf
        ):  # fmt: skip
            if part is not None:
                part.close()
        if self._timer is not None:
            self.destroy_timer(self._timer)
        if self._names is not None:
            self.destroy_subscription(self._names)
        self._names = None
        self._camera = self._segmented = self._tf = self._timer = self._unwanted = None
        self._runner = self._teaching = self._finding = self._captioning = None
        end = monotonic() + _STOP_S
        is_idle = self._worker is None or self._worker.clear(_STOP_S)
        is_idle &= self._second is None or self._second.wait(max(0.0, end - monotonic()))
        if not is_idle:
            self.get_logger().warning(f"a stage did not end within {_STOP_S:g} s")

    def _release(self) -> None:
        for publisher in (*self._result_publishers.values(), self._diagnostics):
            if publisher is not None:
                self.destroy_lifecycle_publisher(publisher)
        self._result_publishers, self._diagnostics = {}, None
        if self._transformer is not None:
            self._transformer.close()
        for worker in (self._worker, self._second):
            if worker is not None:
                worker.stop()
        self._transformer = self._perceive = self._worker = self._second = None

    def _publisher(self, topic: str, kind: str, qos: QoSProfile) -> Any:
        return self.create_lifecycle_publisher(
            message_type(kind), topic, qos, qos_overriding_options=QoSOverridingOptions(OVERRIDABLE)
        )

    # Parameters and services --------------------------------------------------------------------

    def _values(self) -> dict[str, Any]:
        return {name: self.get_parameter(name).value for name in self._specs}

    def _warn_of_unknown(self) -> None:
        """Warn of unknown parameters in files and on the command line, which rclpy ignores.

        Parameters of our other nodes are accepted: all nodes may share one file.
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
        if self._perceive is not None:
            for name, value in new.items():
                if not self._specs[name].live and value != values[name]:
                    reason = f"{name} can be set only while the node is unconfigured"
                    return result(successful=False, reason=reason)
        try:
            settings = assemble(self.CONFIG, {**values, **new})
            if self._perceive is not None:
                self._perceive = Perception(_stages_of(settings), self._perceive)
                if self._runner is not None:
                    self._runner.perceive = self._perceive
        except InputError as error:
            return result(successful=False, reason=str(error))
        self._settings = settings
        if "enable" in new:  # an explicit setting replaces the single frame of detect_once
            self._once = False
        if new.keys() & {"enable", "max_rate"}:  # the next frame is due by the new settings
            self._limit.restart()
        return result(successful=True)

    def _on_names(self, message: Any) -> None:
        """Grasp these objects only, from the next frame on."""
        self.set_parameters([Parameter(_GRASP_ONLY, value=message.data)])
        self.get_logger().info(f"{_GRASP_ONLY}: {message.data or 'all objects'}")

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
        self._publish_classes(match)
        if self._segmented is not None and self._segmented.is_published:
            self._ask_for_names(self._segmented)
            self._segmented.wait(stamp_ns(match.color), match)
        else:
            self._choose(match)

    def _ask_for_names(self, segmented: SegmentationInput[Match]) -> None:
        """Let another node name the objects where that is of use, and this one does not."""
        if isinstance(self._settings, GraspNodeConfig):
            only = bool(self._settings.grasp.only)
            segmented.ask_for_names(only or "detect" in needs_of(self._wanted()), only)

    def _publish_classes(self, match: Match) -> None:
        """Publish the class names once, even if no frame is wanted."""
        publisher = self._result_publishers.get(LABEL_INFO_TOPIC)
        if self._has_sent_classes or publisher is None or not self._perceive or not self._runner:
            return
        self._has_sent_classes = True
        stamp, frame_id = stamp_ns(match.color), match.color.header.frame_id
        message = self._runner.class_names(self._perceive.classes, stamp, frame_id)
        if message is not None:
            publisher.publish(message)

    def _choose(self, match: Match, segmentation: Segmented | None = None) -> None:
        """Submit a match to the worker if it is wanted and due."""
        settings, wanted, now = self._settings, self._wanted(), monotonic()
        self._unwanted = None
        if not settings.enable:
            return
        if not wanted:
            self._unwanted = (now, match, segmentation)
            return
        if not self._limit(now, settings.max_rate):
            return
        if self._once:
            self.set_parameters([Parameter("enable", value=False)])
        if self._worker is not None and self._runner is not None:
            publish = partial(self._publish, self._runner)
            self._worker.submit(self._runner.steps(match, publish, wanted, segmentation))

    def _choose_unwanted(self) -> None:
        """Submit the last match if it is wanted only now and none has come since.

        A source of a single image publishes it once, perhaps before anybody subscribes to results.
        """
        if self._unwanted is not None and self._wanted():
            since, match, segmentation = self._unwanted
            if monotonic() - since > _LAST_S:
                self._choose(match, segmentation)

    def _on_unsegmented(self, match: Match, cause: str) -> None:
        if self._runner is None or not self._settings.enable:
            return
        if cause == NO_SEGMENTATION:
            topic = self.resolve_topic_name(LABELS_TOPIC)
            self._runner.tally.drop(cause, f"no messages on {topic}")
        else:  # as by a node that is slower than the camera
            self._runner.tally.count(cause)

    def _on_overrun(self, steps: Iterator[None]) -> None:
        if self._runner is not None:
            self._runner.tally.count(NEWER_FRAME)

    def _wanted(self) -> frozenset[str]:
        """The result topics with subscribers; the class names are sent anyway.

        What is to be taught needs the objects.
        """
        wanted = {
            topic
            for topic, publisher in self._result_publishers.items()
            if topic != LABEL_INFO_TOPIC and publisher.get_subscription_count()
        }
        if self._teaching is not None and self._teaching.teacher.is_waiting:
            wanted.add(OBJECTS_TOPIC)
        if self._finding is not None:
            wanted |= self._finding.wanted
        if self._captioning is not None:
            wanted |= self._captioning.wanted
        return frozenset(wanted)

    # Processing, on the threads of the workers ---------------------------------------------------

    def _work(self, second: Worker | None, steps: Iterator[None]) -> None:
        """Process a frame; a second worker takes it over after the first step, once it is free.

        Until then no other frame is begun: it would only get old.
        """
        if second is None:
            self._run(steps)
            return
        with self._until_shutdown():
            next(steps, None)
        if self._finishing is not None:
            self._finishing.result()
        self._finishing = second.start(partial(self._run, steps))

    def _run(self, steps: Iterator[None]) -> None:
        """Run all steps of a frame that are left."""
        with self._until_shutdown():
            for _ in steps:
                pass

    @contextmanager
    def _until_shutdown(self) -> Iterator[None]:
        """Ignore errors after a shutdown, when nothing can be published."""
        try:
            yield
        except Exception:
            if self.context.ok():
                raise

    def _publish(self, runner: Runner, messages: dict[str, Any], results: Results) -> None:
        if self._runner is not runner:  # stopped meanwhile, and perhaps activated again
            return
        for topic, message in messages.items():
            publisher = self._result_publishers.get(topic)
            if publisher is not None:
                publisher.publish(message)
        names = self._result_publishers.get(LABEL_INFO_TOPIC)
        if names is not None:  # something may have been taught
            frame, classes = results.frame, results.scene.classes
            message = runner.class_names(classes, frame.stamp_ns, frame.frame_id)
            if message is not None:
                names.publish(message)
        if self._teaching is not None and self._perceive is not None:
            self._teaching.teacher.look(results.frame, results.scene)
        captioning = self._captioning
        if captioning is not None:
            captioning.look(results.frame, results.scene)
        runner.notices = self._notices()
        finding = self._finding
        if finding is not None:
            frame = results.frame
            finding.look(
                frame,
                results.scene,
                lambda scene: runner.messages(Results(frame, scene), finding.wanted),
            )

    def _notices(self) -> tuple[str, ...]:
        """What the overlays of the next frames show besides their results."""
        taught = self._teaching.teacher.notices() if self._teaching is not None else ()
        said = self._captioning.notices() if self._captioning is not None else ()
        return (*taught, *said)

    def _words(self) -> WordsConfig:
        return (
            self._settings.words if isinstance(self._settings, PerceptionConfig) else WordsConfig()
        )

    def _recognition(self) -> RecognitionStage | None:
        return self._perceive.recognition if self._perceive is not None else None

    def _taught(self) -> tuple[str, ...]:
        stage = self._recognition()
        return stage.classes() if stage is not None else ()

    def _to_target(self, frame: RgbdFrame) -> NDArray[np.float64]:
        assert self._transformer
        timeout = self._settings.transform_timeout
        return self._transformer(frame.frame_id, frame.stamp_ns, timeout)

    # Reports ------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Publish diagnostics, and log why no frames arrive."""
        if self._camera is None or self._runner is None:
            return
        self._camera.watch()
        self._same_name.watch()
        if self._segmented is not None:
            self._ask_for_names(self._segmented)
            self._segmented.watch()
        self._choose_unwanted()
        more: dict[str, str] = {}
        if self._teaching is not None:
            self._teaching.teacher.expire()
            more = self._teaching.teacher.status()
            self._runner.notices = self._notices()
        stamp, silence = self.get_clock().now().nanoseconds, self._camera.silence()
        # The clock of a bag that has ended stands still.
        about = (stamp, self._runner.tally.frames, self._camera.source.pairs, bool(silence))
        if about == self._reported:
            return
        self._reported = about
        self._diagnostics.publish(
            self._runner.report(
                stamp,
                monotonic_ns(),
                self.get_fully_qualified_name(),
                idle=not self._settings.enable,
                silence=silence,
                doubt=self._camera.doubt(),
                max_latency_s=self._settings.max_latency,
                more=more,
            )
        )


def _stages_of(settings: NodeConfig) -> PerceptionConfig:
    """The stages of a node: those in its parameters, the others disabled."""
    stages: dict[str, Any] = {
        "detector": DetectionConfig(enable=False),
        "gallery": RecognitionConfig(enable=False),
        "grasp": GraspConfig(enable=False),
    }
    own = {name for name in PerceptionConfig.model_fields if hasattr(settings, name)}
    return PerceptionConfig(**stages | {name: getattr(settings, name) for name in own})


def _devices_of(config: PerceptionConfig) -> str:
    """The devices of the networks."""
    stages = [stage for stage in (config.detector, config.grasp) if stage.enable]
    return ", ".join(sorted({device_of(stage.device) for stage in stages})) or "cpu"
