"""Replays a bag through the perception: bag in, bag out, no ROS needed."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from cvdl.bags import (
    BagError,
    BagReader,
    BagWriter,
    Bytes,
    RgbdTopics,
    Topic,
    by_time,
    check_output,
    find_topics,
    message_type,
    prepare_output,
    stamps_stand_still,
)
from cvdl.bags.transforms import add_transforms, holds_transforms, known_transforms
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.core.tally import Tally, dropped_values, latency_values, summary_of
from cvdl.evaluation.figures import median_of_defined
from cvdl.messages.depth_registration import DepthRegistration
from cvdl.messages.factory import LABEL_INFO_TOPIC, REPORTER, SCENE_TOPICS, MessageFactory
from cvdl.messages.points import images_of
from cvdl.messages.reading import MessageError, doubts, is_rectified, read_frame, stamp_ns
from cvdl.messages.sync import DEFAULT_SLOP_S, Match, RgbdSync
from cvdl.messages.up import with_up
from cvdl.pipeline import Perception
from cvdl.segmentation import SegmentationConfig
from cvdl.segmentation.missing_plane import MissingPlane, missing_plane
from cvdl.viz.pictures import overlay
from cvdl.viz.recording import PictureFolder, Recording, RerunRecording

__all__ = ["NAMESPACE", "ReplayOptions", "ReplaySummary", "replay"]

_log = logging.getLogger(__name__)

#: What the topics of results begin with.
NAMESPACE = "/perception"

_DIAGNOSTICS = "/diagnostics"
_REPORT_PERIOD_NS = 1_000_000_000
#: Messages of a topic that wait for a partner: a recorder may get one topic seconds after another,
#: and here nobody waits for a result.
_QUEUE = 100
#: Of the frames: from so many images with the stamp of another on, there is a warning.
_MANY_EQUAL = 0.25
#: Where stamps tell nothing, the least slop: times of recording scatter more than stamps do.
_RECORDED_SLOP_S = 0.05


@dataclass(frozen=True)
class ReplayOptions:
    """How to replay.

    Attributes:
        color_topic: found by type where not given, like the next two.
        depth_topic: registered to colour, or with a camera_info of its own and a transform in tf.
        camera_info_topic: of colour.
        slop_s: largest difference of the stamps of colour and depth, seconds.
        only_results: leave the input's messages out of the output.
        pictures: folder for an overlay of each frame, as PNG.
        rerun: file for a recording that rerun shows.
        limit: stop after so many frames.
        overwrite: replace an output that exists.
        points_topic: organised point clouds with color, instead of color and depth; found by type
            where there are no images.
    """

    color_topic: str | None = None
    depth_topic: str | None = None
    camera_info_topic: str | None = None
    slop_s: float = DEFAULT_SLOP_S
    only_results: bool = False
    pictures: Path | None = None
    rerun: Path | None = None
    limit: int | None = None
    overwrite: bool = False
    points_topic: str | None = None


@dataclass(frozen=True)
class ReplaySummary:
    """What a replay did.

    Attributes:
        topics: that made the frames.
        frames: number that went through and were written.
        dropped: messages and frames that did not, by cause.
        latency_ms: median and 95th percentile of each stage, milliseconds.
        grasps: number found in all frames.
        refused: number of grasp rectangles that became no grasp, by reason.
        classes: number of objects in all frames, by class; of those without one under "".
        unmatched: number of detections in all frames that are no segmented object.
        off_support: number of these that are off the support.
        refused_detections: number of detections that were left out, by reason.
        without_plane: number of frames that show no support plane.
        plane_causes: why they show none, by the likeliest cause.
        planeless_depth: median of the depth of those frames, metres; NaN where there is none.
        registration: how depth is registered to color, in a sentence; empty where it was already.
        seconds: wall time.
        problem: why there was no frame, if there was none.
        interrupted: whether Ctrl-C ended it; the bag is whole all the same.
    """

    topics: RgbdTopics
    frames: int
    dropped: Counter[str]
    latency_ms: dict[str, tuple[float, float]]
    seconds: float
    grasps: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    unmatched: int = 0
    off_support: int = 0
    refused_detections: Counter[str] = field(default_factory=Counter)
    without_plane: int = 0
    plane_causes: Counter[str] = field(default_factory=Counter)
    planeless_depth: float = float("nan")
    registration: str = ""
    problem: str = ""
    interrupted: bool = False


def replay(
    bag: Path,
    out: Path,
    perception: Callable[[RgbdFrame], Scene] | None = None,
    options: ReplayOptions | None = None,
    on_progress: Callable[[int, int], None] = lambda done, expected: None,
) -> ReplaySummary:
    """Run the perception on every synchronised pair of a bag; write a rosbag2 with the results.

    Args:
        bag: rosbag2 folder or file, or ROS 1 bag.
        out: folder to write.
        perception: the stages; those of the default settings if not given.
        options: topics and outputs.
        on_progress: called after each frame with the number done and the number expected.

    Raises:
        InputError: if the bag cannot be read, its topics are not clear, or an output is in the
            way or cannot be written.
        OSError: if a picture or a recording cannot be written.
    """
    perception, options = perception or Perception(), options or ReplayOptions()
    _check_apart(bag, out, options)
    with ExitStack() as stack:
        reader = stack.enter_context(BagReader(bag))
        topics = find_topics(
            reader,
            options.color_topic,
            options.depth_topic,
            options.camera_info_topic,
            options.points_topic,
        )
        recordings: list[Recording] = []
        if options.pictures is not None:
            recordings.append(PictureFolder(options.pictures, options.overwrite))
        if options.rerun is not None:
            recordings.append(RerunRecording(options.rerun, options.overwrite))
        check_output(out, options.overwrite)
        # Nothing is removed before all that can be refused has been.
        for recording in recordings:
            stack.enter_context(recording)
        prepare_output(out, options.overwrite)
        writer = stack.enter_context(BagWriter(out))
        run = _Run(reader, writer, topics, perception, options, recordings)
        summary = run(on_progress)
    if summary.problem:  # a copy of the input would only be in the way of the next try
        shutil.rmtree(out)
    return summary


class _Run:
    """One replay under way."""

    def __init__(
        self,
        reader: BagReader,
        writer: BagWriter,
        topics: RgbdTopics,
        perception: Callable[[RgbdFrame], Scene],
        options: ReplayOptions,
        recordings: list[Recording],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._topics = topics
        self._perceive = perception
        self._options = options
        self._recordings = recordings
        # Clouds are made of rectified depth.
        self._is_rectified = topics.is_cloud or is_rectified(topics.color)
        self._transforms = known_transforms(reader)
        self._registration = DepthRegistration(topics.depth, topics.depth_info, self._transforms)
        self._registration.camera_info = self._first(topics.depth_info)
        self._points_info = self._first(topics.camera_info) if topics.is_cloud else None
        self._messages = MessageFactory(message_type)
        self._tally = Tally()
        self._interrupt = _Interrupt()
        self._grasps = 0
        self._refused: Counter[str] = Counter()
        self._classes: Counter[str] = Counter()
        self._unmatched = 0
        self._planeless: list[MissingPlane] = []
        self._segmentation = (
            perception.config.segmentation
            if isinstance(perception, Perception)
            else SegmentationConfig()
        )
        self._off_support = 0
        self._refused_detections: Counter[str] = Counter()
        self._told_classes: tuple[str, ...] = ()
        self._has_stamps = self._check_stamps()
        self._sync = self._new_sync()
        self._processed: Counter[int] = Counter()  # frames by the stamp of colour
        self._undecodable: Counter[str] = Counter()
        self._reported_ns: int | None = None
        self._reported_frames = 0
        self._reported_dropped = 0

    def _new_sync(self) -> RgbdSync:
        topics, slop_s = self._topics, self._options.slop_s
        if not self._has_stamps:
            slop_s = max(slop_s, _RECORDED_SLOP_S)
        return RgbdSync(topics.color, topics.depth, topics.camera_info, slop_s, _QUEUE)

    def __call__(self, on_progress: Callable[[int, int], None]) -> ReplaySummary:
        counts = {topic.name: topic.count for topic in self._reader.topics}
        expected = min(counts[self._topics.color], counts[self._topics.depth])
        if self._options.limit is not None:
            expected = min(expected, self._options.limit)
        start = perf_counter()
        interrupted = False
        with self._interrupt:
            try:
                for done, (match, received_ns) in enumerate(self._matches(), start=1):
                    self._process(match, received_ns)
                    on_progress(done, expected)
                    if done == self._options.limit:
                        break
            except KeyboardInterrupt:
                interrupted = True
        interrupted |= self._interrupt.asked
        equal = self._sync.dropped["duplicate stamp"]
        if equal > _MANY_EQUAL * self._sync.matched:
            self._tally.warn(
                "duplicate stamps",
                f"{self._topics.color}, {self._topics.depth}: {equal} images are skipped, "
                "because another image of their topic has the same stamp",
            )
        damaged = Counter({"message after the damage": self._reader.unread})
        return ReplaySummary(
            topics=self._topics,
            frames=self._tally.frames,
            dropped=self._sync.dropped + self._tally.dropped + damaged,
            latency_ms=self._tally.latency_ms(),
            seconds=perf_counter() - start,
            grasps=self._grasps,
            refused=self._refused,
            classes=self._classes,
            unmatched=self._unmatched,
            off_support=self._off_support,
            refused_detections=self._refused_detections,
            without_plane=len(self._planeless),
            plane_causes=Counter(each.cause for each in self._planeless),
            planeless_depth=median_of_defined(np.array([each.median for each in self._planeless])),
            registration=self._registration.note,
            problem="" if self._tally.frames or interrupted else self._why_nothing(),
            interrupted=interrupted,
        )

    def _matches(self) -> Iterator[tuple[Match, int]]:
        """What belongs together, with the time when it was complete; copies the input along."""
        results = {f"{NAMESPACE}/{name}" for name in (*SCENE_TOPICS, LABEL_INFO_TOPIC)}
        topics = self._topics
        inputs = {topics.color, topics.depth, topics.camera_info, topics.depth_info} - {""}
        inputs |= {topic.name for topic in self._reader.topics if holds_transforms(topic)}
        received_ns = 0
        for topic, received_ns, data in self._reader.messages(
            inputs if self._options.only_results else None
        ):
            if self._interrupt.asked:
                return
            if topic.name in results or self._is_report(topic, data):  # of an earlier replay
                continue
            if not self._options.only_results:
                self._writer.copy(topic, received_ns, data)
            elif self._sync.overflowed:
                break
            if topic.name in inputs and not self._sync.overflowed:
                for match in self._synchronise(topic, received_ns, data):
                    self._processed[stamp_ns(match.color)] += 1
                    yield match, received_ns
        if self._sync.overflowed:
            yield from self._matches_in_order(inputs)
        else:
            for match in self._sync.flush():
                yield match, received_ns

    def _matches_in_order(self, inputs: Collection[str]) -> Iterator[tuple[Match, int]]:
        """A second pass, in order of stamps, for what the first one could not keep in its queues.

        Topics may come one after the other in the bag, or camera_info late. What the first pass
        has matched until then is not matched again.
        """
        self._sync = self._new_sync()
        self._tally.dropped -= self._undecodable  # they come again
        camera_info = self._first(self._topics.camera_info)
        if camera_info is not None:
            self._sync.add_camera_info(camera_info)
        names = sorted(inputs, key=lambda name: name != self._topics.camera_info)
        received_ns = 0
        for topic, received_ns, data in by_time(self._reader, names, self._time_ns):
            if self._interrupt.asked:
                return
            for match in self._synchronise(topic, received_ns, data):
                if not self._was_processed(match):
                    yield match, received_ns
        for match in self._sync.flush():
            if not self._was_processed(match):
                yield match, received_ns

    def _was_processed(self, match: Match) -> bool:
        """Whether the first pass had a match; asked once for each."""
        stamp = stamp_ns(match.color)
        self._processed[stamp] -= 1
        return self._processed[stamp] >= 0

    def _check_stamps(self) -> bool:
        """Whether stamps tell what belongs together; warns if not."""
        if self._topics.is_cloud:  # one message has it all
            return True
        still = [
            name
            for name in dict.fromkeys((self._topics.color, self._topics.depth))
            if stamps_stand_still(self._reader, name)
        ]
        if still:
            self._tally.warn(
                "stamps stand still",
                f"the stamps of {' and '.join(still)} are zero or do not change: colour and "
                "depth are paired by the time of recording",
            )
        return not still

    def _time_ns(self, message: Any, received_ns: int) -> int:
        """What a message is paired by."""
        return stamp_ns(message) if self._has_stamps else received_ns

    def _first(self, name: str) -> Any:
        """The first message of a topic that can be read; None where there is none."""
        for topic, _, data in self._reader.messages([name]) if name else ():
            with suppress(MessageError):
                return self._reader.decode(topic, data)
        return None

    def _is_report(self, topic: Topic, data: Bytes) -> bool:
        """Whether a message is nothing but diagnostics of cvdl's."""
        if topic.name != _DIAGNOSTICS:
            return False
        try:
            statuses = self._reader.decode(topic, data).status
        except MessageError:
            return False
        return all(status.name.startswith(REPORTER) for status in statuses)

    def _synchronise(self, topic: Topic, received_ns: int, data: Bytes) -> list[Match]:
        if holds_transforms(topic):
            add_transforms(self._transforms, self._reader, topic, data)
            return []
        try:
            message = self._reader.decode(topic, data)
            if self._topics.is_cloud:
                return self._take_apart(topic, message)
        except MessageError as error:
            self._tally.drop(error.cause, f"{topic.name}: {error}")
            self._undecodable[error.cause] += 1
            return []
        if topic.name == self._topics.camera_info:
            return self._sync.add_camera_info(message)
        if topic.name == self._topics.depth_info:
            self._registration.camera_info = message
            return []
        if topic.name == self._topics.color:
            return self._sync.add_color(self._time_ns(message, received_ns), message)
        return self._sync.add_depth(self._time_ns(message, received_ns), message)

    def _take_apart(self, topic: Topic, message: Any) -> list[Match]:
        """The images of a point cloud, or the camera_info for those that follow."""
        if topic.name == self._topics.camera_info:
            self._points_info = message
            return []
        return [Match(*images_of(message, self._points_info))]

    def _process(self, match: Match, received_ns: int) -> None:
        """One frame through the stages and into the outputs, or dropped and counted."""
        try:
            with _Stopwatch() as total:
                with _Stopwatch() as read:
                    frame = read_frame(
                        match.color,
                        match.depth,
                        match.camera_info,
                        self._is_rectified,
                        self._registration,
                    )
                    frame = with_up(frame, self._transforms, self._segmentation, self._tally.warn)
                scene = self._perceive(frame)
                with _Stopwatch() as draw:
                    picture = overlay(frame, scene)
                with _Stopwatch() as write:
                    self._tell_classes(frame, scene, received_ns)
                    for name, message in self._messages.scene(frame, scene, picture).items():
                        self._writer.write(f"{NAMESPACE}/{name}", received_ns, message)
                    for recording in self._recordings:
                        recording.add(frame, scene, picture)
        except MessageError as error:
            self._tally.drop(error.cause, f"{self._inputs}: {error}")
        except (BagError, OSError):  # an output cannot be written any more
            raise
        except Exception as error:  # a stage that fails on one frame must not end the others
            # A Ctrl-C while compiled code returns becomes the cause of a SystemError.
            if isinstance(error.__cause__, KeyboardInterrupt):
                raise error.__cause__ from None
            cause = f"{type(error).__name__} in a stage"
            stamp = stamp_ns(match.color)
            _log.debug("frame with stamp %d ns", stamp, exc_info=error)
            self._tally.drop(cause, f"{cause}, at stamp {stamp} ns: {error}")
        else:
            of_messages = doubts(
                match.color,
                match.depth,
                match.camera_info,
                self._is_rectified,
                self._registration,
                (frame.camera.width, frame.camera.height),
            )
            for cause, sentence in (*of_messages, *scene.doubts):
                self._tally.warn(cause, sentence)
            if scene.plane is None:
                missing = missing_plane(frame.depth, self._segmentation.max_range)
                self._planeless.append(missing)
                self._tally.warn(f"no support plane: {missing.cause}", missing.sentence)
            self._grasps += len(scene.grasps)
            self._refused.update(scene.refused)
            self._classes.update(item.class_name for item in scene.objects)
            self._unmatched += sum(not detection.label for detection in scene.detections)
            self._off_support += sum(detection.off_support for detection in scene.detections)
            self._refused_detections.update(scene.refused_detections)
            self._tally.add(
                {
                    "read": read.ms,
                    **scene.latency_ms,
                    "draw": draw.ms,
                    "write": write.ms,
                    "total": total.ms,
                }
            )
        self._report(received_ns)

    def _tell_classes(self, frame: RgbdFrame, scene: Scene, received_ns: int) -> None:
        """The names of the classes, once."""
        if scene.classes == self._told_classes:
            return
        message = self._messages.label_info(frame.stamp_ns, frame.frame_id, scene.classes)
        self._writer.write(f"{NAMESPACE}/{LABEL_INFO_TOPIC}", received_ns, message, latched=True)
        self._told_classes = scene.classes

    def _report(self, received_ns: int) -> None:
        """Diagnostics, once a second of the bag's time."""
        since_ns = self._reported_ns
        if since_ns is not None and 0 <= received_ns - since_ns < _REPORT_PERIOD_NS:
            return
        dropped = self._sync.dropped + self._tally.dropped
        values = {"frames": str(self._tally.frames)}
        if since_ns is not None and received_ns > since_ns:
            frames = self._tally.frames - self._reported_frames
            values["rate (Hz)"] = f"{frames / (received_ns - since_ns) * 1e9:.2f}"
        values |= latency_values(self._tally.latency_ms())
        values["objects"] = str(self._classes.total())
        if self._told_classes:
            values["objects without a class"] = str(self._classes[""])
            values["detections without an object"] = str(self._unmatched)
            values["detections off the support"] = str(self._off_support)
            for reason, count in self._refused_detections.items():
                values[f"detections refused: {reason}"] = str(count)
        values["grasps"] = str(self._grasps)
        for reason, count in self._refused.items():
            values[f"no grasp: {reason}"] = str(count)
        values |= dropped_values(dropped)
        message = self._messages.diagnostics(
            received_ns,
            f"{REPORTER}perception",
            summary_of(dropped),
            values,
            warn=dropped.total() > self._reported_dropped,
        )
        self._writer.write(_DIAGNOSTICS, received_ns, message)
        self._reported_ns = received_ns
        self._reported_frames = self._tally.frames
        self._reported_dropped = dropped.total()

    def _why_nothing(self) -> str:
        if self._tally.dropped:
            cause, _ = self._tally.dropped.most_common(1)[0]
            return self._tally.warnings[cause]
        return self._sync.complaint() or f"{self._inputs}: no message"

    @property
    def _inputs(self) -> str:
        topics = self._topics
        names = (topics.color, topics.depth, topics.camera_info)
        return ", ".join(dict.fromkeys(filter(None, names)))


