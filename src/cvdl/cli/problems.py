"""The problems that models are trained for and scored on: their models, data and measures.

``cvdl train`` and ``cvdl evaluate`` are the same commands for each of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cvdl.cli.tables import figures_table
from cvdl.core.registry import Model, Registry
from cvdl.datasets.registry import Labels
from cvdl.detection.registry import DETECTORS
from cvdl.grasping.registry import GRASP_DETECTORS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cvdl.evaluation.captions import CaptionScores
    from cvdl.evaluation.classification import ClassificationScores
    from cvdl.evaluation.detection import DetectionReport, DetectionScores
    from cvdl.evaluation.grasping import GraspScores
    from cvdl.evaluation.holding import HoldingScores
    from cvdl.evaluation.instances import InstanceScores
    from cvdl.evaluation.mistakes import Mistake
    from cvdl.evaluation.words import WordsScores
    from cvdl.training.trainer import Trainer

__all__ = [
    "CAPTIONS",
    "CLASSIFICATION",
    "DETECTION",
    "GRASPING",
    "HOLDING",
    "SEGMENTATION",
    "WORDS",
    "Draw",
    "Problem",
]

#: Takes the path of a picture.
Draw = Callable[[Path], None]

Scores = TypeVar("Scores")
Report = TypeVar("Report")


class Problem(ABC, Generic[Scores, Report]):
    """What a model is trained for.

    A *report* has ``figures()``, single figures by name, and ``report()``, all of them for JSON.

    Attributes:
        models: by name.
        default: name of the default model.
        section: of the settings of the stage that uses the model.
        labels: what it is trained on.
        dataset: name of the default data set.
        measured: heading of the figures of all samples.
    """

    models: Registry[Model]
    default: str
    section: str
    labels: Labels
    dataset: str
    measured = "all views"

    @property
    def trainable(self) -> tuple[str, ...]:
        """Names of the models that can be trained for it, the default first."""
        return tuple(model.name for model in self.models if model.trainer)

    def trainer(self, name: str) -> Trainer:
        """What trains a model for it.

        Raises:
            InputError: if there is no such model; the message lists the names.
        """
        model = self.models.among((m for m in self.models if m.name in self.trainable), name)
        assert model.trainer is not None
        trainer: Trainer = model.trainer()
        return trainer

    def usage(self, name: str, weights: Path) -> list[str]:
        """The settings with which the perception uses trained weights, as ``KEY=VALUE``."""
        return [f"{self.section}.detector={name}", f"{self.section}.weights={weights}"]

    def command(self, name: str, weights: Path) -> str:
        """The command that uses trained weights."""
        options = " ".join(f"--set {quote(setting)}" for setting in self.usage(name, weights))
        return f"cvdl replay BAG -o OUT {options}"

    def complete(self, weights: Path) -> None:
        """Write what else belongs to trained weights, beside them."""

    @abstractmethod
    def score(self, model: Any, views: Any, console: Console | None) -> Scores:
        """The scores of a model on labeled views."""

    @abstractmethod
    def report(self, scores: Sequence[Scores]) -> Report:
        """The report on the scores of one fold or of several together."""

    @abstractmethod
    def count(self, report: Report) -> int:
        """Number of labels that the report is about."""

    @abstractmethod
    def measures(self, report: Report) -> dict[str, str]:
        """What to call each figure on the screen."""

    @abstractmethod
    def pictures(
        self, report: Report, data: Any, worst: int, folds: Sequence[Report] = ()
    ) -> dict[str, Draw]:
        """What draws each kind of picture: "sheet" (of the worst results), "curves", ...

        Args:
            report: on all scores.
            data: has the views.
            worst: number of results on the sheet.
            folds: the reports on the single folds.
        """

    def part(self, data: Any, indices: Iterable[int], extra: Sequence[Any] = ()) -> Any:
        """Some views of a data set, and all of the extra ones."""
        from cvdl.datasets.dataset import Subset

        return Subset([(data, indices), *((more, range(len(more))) for more in extra)])

    def content(self, report: Any, folds: Sequence[Any] = ()) -> dict[str, Any]:
        """All figures for JSON, with their spread over the folds."""
        from cvdl.evaluation.figures import spread

        spreads = spread(report.figures(), [fold.figures() for fold in folds])
        return {**report.report(), "folds": spreads}

    def table(self, title: str, report: Any, folds: Sequence[Any] = ()) -> Table:
        """The figures for the screen: of all views, and with folds their mean and deviation."""
        each = [fold.figures() for fold in folds]
        words = self.measures(report)
        return figures_table(title, words, report.figures(), each, self.measured, self.number)

    def number(self, value: float) -> str:
        """How a figure is written."""
        return f"{value:.3f}"


class _OneModel(Problem[Scores, Report]):
    """A problem that one model is trained for, which is in no registry.

    Attributes:
        training: the module whose ``trainer`` trains it.
    """

    training: str

    @property
    def trainable(self) -> tuple[str, ...]:
        """See ``Problem``."""
        return (self.default,)

    def trainer(self, name: str) -> Trainer:
        """See ``Problem``."""
        from cvdl.core.errors import InputError

        if name not in self.trainable:
            raise InputError(f"detector is {name!r}; accepted: {', '.join(self.trainable)}")
        trainer: Trainer = import_module(self.training).trainer()
        return trainer


class _Boxes(Problem[Scores, Report]):
    models, default = DETECTORS, DETECTORS.default
    section, labels, dataset = "detector", "boxes", "coco"

    def part(self, data: Any, indices: Iterable[int], extra: Sequence[Any] = ()) -> Any:
        from cvdl.datasets.detection_sample import DetectionSubset, check_classes

        for more in extra:
            check_classes(data, more)
        return DetectionSubset(data, indices, extra)


class _Detection(_Boxes["DetectionScores", "DetectionReport"]):
    """Objects in boxes, with a class."""

    def score(self, model: Any, views: Any, console: Console | None) -> DetectionScores:
        from cvdl.datasets.dataset import tracked
        from cvdl.evaluation.detection import score_detector

        samples = tracked(views, "detecting", console)
        return score_detector(model, samples, views.classes).scores

    def report(self, scores: Sequence[DetectionScores]) -> DetectionReport:
        first, *others = scores
        return sum(others, first).report()

    def count(self, report: DetectionReport) -> int:
        return report.boxes

    def measures(self, report: DetectionReport) -> dict[str, str]:
        from math import isnan

        threshold = "-" if isnan(report.threshold) else f"{report.threshold:.3f}"
        return {
            "ap50": "AP50",
            "ap": "AP50:95",
            "ar": "AR, 100 detections",
            "f1": f"best F1, at score {threshold}",
            "mask_ap50": "masks: AP50",
            "mask_ap": "masks: AP50:95",
            "mask_ar": "masks: AR, 100 detections",
        }

    def table(
        self, title: str, report: DetectionReport, folds: Sequence[DetectionReport] = ()
    ) -> Table:
        table = super().table(title, report, folds)
        table.add_row("images", str(report.images))
        table.add_row("boxes", str(report.boxes))
        return table

    def pictures(
        self, report: DetectionReport, data: Any, worst: int, folds: Sequence[Any] = ()
    ) -> dict[str, Draw]:
        from cvdl.evaluation import detection_pictures as draw

        pictures = _sheet(data, report.mistakes, worst, report.classes)
        pictures["curves"] = lambda path: draw.draw_precision_recall(path, report)
        pictures["confusion"] = lambda path: draw.draw_confusion(path, report)
        return pictures


class _Classification(_Boxes["ClassificationScores", "ClassificationScores"]):
    """The class of what is in a box: the network of R-CNN alone."""

    default, trainable = "rcnn", ("rcnn",)
    measured = "all crops"

    def score(self, model: Any, views: Any, console: Console | None) -> ClassificationScores:
        from cvdl.detection.models.rcnn.training import score_classifier

        return score_classifier(model, views, console)

    def report(self, scores: Sequence[ClassificationScores]) -> ClassificationScores:
        from cvdl.evaluation.classification import ClassificationScores

        return ClassificationScores.of(scores[0].classes, scores)

    def count(self, report: ClassificationScores) -> int:
        return len(report.truth)

    def measures(self, report: ClassificationScores) -> dict[str, str]:
        return {
            "top1": "top-1 accuracy",
            "top5": "top-5 accuracy",
            "class_mean": "top-1 accuracy, mean of the classes",
            "nothing": "recall of background",
            "roc_auc": "area under ROC, mean of the classes",
        }

    def pictures(
        self, report: ClassificationScores, data: Any, worst: int, folds: Sequence[Any] = ()
    ) -> dict[str, Draw]:
        from cvdl.evaluation.classification import draw_confusion, draw_roc

        return {
            "curves": lambda path: draw_roc(path, report),
            "confusion": lambda path: draw_confusion(path, report),
            **_sheet(data, report.mistakes(), worst, report.classes),
        }

    def table(
        self, title: str, report: ClassificationScores, folds: Sequence[ClassificationScores] = ()
    ) -> Table:
        table, content = super().table(title, report, folds), report.report()
        table.add_row("objects", str(content["things"]))
        table.add_row("crops, with background", str(content["crops"]))
        return table


class _Grasping(Problem["GraspScores", "GraspScores"]):
    """Grasp rectangles."""

    models, default = GRASP_DETECTORS, GRASP_DETECTORS.default
    section, labels, dataset = "grasp", "grasps", "cornell"

    def score(self, model: Any, views: Any, console: Console | None) -> GraspScores:
        from cvdl.evaluation.grasping import score_grasp_detector

        return score_grasp_detector(model, views, console)

    def report(self, scores: Sequence[GraspScores]) -> GraspScores:
        first, *others = scores
        return sum(others, first)

    def count(self, report: GraspScores) -> int:
        return len(report.results)

    def measures(self, report: GraspScores) -> dict[str, str]:
        words = {}
        for name in report.figures():
            measure, _, threshold = name.partition("@")
            words[name] = f"top-1, Jaccard > {threshold}" if threshold else f"{measure}: accuracy"
        return words

    def number(self, value: float) -> str:
        return f"{100 * value:.1f} %"

    def table(self, title: str, report: GraspScores, folds: Sequence[Any] = ()) -> Table:
        table, content = super().table(title, report, folds), report.report()
        recognition = content["recognition"] or {}
        areas = {"average_precision": "average precision", "roc_auc": "area under ROC"}
        for name, measure in areas.items():
            if recognition.get(name) is not None:
                table.add_row(f"recognition: {measure}", f"{recognition[name]:.3f}")
        table.add_section()
        table.add_row("views", str(content["views"]))
        table.add_row("nothing found", str(content["found_nothing"]))
        table.add_row("median latency", f"{content['latency_ms']['median']:.1f} ms")
        return table

    def pictures(
        self, report: GraspScores, data: Any, worst: int, folds: Sequence[Any] = ()
    ) -> dict[str, Draw]:
        from cvdl.evaluation.grasp_pictures import draw_curves, prediction_sheet
        from cvdl.viz.pictures import write_png

        def sheet(path: Path) -> None:
            some = sorted(report.results, key=lambda result: result.overlap)[:worst]
            samples = (data[data.names.index(result.name)] for result in some)
            write_png(path, prediction_sheet(samples, some))

        return {"sheet": sheet, "curves": lambda path: draw_curves(path, report, folds)}


class _Segmentation(_OneModel["InstanceScores", "InstanceScores"]):
    """Which pixels are an object, and which belong together: the instance network alone."""

    default, training = "instances", "cvdl.segmentation.instances.training"
    section, labels, dataset = "segmentation", "segments", "osd"

    def usage(self, name: str, weights: Path) -> list[str]:
        return [f"{self.section}.weights={weights}"]

    def part(self, data: Any, indices: Iterable[int], extra: Sequence[Any] = ()) -> Any:
        from cvdl.datasets.segmentation_sample import SegmentationSubset

        return SegmentationSubset(data, indices, extra)

    def score(self, model: Any, views: Any, console: Console | None) -> InstanceScores:
        from cvdl.datasets.dataset import tracked
        from cvdl.evaluation.instances import score_instances

        return score_instances(model, tracked(views, "segmenting", console), views.classes)

    def report(self, scores: Sequence[InstanceScores]) -> InstanceScores:
        first, *others = scores
        return sum(others, first)

    def count(self, report: InstanceScores) -> int:
        return report.objects

    def measures(self, report: InstanceScores) -> dict[str, str]:
        from cvdl.evaluation.instances import FOUND_IOU
        from cvdl.evaluation.segmentation import DETECTED_F

        return {
            "found": f"objects with IoU >= {FOUND_IOU}",
            "overlap_f": "pixels of objects: F",
            "overlap_precision": "pixels of objects: precision",
            "overlap_recall": "pixels of objects: recall",
            "boundary_f": "outlines: F",
            "boundary_precision": "outlines: precision",
            "boundary_recall": "outlines: recall",
            "detected": f"objects with F > {DETECTED_F}, mean of the views",
            "iou_nothing": "pixels of nothing: IoU",
            "iou_support": "pixels of the support: IoU",
            "iou_object": "pixels of any object: IoU",
        }

    def table(
        self, title: str, report: InstanceScores, folds: Sequence[InstanceScores] = ()
    ) -> Table:
        table = super().table(title, report, folds)
        table.add_row("views", str(len(report.views)))
        table.add_row("objects", str(report.objects))
        return table

    def pictures(
        self, report: InstanceScores, data: Any, worst: int, folds: Sequence[Any] = ()
    ) -> dict[str, Draw]:
        from cvdl.evaluation.instances import worst_views
        from cvdl.viz.pictures import write_png

        return {"sheet": lambda path: write_png(path, worst_views(data, report, worst))}


class _Holding(_OneModel["HoldingScores", "HoldingScores"]):
    """The chance that a gripper holds, on executed grasps."""

    default, training = "holding", "cvdl.grasping.holding.training"
    section, labels, dataset = "grasp", "holds", "executed"

    def usage(self, name: str, weights: Path) -> list[str]:
        return [f"{self.section}.holding={weights.with_suffix('.onnx')}"]

    def complete(self, weights: Path) -> None:
        from cvdl.grasping.holding.exporting import export_holding

        export_holding(weights)

    def score(self, model: Any, views: Any, console: Console | None) -> HoldingScores:
        from cvdl.grasping.holding.training import score_holding

        return score_holding(model, views, console)

    def report(self, scores: Sequence[HoldingScores]) -> HoldingScores:
        first, *others = scores
        return sum(others, first)

    def count(self, report: HoldingScores) -> int:
        return len(report.held)

    def measures(self, report: HoldingScores) -> dict[str, str]:
        return {
            "roc_auc": "area under ROC",
            "brier": "Brier score",
            "log_loss": "log loss",
            "calibration": "expected calibration error",
            "held": "grasps that hold",
            "top1": "objects whose likeliest grasp holds",
            "any": "objects with a grasp that holds",
            "top1_chance": "chance of the likeliest grasps, mean",
        }

    def pictures(
        self, report: HoldingScores, data: Any, worst: int, folds: Sequence[Any] = ()
    ) -> dict[str, Draw]:
        from cvdl.evaluation.charts import reliability_chart

        groups = {
            "all grasps": report.reliability(),
            "the likeliest of each object": report.best().reliability(),
        }
        title = "predicted chance that a grasp holds"
        return {"curves": lambda path: reliability_chart(path, groups, title, "share that holds")}


class _Words(_OneModel["WordsScores", "WordsScores"]):
    """Objects by phrases, and sentences and frames by each other."""

    default, training = "words", "cvdl.language.training"
    labels, dataset = "words", "simulated"
    measured = "all frames"

    def command(self, name: str, weights: Path) -> str:
        return f"cvdl find 'the red mug' BAG --weights {quote(str(weights.with_suffix('.onnx')))}"

    def complete(self, weights: Path) -> None:
        from cvdl.language.exporting import export_words

        export_words(weights)

    def score(self, model: Any, views: Any, console: Console | None) -> WordsScores:
        from cvdl.datasets.dataset import tracked
        from cvdl.language.training import score_network

        return score_network(model, tracked(views, "reading", console))

    def report(self, scores: Sequence[WordsScores]) -> WordsScores:
        from cvdl.evaluation.words import WordsScores

        return WordsScores.joined(scores)

    def count(self, report: WordsScores) -> int:
        return len(report.names)

    def measures(self, report: WordsScores) -> dict[str, str]:
        from cvdl.language.aligner import FITS

        return {
            "kind": "right object: by kind",
            "attribute": "right object: by an attribute",
            "relation": "right object: by a relation",
            "absent": "nothing found by phrases that fit nothing",
            "absent_anchor": "nothing found by a relation to what is not there",
            "kind_segmented": "right of segmented objects: by kind",
            "attribute_segmented": "right of segmented objects: by an attribute",
            "relation_segmented": "right of segmented objects: by a relation",
            "segmented": "objects of phrases that are segmented",
            "shown": f"right objects with a chance of at least {FITS}",
            "frame_r1": "sentences: their frame is the best, R@1",
            "frame_r5": "sentences: their frame is among 5, R@5",
            "frame_r10": "sentences: their frame is among 10, R@10",
            "frame_rank": "sentences: median rank of their frame",
            "sentence_r1": "frames: a sentence of theirs is the best, R@1",
            "sentence_r5": "frames: a sentence of theirs is among 5, R@5",
            "sentence_r10": "frames: a sentence of theirs is among 10, R@10",
            "sentence_rank": "frames: median rank of their best sentence",
        }

    def table(self, title: str, report: WordsScores, folds: Sequence[WordsScores] = ()) -> Table:
        table, content = super().table(title, report, folds), report.report()
        table.add_section()
        for name in ("frames", "sentences", "phrases"):
            table.add_row(name, str(content[name]))
        table.add_row("alignment of a frame, median", f"{content['latency_ms']:.1f} ms")
        return table

    def pictures(
        self, report: WordsScores, data: Any, worst: int, folds: Sequence[Any] = ()
    ) -> dict[str, Draw]:
        return {}


class _Captions(_OneModel["CaptionScores", "CaptionScores"]):
    """Sentences about frames and their objects."""

    default, training = "captions", "cvdl.language.caption_training"
    labels, dataset = "captions", "simulated"
    measured = "all frames"

    def command(self, name: str, weights: Path) -> str:
        return f"cvdl describe BAG --weights {quote(str(weights.with_suffix('.onnx')))}"

    def complete(self, weights: Path) -> None:
        from cvdl.language.caption_exporting import export_captions

        export_captions(weights)

    def score(self, model: Any, views: Any, console: Console | None) -> CaptionScores:
        from cvdl.datasets.dataset import tracked
        from cvdl.evaluation.captions import score_captions
        from cvdl.language.caption_exporting import captioner_of

        return score_captions(captioner_of(model), tracked(views, "writing", console))

    def report(self, scores: Sequence[CaptionScores]) -> CaptionScores:
        from cvdl.evaluation.captions import CaptionScores

        return CaptionScores.joined(scores)

    def count(self, report: CaptionScores) -> int:
        return len(report.texts)

    def measures(self, report: CaptionScores) -> dict[str, str]:
        facts = {
            "true": "stated facts that are true",
            "true_kind": "true: kinds",
            "true_color": "true: colors",
            "true_size": "true: sizes",
            "true_material": "true: materials",
            "true_count": "true: numbers of objects",
            "true_relation": "true: relations",
            "facts": "facts stated in a sentence",
            "true_objects": "true: in sentences about objects",
            "silent": "frames about which nothing is said",
        }
        return {
            **(facts if report.known else {}),
            **{f"bleu_{count}": f"BLEU-{count}" for count in range(1, 5)},
            "rouge_l": "ROUGE-L",
            "cider": "CIDEr",
            "cider_own": "CIDEr of the frames' own sentences",
        }

    def table(
        self, title: str, report: CaptionScores, folds: Sequence[CaptionScores] = ()
    ) -> Table:
        table, content = super().table(title, report, folds), report.report()
        table.add_section()
        table.add_row("frames", str(content["frames"]))
        table.add_row("a sentence about a frame, median", f"{content['latency_ms']:.0f} ms")
        return table

    def pictures(
        self, report: CaptionScores, data: Any, worst: int, folds: Sequence[Any] = ()
    ) -> dict[str, Draw]:
        return {}


def _sheet(
    data: Any, mistakes: Sequence[Mistake], worst: int, classes: Sequence[str]
) -> dict[str, Draw]:
    """What draws the sheet of the worst mistakes; nothing if there are none."""
    from cvdl.evaluation.detection_pictures import mistake_sheet, worst_mistakes
    from cvdl.viz.pictures import write_png

    if not mistakes:
        return {}
    some = worst_mistakes(mistakes, worst)
    return {"sheet": lambda path: write_png(path, mistake_sheet(data, some, classes))}


DETECTION, CLASSIFICATION = _Detection(), _Classification()
GRASPING, SEGMENTATION, HOLDING = _Grasping(), _Segmentation(), _Holding()
WORDS, CAPTIONS = _Words(), _Captions()
