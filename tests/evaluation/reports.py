"""Reports on hand-made detections."""

from cvdl.evaluation.detection import DetectionScores


def report_of(samples, detections, classes, class_agnostic=False):
    """The report on the detections of each sample."""
    scores = DetectionScores(classes, class_agnostic)
    for sample, found in zip(samples, detections, strict=True):
        scores.add(sample, found)
    return scores.report()


__all__ = ["report_of"]
