"""The stages for a live node: each runs only where its results are wanted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import cvdl.detection
import cvdl.grasping
from cvdl.detection.detector import Detector
from cvdl.detection.stage import DetectionStage
from cvdl.device import pick_device
from cvdl.frame import Detection, Grasp, RgbdFrame, Scene
from cvdl.grasping.detector import GraspDetector
from cvdl.grasping.stage import GraspStage
from cvdl.pipeline import PerceptionConfig
from cvdl.ros.segments import Segmentation
from cvdl.tabletop import TabletopSegmenter

__all__ = ["NEEDS_DETECTION", "NEEDS_GRASPS", "Stages"]

#: Topics of `SCENE_TOPICS` that a stage's results are in.
NEEDS_DETECTION = frozenset(
    {"segmentation/objects", "detection/boxes", "detection/tracks", "markers", "overlay"}
)
NEEDS_GRASPS = frozenset(
    {"grasp/rectangles", "grasp/poses", "grasp/detections", "markers", "overlay"}
)


class Stages:
    """The same stages, in the same order, as `cvdl.pipeline.Perception`, on demand.

    Args:
        config: which stages there are, and their settings.
        loaded: stages with the same detectors, devices and weights, whose networks are taken
            over; they are loaded if not given.

    Attributes:
        classes: the names that the detector knows; empty without one.
        device: where the networks run.

    Raises:
        InputError: if what a stage needs is not there: weights, a device.
    """

    def __init__(self, config: PerceptionConfig, loaded: Stages | None = None) -> None:
        self.config = config
        self._detector: Detector | None = loaded._detector if loaded else None
        self._grasp_detector: GraspDetector | None = loaded._grasp_detector if loaded else None
        self._segment = TabletopSegmenter(config.segmentation)
        self._detect: DetectionStage | None = None
        self._grasp: GraspStage | None = None
        devices = set()
        if config.detector.enable:
            settings = config.detector
            self._detector = self._detector or cvdl.detection.load_detector(
                settings.detector, settings.weights, settings.device
            )
            if loaded and loaded.config.detector == settings:  # it keeps its tracks
                self._detect = loaded._detect
            else:
                self._detect = DetectionStage(settings, self._detector)
            devices.add(str(pick_device(settings.device)))
        if config.grasp.enable:
            grasp = config.grasp
            weights = Path(grasp.weights) if grasp.weights else None
            self._grasp_detector = self._grasp_detector or cvdl.grasping.load_detector(
                grasp.detector, weights, grasp.device
            )
            self._grasp = GraspStage(grasp, self._grasp_detector)
            devices.add(str(pick_device(grasp.device)))
        self.classes = self._detect.classes if self._detect else ()
        self.device = ", ".join(sorted(devices)) or "cpu"

    def __call__(
        self,
        frame: RgbdFrame,
        wanted: Collection[str],
        segmentation: Segmentation | None = None,
    ) -> Scene:
        """Run on one frame the stages whose results are in the topics wanted.

        Args:
            frame: colour and depth.
            wanted: topics of `SCENE_TOPICS`.
            segmentation: of this frame, where another node has made it.
        """
        latency_ms: dict[str, float] = {}
        if segmentation is None:
            with _timed(latency_ms, "segment"):
                labels, plane, objects = self._segment(frame)
        else:
            labels, plane, objects = segmentation.labels, segmentation.plane, segmentation.objects
        detections: tuple[Detection, ...] = ()
        if self._detect is not None and not NEEDS_DETECTION.isdisjoint(wanted):
            with _timed(latency_ms, "detect"):
                detections, objects = self._detect(frame, labels, objects)
        grasps: tuple[Grasp, ...] = ()
        refused: dict[str, int] = {}
        if self._grasp is not None and not NEEDS_GRASPS.isdisjoint(wanted):
            with _timed(latency_ms, "grasp"):
                grasps = self._grasp(frame, labels, plane, objects)
            refused = dict(self._grasp.refused)
        return Scene(labels, plane, objects, latency_ms, grasps, refused, detections, self.classes)


@contextmanager
def _timed(latency_ms: dict[str, float], stage: str) -> Iterator[None]:
    start = perf_counter()
    yield
    latency_ms[stage] = (perf_counter() - start) * 1e3