class _Interrupt:
    """Ctrl-C, which ends a run after the frame under way; pressed again, it ends it at once.

    Coming up in the middle of compiled code, it now and then took the process with it.

    Attributes:
        asked: whether it has been pressed.
    """

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> None:
        # Where nobody handles the signal as Python does, it is for whoever does to say.
        self._before = signal.getsignal(signal.SIGINT)
        self._ours = (
            self._before is signal.default_int_handler
            and threading.current_thread() is threading.main_thread()
        )
        if self._ours:
            signal.signal(signal.SIGINT, self._ask)

    def __exit__(self, *exception: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, number: int, frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


class _Stopwatch:
    """Wall time inside a with statement, ``ms``."""

    def __enter__(self) -> _Stopwatch:
        self._start = perf_counter()
        return self

    def __exit__(self, *exception: object) -> None:
        self.ms = (perf_counter() - self._start) * 1e3


def _check_apart(bag: Path, out: Path, options: ReplayOptions) -> None:
    """No output must take the place of the input or of another output."""
    source, target = bag.resolve(), out.resolve()
    if target in source.parents:
        raise BagError(f"the output {out} would overwrite its own input {bag}")
    for output in filter(None, (out, options.pictures, options.rerun)):
        if source in (output.resolve(), *output.resolve().parents):
            raise BagError(f"the output {output} would overwrite its own input {bag}")
    for output in filter(None, (options.pictures, options.rerun)):
        if target in (output.resolve(), *output.resolve().parents):
            raise BagError(f"{output} is inside the output bag, {out}: choose another place")
    if options.pictures and options.rerun and options.pictures.resolve() == options.rerun.resolve():
        raise BagError(f"{options.rerun} cannot be both the recording and the folder of pictures")
