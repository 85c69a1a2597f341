"""Runs the stages on matched messages, for live nodes and replays alike.

Matched messages go in; result messages, counts, warnings, latencies and diagnostics come out.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene, Segmentation
from cvdl.core.tally import Tally, summary_of, timed
from cvdl.messages.depth_registration import NotRegisteredYetError
from cvdl.messages.factory import MessageFactory
from cvdl.messages.images import MessageError
from cvdl.messages.reading import stamp_ns
from cvdl.messages.region import with_region
from cvdl.messages.segments import Segmented, read_names, read_segmentation
from cvdl.messages.source import RgbdSource
from cvdl.messages.sync import Match
from cvdl.messages.target_frame import TransformMissingError, transformed
from cvdl.messages.topics import (
    LABEL_INFO_TOPIC,
    REPORTER,
    TOPICS,
    Results,
    needs_of,
    scene_messages,
)
from cvdl.messages.up import with_up
from cvdl.pipeline import Perception
from cvdl.segmentation import SegmentationConfig
from cvdl.segmentation.doubts import UNSEEN, tilt_deg
from cvdl.segmentation.missing_plane import missing_plane

__all__ = ["NEWER_FRAME", "NOT_NAMED", "NOT_SEGMENTED", "Findings", "Runner"]

#: Why frames are dropped where all is well, but a camera is faster than a node, or one node than
#: another one.
NEWER_FRAME = "a newer frame arrived"
NOT_SEGMENTED = "not segmented"
NOT_NAMED = "not named"
_SKIPPED = (NEWER_FRAME, NOT_SEGMENTED, NOT_NAMED)

_log = logging.getLogger(__name__)

_PLANELESS = 0.5  # share of frames without a support plane that is worth a warning
_SPATIAL = frozenset(name for name, topic in TOPICS.items() if topic.spatial)


class Findings:
    """What was found in the frames of a run.

    Args:
        window: number of frames of which `has_plane` and `planeless_depths` are kept; all if not
            given.

    Attributes:
        objects: number of objects by class; those without a class under "".
        taught: number of objects that the gallery has named, by name.
        unnamed: number of objects that it has not named, by reason.
        unmatched: number of detections without an object.
        off_support: number of these that are off the support.
        refused_detections: number of refused detections, by reason.
        grasps: number of grasps.
        refused: number of objects without a grasp, by reason.
        plane_causes: number of frames without a support plane, by the likeliest cause.
        planeless_depths: median depth of each of these frames, meters.
        has_plane: whether each segmented frame shows a support plane.
        tilt_deg: tilt of the support against gravity, degrees; None if up is not known.
        support_kind: of the last segmented frame, see ``Scene``.
    """

    def __init__(self, window: int | None = None) -> None:
        self.objects: Counter[str] = Counter()
        self.taught: Counter[str] = Counter()
        self.unnamed: Counter[str] = Counter()
        self.unmatched = 0
        self.off_support = 0
        self.refused_detections: Counter[str] = Counter()
        self.grasps = 0
        self.refused: Counter[str] = Counter()
        self.plane_causes: Counter[str] = Counter()
        self.planeless_depths: deque[float] = deque(maxlen=window)
        self.has_plane: deque[bool] = deque(maxlen=window)
        self.tilt_deg: float | None = None
        self.support_kind = ""

    def add(self, scene: Scene) -> None:
        """Count objects, detections and grasps."""
        self.objects.update(item.class_name for item in scene.objects)
        self.taught.update(item.class_name for item in scene.objects if item.is_taught)
        self.unnamed.update(scene.unnamed)
        self.unmatched += sum(not detection.label for detection in scene.detections)
        self.off_support += sum(detection.off_support for detection in scene.detections)
        self.refused_detections.update(scene.refused_detections)
        self.grasps += len(scene.grasps)
        self.refused.update(scene.refused)


class Runner:
    """Reads matched messages as frames, runs the stages, and builds the messages of the results.

    A frame that cannot be processed is dropped, counted and reported once per cause. The latencies
    are "read" (messages to a frame), those of the stages, "draw" (the overlay), "write" (building
    and sending messages) and "total" (from the match to its results, with all waiting).

    Args:
        perceive: the stages; any function of a frame serves where all topics are wanted, and is
            called in the first step.
        source: reads the matches.
        make: builds the messages.
        window: number of latest frames that latencies and planes are reported of; all if not given.
        device: device of the networks, for the diagnostics.
        target_frame: frame of the spatial topics; empty for the camera's.
        to_target: the (4, 4) transform from a frame's camera to the target frame, meters; may
            raise `TransformMissingError`.
        ends_run: whether an exception ends the run instead of only dropping a frame.

    Attributes:
        perceive: may be replaced between two frames.
        notices: what to write on the overlay of every frame.
        tally: counts and latencies.
        found: what was found.
    """

    def __init__(
        self,
        perceive: Callable[..., Scene],
        source: RgbdSource,
        make: MessageFactory,
        *,
        window: int | None = None,
        device: str = "",
        target_frame: str = "",
        to_target: Callable[[RgbdFrame], NDArray[np.float64]] | None = None,
        ends_run: Callable[[Exception], bool] = lambda error: False,
    ) -> None:
        self.perceive = perceive
        self.notices: tuple[str, ...] = ()
        self.tally = Tally(window)
        self.found = Findings(window)
        self._source, self._make = source, make
        self._device = device
        self._target_frame, self._to_target = target_frame, to_target
        self._ends_run = ends_run
        self._classes: tuple[str, ...] = ()
        # Time, frames, skipped frames and other drops at the last report.
        self._reported: tuple[int | None, int, int, int] = (None, 0, 0, 0)

    @property
    def dropped(self) -> Counter[str]:
        """Number of dropped messages and frames, by cause."""
        with self.tally.lock:
            return self._source.dropped + self.tally.dropped

    def __call__(
        self,
        match: Match,
        write: Callable[[dict[str, Any], Results], None],
        wanted: Set[str] = TOPICS.keys(),
        segmentation: Segmented | None = None,
    ) -> None:
        """Process one match at once; see `steps` for the arguments."""
        for _ in self.steps(match, write, wanted, segmentation):
            pass

    def steps(
        self,
        match: Match,
        write: Callable[[dict[str, Any], Results], None],
        wanted: Set[str] = TOPICS.keys(),
        segmentation: Segmented | None = None,
    ) -> Iterator[None]:
        """Process one match in three steps, each until the next item of the iterator.

        They are: read and segment; detect, find grasps and draw; build and write the messages.
        Each may run on another thread, beside another step of another match. The same step of
        two matches runs in their order, and not at the same time. The steps of a frame that is
        dropped end early.

        Args:
            match: color, depth and camera_info.
            write: called with the messages by topic, and what they were built of.
            wanted: names of the topics to build; only the stages that they need run.
            segmentation: messages of other nodes for this match; the frame is segmented here if
                not given.
        """
        return self._steps(perf_counter(), match, write, wanted, segmentation)

    def _steps(
        self,
        start: float,
        match: Match,
        write: Callable[[dict[str, Any], Results], None],
        wanted: Set[str],
        segmentation: Segmented | None,
    ) -> Iterator[None]:
        stamp = stamp_ns(match.color)
        latency_ms: dict[str, float] = {}
        perceive, settings = self.perceive, SegmentationConfig()
        if isinstance(perceive, Perception):
            settings = perceive.config.segmentation
        try:
            with timed(latency_ms, "read"):
                match = self._source.unpacked(match)
                frame = self._source.read(match)
                doubts = list(self._source.doubts(match, frame))
                transforms, problem = self._source.transforms, self._source.tf_problem
                frame = with_region(frame, transforms, settings.region, problem)
                found = None
                if segmentation is None:
                    frame = with_up(frame, transforms, settings, self.tally.warn, problem)
                else:
                    found = self._read_segmentation(segmentation, frame)
            needs = needs_of(wanted)
            if isinstance(perceive, Perception):
                bridged, scene = perceive.segment(frame, found)
                yield
                scene = perceive.recognize(bridged, scene, "detect" in needs, "grasp" in needs)
            else:
                scene = perceive(frame)
                yield
            latency_ms |= scene.latency_ms
            scene = replace(scene, notices=(*scene.notices, *self.notices))
            results = Results(frame, scene)
            if "draw" in needs:
                with timed(latency_ms, "draw"):
                    _ = results.picture
            yield
            with timed(latency_ms, "write"):
                write(self.messages(results, wanted), results)
            latency_ms["total"] = (perf_counter() - start) * 1e3
        except NotRegisteredYetError as error:  # usual at every start, so no warning
            if not self.tally.dropped[error.cause]:
                _log.info("%s", error)
            self.tally.count(error.cause)
        except MessageError as error:
            self.tally.drop(error.cause, f"{', '.join(self._source.topics)}: {error}")
        except TransformMissingError as error:
            self.tally.drop("no transform", f"segmentation/objects: {error}")
        except Exception as error:  # a stage that fails on one frame must not end the run
            # A Ctrl-C while compiled code returns becomes the cause of a SystemError.
            if isinstance(error.__cause__, KeyboardInterrupt):
                raise error.__cause__ from None
            if self._ends_run(error):
                raise
            cause = _cause_of(error)
            _log.debug("frame with stamp %d ns", stamp, exc_info=error)
            self.tally.drop(cause, f"{cause}, at stamp {stamp} ns: {error}")
        else:
            for cause, sentence in (*doubts, *scene.doubts):
                self.tally.warn(cause, sentence)
            with self.tally.lock:
                self.found.add(scene)
                if segmentation is None:
                    self._note_plane(frame, scene, settings.max_range)
                self.tally.add(latency_ms)

    def class_names(self, classes: tuple[str, ...], stamp: int, frame_id: str) -> Any:
        """The message of the class names if they have changed since the last call, else None."""
        if classes == self._classes:
            return None
        self._classes = classes
        return self._make.label_info(stamp, frame_id, classes)

    def report(
        self,
        stamp: int,
        now_ns: int,
        name: str,
        idle: bool = False,
        silence: str = "",
        doubt: str = "",
        max_latency_s: float = 0.0,
        more: Mapping[str, str] | None = None,
    ) -> Any:
        """The diagnostics since the last report.

        Args:
            stamp: stamp of the message, nanoseconds.
            now_ns: time for the rate, nanoseconds.
            name: name of the component.
            idle: whether frames are skipped.
            silence: why no frames arrive; empty if they do.
            doubt: what is wrong with the input; empty if nothing is.
            max_latency_s: median latency from which to warn, seconds; 0: never.
            more: values to add.
        """
        with self.tally.lock:
            frames, dropped, found = self.tally.frames, self.dropped, self.found
            skipped = sum(dropped[cause] for cause in _SKIPPED)
            lost = Counter({c: n for c, n in dropped.items() if c not in _SKIPPED})
            since_ns, *before = self._reported
            self._reported = (now_ns, frames, skipped, lost.total())
            new, new_skipped, new_lost = np.subtract(self._reported[1:], before).tolist()
            values = {"frames": str(frames)}
            if since_ns is not None and now_ns > since_ns:
                values["rate (Hz)"] = f"{new / (now_ns - since_ns) * 1e9:.2f}"
            latency_ms = self.tally.latency_ms()
            for stage, (median, p95) in latency_ms.items():
                values[f"latency of {stage} (ms)"] = f"median {median:.1f}, 95 % {p95:.1f}"
            values["pairs"] = str(self._source.pairs)
            values["objects"] = str(found.objects.total())
            if self._classes:
                values["objects without a class"] = str(found.objects[""])
                values["objects named by the gallery"] = str(found.taught.total())
                for reason, count in found.unnamed.items():
                    values[f"not named by the gallery: {reason}"] = str(count)
                values["detections without an object"] = str(found.unmatched)
                values["detections off the support"] = str(found.off_support)
                for reason, count in found.refused_detections.items():
                    values[f"detections refused: {reason}"] = str(count)
            if found.grasps or "grasp" in latency_ms:
                values["grasps"] = str(found.grasps)
                for reason, count in found.refused.items():
                    values[f"no grasp: {reason}"] = str(count)
            for cause, count in dropped.items():
                values[f"dropped: {cause}"] = str(count)
            if found.support_kind:
                values["kind of the support"] = found.support_kind
            if found.tilt_deg is not None:
                values["tilt of the support (deg)"] = f"{found.tilt_deg:.1f}"
            planeless = 0.0
            if found.has_plane:
                planeless = 1 - sum(found.has_plane) / len(found.has_plane)
                values["frames without a support plane (%)"] = f"{100 * planeless:.0f}"
        if self._source.registration.note:
            values["depth"] = "registered to color here"
        if self._device:
            values |= {"device": self._device, "memory (MB)": _memory_mb(self._device)}
        if doubt:
            values["input"] = doubt
        values |= more or {}
        is_planeless = planeless > _PLANELESS and not idle
        median_s = latency_ms.get("total", (0.0, 0.0))[0] / 1e3
        is_late = 0 < max_latency_s < median_s and not idle
        if silence:
            summary = f"no frame: {silence}"
        elif idle:
            summary = "idle"
        elif is_planeless:
            summary = f"no support plane in {planeless:.0%} of the frames: no grasps there"
        elif is_late:
            summary = f"results are {median_s:.1f} s old; max_latency is {max_latency_s:g} s"
        elif new_skipped and not doubt and not new_lost:
            share = new_skipped / (new + new_skipped)
            summary = f"{share:.0%} of the frames skipped for newer ones"
        else:
            summary = doubt or summary_of(lost)
        is_wrong = bool(silence or doubt or new_lost) or is_planeless or is_late
        return self._make.diagnostics(stamp, f"{REPORTER}{name}", summary, values, is_wrong)

    def _read_segmentation(self, messages: Segmented, frame: RgbdFrame) -> Segmentation:
        """The segmentation of another node, in the camera's frame, with the names of a third."""
        found, frame_id = read_segmentation(messages)
        found = read_names(messages, found)
        if found.labels.shape != frame.depth.shape:
            height, width = found.labels.shape
            raise MessageError(
                "sizes differ",
                f"segmentation/labels {width}x{height}, color {frame.camera.width}x"
                f"{frame.camera.height}",
            )
        if frame_id == frame.frame_id:
            return found
        if self._to_target is None or frame_id != self._target_frame:
            raise MessageError(
                "segmentation/objects in another frame",
                f"{frame_id!r}; accepted: the camera's, {frame.frame_id!r}, and this node's "
                "target_frame",
            )
        return transformed(found, np.linalg.inv(self._to_target(frame)).astype(np.float64))

    def messages(self, results: Results, wanted: Set[str]) -> dict[str, Any]:
        """The messages of a frame's results by topic; spatial ones in the target frame."""
        frame, scene = results.frame, results.scene
        messages: dict[str, Any] = {}
        if LABEL_INFO_TOPIC in wanted:
            names = self.class_names(scene.classes, frame.stamp_ns, frame.frame_id)
            if names is not None:
                messages[LABEL_INFO_TOPIC] = names
        in_target = None
        if self._to_target is not None and not _SPATIAL.isdisjoint(wanted):
            try:
                in_target = results.in_frame(self._target_frame, self._to_target(frame))
            except TransformMissingError as error:
                self.tally.count("no transform")
                self.tally.warn("no transform", f"3-D results are skipped: {error}")
                wanted = wanted - _SPATIAL
        return messages | scene_messages(self._make, results, wanted, in_target)

    def _note_plane(self, frame: RgbdFrame, scene: Scene, max_range: float) -> None:
        self.found.has_plane.append(scene.plane is not None)
        if scene.plane is None:
            missing = missing_plane(frame.depth, max_range)
            if scene.region is not None:
                inside = scene.region.mask(frame.depth, frame.camera)
                missing = missing_plane(frame.depth[inside], max_range)
                missing = replace(missing, cause=f"in segmentation.region, {missing.cause}")
            self.found.plane_causes[missing.cause] += 1
            self.found.planeless_depths.append(missing.median)
            if UNSEEN not in dict(scene.doubts):  # which has its own warning
                self.tally.warn(f"no support plane: {missing.cause}", missing.sentence)
        elif frame.up is not None:
            self.found.tilt_deg = tilt_deg(scene.plane, frame.up)
        self.found.support_kind = scene.support_kind


def _cause_of(error: Exception) -> str:
    torch = sys.modules.get("torch")  # not on a CPU
    if torch is not None and isinstance(error, torch.cuda.OutOfMemoryError):
        torch.cuda.empty_cache()
        return "out of GPU memory"
    return f"{type(error).__name__} in a stage"


def _memory_mb(device: str) -> str:
    """Memory of this process, and on the GPU if it uses one."""
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    text = f"{resident / 1e6:.0f}"
    if "cuda" in device:
        import torch

        text += f", GPU {torch.cuda.memory_allocated() / 1e6:.0f}"
    return text
