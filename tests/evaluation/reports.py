from cvdl.evaluation.detection import DetectionScores


def report_of(samples, detections, classes, class_agnostic=False):
    """The report on what was found in views."""
    scores = DetectionScores(classes, class_agnostic)
    for sample, found in zip(samples, detections, strict=True):
        scores.add(sample, found)
    return scores.report()
