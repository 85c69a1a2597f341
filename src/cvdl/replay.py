"""Replays a bag through the perception: bag in, bag out, without ROS."""

from __future__ import annotations

import shutil
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from time import perf_counter
from typing import Any

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
from cvdl.core.scene import Scene
from cvdl.core.worker import Worker
from cvdl.messages.factory import MessageFactory
from cvdl.messages.images import MessageError
from cvdl.messages.reading import stamp_ns
from cvdl.messages.source import RgbdSource
from cvdl.messages.sync import DEFAULT_SLOP_S, Match
from cvdl.messages.topics import DIAGNOSTICS_TOPIC, LABEL_INFO_TOPIC, REPORTER, TOPICS, Results
from cvdl.pipeline import Perception
from cvdl.runner import Findings, Runner
from cvdl.viz.recording import PictureFolder, Recording, RerunRecording

__all__ = ["NAMESPACE", "ReplayOptions", "ReplaySummary", "replay"]

#: The prefix of the result topics.
NAMESPACE = "/perception"

_REPORT_PERIOD_NS = 1_000_000_000
#: Messages of a topic that wait for a partner: a recorder may receive one topic seconds after
#: another, and no result is urgent here.
_QUEUE = 100
#: Longest wait for the current step when an error or a second Ctrl-C ends a replay.
_STOP_S = 2.0
#: Images with the stamp of another image, per frame, from which there is a warning.
_MANY_EQUAL = 0.25
#: Least slop where messages are paired by their times of recording, which scatter more than stamps.
_RECORDED_SLOP_S = 0.05


@dataclass(frozen=True)
class ReplayOptions:
    """Topics and outputs of a replay.

    Attributes:
        color_topic: found by type if not given, like the next two.
        depth_topic: depth registered to color, or with its own camera_info and a transform in tf.
        camera_info_topic: CameraInfo of color.
        slop_s: largest difference between the stamps of color and depth, seconds.
        only_results: do not copy the messages of the input.
        pictures: folder for an overlay of each frame, as PNG.
        rerun: file for a rerun recording.
        limit: stop after this many frames.
        overwrite: replace existing outputs.
        points_topic: organized point clouds with color, instead of color and depth; found by type
            if there are no images.
        overlap: whether to segment a frame while objects and grasps are found in the one before.
        points: whether to write `segmentation/points`, too, 20 bytes a pixel.
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
    overlap: bool = True
    points: bool = False


@dataclass(frozen=True)
class ReplaySummary:
    """The outcome of a replay.

    Attributes:
        topics: topics of which frames were made.
        frames: number of frames processed and written.
        dropped: number of messages and frames dropped, by cause.
        latency_ms: median and 95th percentile of each stage, milliseconds; see `Runner`.
        seconds: wall time.
        found: objects, detections, grasps and planes of all frames.
        registration: how depth is registered to color, in a sentence; empty if it already was.
        problem: why no frame was processed; empty if one was.
        interrupted: whether Ctrl-C ended the replay; the bag is complete up to there.
    """

    topics: RgbdTopics
    frames: int
    dropped: Counter[str]
    latency_ms: dict[str, tuple[float, float]]
    seconds: float
    found: Findings = field(default_factory=Findings)
    registration: str = ""
    problem: str = ""
    interrupted: bool = False


def replay(
    bag: Path,
    out: Path | None,
    perception: Callable[..., Scene] | None = None,
    options: ReplayOptions | None = None,
    on_progress: Callable[[int, int], None] = lambda done, expected: None,
) -> ReplaySummary:
    """Run the perception on every matched pair of a bag; write a rosbag2 with the results.

    Args:
        bag: rosbag2 folder or file, or ROS 1 bag.
        out: folder to write; None: no bag is written, and no stage runs but ``perception``.
        perception: the stages, or any function from a frame to a scene; the stages with the
            default settings if not given.
        options: topics and outputs.
        on_progress: called after each frame with the number done and the number expected.

    Raises:
        InputError: if the bag cannot be read, its topics are ambiguous, or an output exists
            already or cannot be written.
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
        if out is not None:
            check_output(out, options.overwrite)
        # Nothing is removed before every check has passed.
        for recording in recordings:
            stack.enter_context(recording)
        writer = None
        if out is not None:
            prepare_output(out, options.overwrite)
            writer = stack.enter_context(BagWriter(out))
        summary = _Run(reader, writer, topics, perception, options, recordings)(on_progress)
    if summary.problem and out is not None:  # a bag without results would only block the next try
        shutil.rmtree(out)
    return summary


class _Run:
    """One replay."""

    def __init__(
        self,
        reader: BagReader,
        writer: BagWriter | None,
        topics: RgbdTopics,
        perceive: Callable[..., Scene],
        options: ReplayOptions,
        recordings: list[Recording],
    ) -> None:
        self._reader, self._writer, self._topics = reader, writer, topics
        self._options, self._recordings = options, recordings
        still = [] if topics.is_cloud else self._topics_without_stamps()
        self._has_stamps = not still
        self._source = RgbdSource(
            topics.color,
            topics.depth,
            topics.camera_info,
            topics.depth_info,
            known_transforms(reader),
            slop_s=max(options.slop_s, _RECORDED_SLOP_S) if still else options.slop_s,
            queue_size=_QUEUE,
        )
        for topic in (topics.depth_info, topics.camera_info if topics.is_cloud else ""):
            self._add_first(topic)
        self._runner = Runner(
            perceive,
            self._source,
            MessageFactory(message_type),
            ends_run=lambda error: isinstance(error, (BagError, OSError)),
        )
        if still:
            self._runner.tally.warn(
                "stamps stand still",
                f"the stamps of {' and '.join(still)} are zero or do not change: color and "
                "depth are paired by the time of recording",
            )
        self._wanted = frozenset(
            name
            for name, topic in TOPICS.items()
            if writer is not None and (options.points or not topic.is_large)
        )
        self._interrupt = _Interrupt()
        self._processed: Counter[int] = Counter()  # matches of the first pass, by stamp
        self._undecodable: Counter[str] = Counter()
        self._reported_ns: int | None = None

    def __call__(self, on_progress: Callable[[int, int], None]) -> ReplaySummary:
        counts = {topic.name: topic.count for topic in self._reader.topics}
        expected = min(counts[self._topics.color], counts[self._topics.depth])
        if self._options.limit is not None:
            expected = min(expected, self._options.limit)
        start = perf_counter()
        interrupted = False
        with self._interrupt:
            try:
                process = _overlapping if self._options.overlap else _one_by_one
                matches = islice(self._matches(), self._options.limit)
                with closing(process(self._steps(*each) for each in matches)) as processed:
                    for done, _ in enumerate(processed, start=1):
                        on_progress(done, expected)
            except KeyboardInterrupt:
                interrupted = True
        interrupted |= self._interrupt.asked
        tally = self._runner.tally
        equal = self._source.dropped["duplicate stamp"]
        if equal > _MANY_EQUAL * self._source.pairs:
            tally.warn(
                "duplicate stamps",
                f"{self._topics.color}, {self._topics.depth}: {equal} images are skipped, "
                "because another image of their topic has the same stamp",
            )
        damaged = Counter({"message after the damage": self._reader.unread})
        return ReplaySummary(
            topics=self._topics,
            frames=tally.frames,
            dropped=self._runner.dropped + damaged,
            latency_ms=tally.latency_ms(),
            seconds=perf_counter() - start,
            found=self._runner.found,
            registration=self._source.registration.note,
            problem="" if tally.frames or interrupted else self._why_nothing(),
            interrupted=interrupted,
        )

    def _steps(self, match: Match, received_ns: int) -> Iterator[None]:
        yield from self._runner.steps(match, partial(self._write, received_ns), self._wanted)
        self._report(received_ns)

    def _matches(self) -> Iterator[tuple[Match, int]]:
        """Matches with the time when they were complete; copies the input on the way."""
        results = {f"{NAMESPACE}/{name}" for name in TOPICS}
        topics, sync = self._topics, self._source.sync
        inputs = {topics.color, topics.depth, topics.camera_info, topics.depth_info} - {""}
        inputs |= {topic.name for topic in self._reader.topics if holds_transforms(topic)}
        received_ns, copy = 0, None if self._options.only_results else self._writer
        for topic, received_ns, data in self._reader.messages(None if copy else inputs):
            if self._interrupt.asked:
                return
            if topic.name in results or self._is_report(topic, data):  # of an earlier replay
                continue
            if copy:
                copy.copy(topic, received_ns, data)
            elif sync.overflowed:
                break
            if topic.name in inputs and not sync.overflowed:
                for match in self._add(topic, received_ns, data):
                    self._processed[stamp_ns(match.color)] += 1
                    yield match, received_ns
        if sync.overflowed:
            yield from self._matches_in_order(inputs)
        else:
            for match in sync.flush():
                yield match, received_ns

    def _matches_in_order(self, inputs: Collection[str]) -> Iterator[tuple[Match, int]]:
        """A second pass, in the order of the stamps, where the queues of the first were too short.

        Topics may come one after the other in the bag, or camera_info late. Matches of the first
        pass are skipped.
        """
        self._source.restart()
        self._runner.tally.dropped -= self._undecodable  # they come again
        camera_info = self._topics.camera_info
        self._add_first(camera_info)
        names = sorted(inputs, key=lambda name: name != camera_info)
        received_ns = 0
        for topic, received_ns, data in by_time(self._reader, names, self._time_ns):
            if self._interrupt.asked:
                return
            for match in self._add(topic, received_ns, data):
                if not self._was_processed(match):
                    yield match, received_ns
        for match in self._source.sync.flush():
            if not self._was_processed(match):
                yield match, received_ns

    def _was_processed(self, match: Match) -> bool:
        """Whether a match is one of the first pass; called once for each."""
        stamp = stamp_ns(match.color)
        self._processed[stamp] -= 1
        return self._processed[stamp] >= 0

    def _topics_without_stamps(self) -> list[str]:
        """The image topics whose stamps are zero or do not change."""
        names = dict.fromkeys((self._topics.color, self._topics.depth))
        return [name for name in names if stamps_stand_still(self._reader, name)]

    def _time_ns(self, message: Any, received_ns: int) -> int:
        """The time to pair a message by."""
        return stamp_ns(message) if self._has_stamps else received_ns

    def _add_first(self, name: str) -> None:
        """Add the first readable message of a topic, if there is one."""
        for topic, _, data in self._reader.messages([name]) if name else ():
            with suppress(MessageError):
                self._source.add(name, self._reader.decode(topic, data))
                return

    def _is_report(self, topic: Topic, data: Bytes) -> bool:
        """Whether a message holds only diagnostics of cvdl."""
        if topic.name != DIAGNOSTICS_TOPIC:
            return False
        try:
            statuses = self._reader.decode(topic, data).status
        except MessageError:
            return False
        return all(status.name.startswith(REPORTER) for status in statuses)

    def _add(self, topic: Topic, received_ns: int, data: Bytes) -> list[Match]:
        if holds_transforms(topic):
            add_transforms(self._source.transforms, self._reader, topic, data)
            return []
        try:
            message = self._reader.decode(topic, data)
        except MessageError as error:
            self._runner.tally.drop(error.cause, f"{topic.name}: {error}")
            self._undecodable[error.cause] += 1
            return []
        return self._source.add(topic.name, message, self._time_ns(message, received_ns))

    def _write(self, received_ns: int, messages: dict[str, Any], results: Results) -> None:
        if self._writer is not None:
            for name, message in messages.items():
                latched = name == LABEL_INFO_TOPIC
                self._writer.write(f"{NAMESPACE}/{name}", received_ns, message, latched=latched)
        for recording in self._recordings:
            recording.add(results.frame, results.scene, results.picture)

    def _report(self, received_ns: int) -> None:
        """Write diagnostics once a second of the bag's time."""
        if self._writer is None:
            return
        since_ns = self._reported_ns
        if since_ns is not None and 0 <= received_ns - since_ns < _REPORT_PERIOD_NS:
            return
        self._reported_ns = received_ns
        message = self._runner.report(received_ns, received_ns, "perception")
        self._writer.write(DIAGNOSTICS_TOPIC, received_ns, message)

    def _why_nothing(self) -> str:
        tally = self._runner.tally
        if tally.dropped:
            cause, _ = tally.dropped.most_common(1)[0]
            return tally.warnings[cause]
        return self._source.sync.complaint() or f"{', '.join(self._source.topics)}: no message"


def _one_by_one(frames: Iterable[Iterator[None]]) -> Generator[None, None, None]:
    """Run the steps of each frame; yields after each frame."""
    for steps in frames:
        for _ in steps:
            pass
        yield


def _overlapping(frames: Iterable[Iterator[None]]) -> Generator[None, None, None]:
    """Run the second step of each frame on another thread, during the first step of the next.

    All else stays on this thread, which reads and writes in the same order in every run.
    """
    worker = Worker()
    begun: deque[tuple[Iterator[None], Future[None]]] = deque()
    try:
        for steps in chain(frames, (iter(()),)):  # beside the last frame, nothing is begun
            next(steps, None)
            begun.append((steps, worker.start(partial(next, steps, None))))
            if len(begun) > 1:
                before, second = begun.popleft()
                second.result()
                for _ in before:
                    pass
                yield
    finally:
        worker.wait(_STOP_S)  # an exit in the middle of compiled code may abort the process
        worker.stop()


class _Interrupt:
    """Ends a run at Ctrl-C after the current frame; a second Ctrl-C ends it at once.

    An exception in the middle of compiled code sometimes ended the whole process.

    Attributes:
        asked: whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> None:
        # Another handler than Python's own stays in charge.
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


def _check_apart(bag: Path, out: Path | None, options: ReplayOptions) -> None:
    """Raise BagError if an output would replace the input or another output."""
    if out is None:
        return
    source, target = bag.resolve(), out.resolve()
    if target in source.parents:
        raise BagError(f"the output {out} would overwrite its own input {bag}")
    extra = [path for path in (options.pictures, options.rerun) if path is not None]
    for output in (out, *extra):
        if source in (output.resolve(), *output.resolve().parents):
            raise BagError(f"the output {output} would overwrite its own input {bag}")
    for output in extra:
        if target in (output.resolve(), *output.resolve().parents):
            raise BagError(f"{output} is inside the output bag, {out}: choose another place")
    if options.pictures and options.rerun and options.pictures.resolve() == options.rerun.resolve():
        raise BagError(f"{options.rerun} cannot be both the recording and the folder of pictures")
