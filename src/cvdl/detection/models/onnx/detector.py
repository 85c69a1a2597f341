"""Detectors in ONNX files with outputs of a known layout."""

from __future__ import annotations

import ast
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.detector import FrameByFrame
from cvdl.detection.models.onnx.coco_names import COCO_NAMES
from cvdl.detection.models.onnx.declaration import LayoutName, OnnxLayout
from cvdl.detection.models.onnx.layouts import LAYOUTS
from cvdl.detection.models.onnx.outputs import Candidates, ModelOutputs, OutputsError
from cvdl.detection.models.onnx.presets import with_preset
from cvdl.detection.suppression import suppressed
from cvdl.networks.sessions import open_session

__all__ = ["OnnxDetector", "load"]

_log = logging.getLogger(__name__)

# These models suppress overlaps themselves, or predict each object once.
_NMS_OVERLAP = {"nms": 1.0, "detr": 1.0, "rtdetr": 1.0}
_PICODET_OUTPUTS = 8  # of four levels; NanoDet has three, NanoDet-Plus one output
_MORE_THAN_CLASSES = (0, 1, 4, 5)  # values beside those of the classes
_COCO = "coco"  # in the place of names, those of COCO
_SIDECARS = (".yaml", ".yml", ".json")
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
_NUMBERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(double)": np.float64}
#: Additional inputs of RT-DETR and its variants (Zhao et al. 2024) and of PaddleDetection: the size
#: of the image, from its width and height. Boxes are then in pixels of the input.
_SIZES: dict[str, Callable[[int, int], tuple[float, float]]] = {
    "orig_target_sizes": lambda width, height: (width, height),
    "im_shape": lambda width, height: (height, width),
    "scale_factor": lambda width, height: (1, 1),
}


class OnnxDetector(FrameByFrame):
    """A detector in an ONNX file.

    Args:
        path: the ONNX file.
        layout: description of its input and outputs.
        classes: class names, in the order of the class indices.
        session: the loaded file.

    Attributes:
        layout: the description, completed.

    Raises:
        InputError: if the input is not one image, the outputs do not have the layout, which is
            tested with an empty image, or a class to ignore is unknown.
    """

    def __init__(
        self,
        path: Path,
        layout: OnnxLayout,
        classes: Sequence[str],
        session: onnxruntime.InferenceSession,
    ) -> None:
        self.classes, self._path, self._session = tuple(classes), path, session
        unknown = [name for name in layout.ignore if name not in self.classes]
        if unknown:
            raise InputError(
                f"{path}: ignore has {unknown[0]!r}; accepted: {', '.join(self.classes)}"
            )
        self._ignored = [self.classes.index(name) for name in layout.ignore]
        self._input, self.layout = _ImageInput.of(path, layout, session), layout
        width, height = self._input.size
        empty, _ = self._input.prepare(np.zeros((height, width, 3), np.uint8))
        try:
            outputs = self._run(empty)
        except Exception as error:  # ONNX Runtime's errors have no common class
            raise InputError(
                f"{path}: fails on an image of {width}x{height}: {_line(error)}"
            ) from error
        shapes = {name: output.shape for name, output in outputs.items()}
        model = ModelOutputs(outputs, layout, len(self.classes), self._input.size)
        try:
            if layout.layout is None:
                self.layout = _inferred(model)
            self._decode(outputs)
        except OutputsError as error:
            why = str(error) if layout.layout is None else f"layout {layout.layout}: {error}"
            raise InputError(_unknown_outputs(path, shapes, why + _other_count(model))) from error
        self.layout = with_preset(self.layout, len(outputs), bool(self._input.sizes))
        self._input = _ImageInput.of(path, self.layout, session)
        self._overlap = layout.nms_overlap or _NMS_OVERLAP.get(self._name, 0.45)

    def detect(self, frame: RgbdFrame, proposals: NDArray[np.float64] | None) -> Detections:
        """Detect objects in the color of one frame; proposals are ignored."""
        tensor, to_image = self._input.prepare(frame.color)
        try:
            found = self._decode(self._run(tensor))
        except OutputsError as error:
            raise InputError(f"{self._path}: layout {self._name}: {error}") from error
        sure = (found.scores >= self.layout.min_score) & np.isfinite(found.boxes).all(axis=1)
        sure &= ~np.isin(found.labels, self._ignored)
        boxes, labels, scores = found.boxes[sure], found.labels[sure], found.scores[sure]
        best = suppressed(
            boxes.astype(np.float64), scores.astype(np.float64), labels, self._overlap
        )
        in_image = to_image(boxes[best])
        # Without boxes in the padding.
        seen = np.flatnonzero((in_image[:, 2:] > in_image[:, :2]).all(axis=1))
        detections = Detections(in_image, labels[best], scores[best].astype(np.float64))[seen]
        return detections[: self.layout.max_detections]

    @property
    def _name(self) -> LayoutName:
        assert self.layout.layout is not None  # set by the constructor
        return self.layout.layout

    def _run(self, tensor: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Outputs of the model by name, in their order."""
        names = [output.name for output in self._session.get_outputs()]
        given = {self._input.name: tensor, **self._input.sizes}
        outputs = self._session.run(names, given)
        return {name: np.asarray(output) for name, output in zip(names, outputs, strict=True)}

    def _decode(self, outputs: Mapping[str, NDArray[Any]]) -> Candidates:
        model = ModelOutputs(outputs, self.layout, len(self.classes), self._input.size)
        return LAYOUTS[self._name].decode(model)


def load(weights: str, device: str) -> OnnxDetector:
    """Load a detector from a file; see ``cvdl.detection.load_detector``.

    Args:
        weights: an ONNX file beside a file of the same name with the suffix ``.yaml``, ``.yml`` or
            ``.json`` and the keys of `OnnxLayout`; or the latter file, in any place. Without it,
            only exports with class names in their metadata, such as those of Ultralytics, are
            accepted.
        device: "cpu" or "cuda". A GPU needs the package onnxruntime-gpu; without it, the model
            runs on the CPU, with a warning.

    Raises:
        InputError: if a file is missing or damaged, a key is unknown or not accepted, or the
            outputs are not of the layout.
    """
    given = Path(weights)
    if given.suffix == ".onnx":
        path, sidecar = given, _beside(given)
    elif given.suffix in _SIDECARS:
        path, sidecar = given.with_suffix(".onnx"), given
    else:
        raise InputError(
            f"weights of onnx are {weights!r}; accepted: a file that ends in .onnx, or the file "
            f"of its layout, which ends in {', '.join(_SIDECARS)}"
        )
    if sidecar is None:
        session = _open(path, device)
        layout, classes = _from_metadata(path, session)
        return OnnxDetector(path, layout, classes, session)
    layout = _read_layout(sidecar)
    if given is sidecar and layout.model is not None:
        path = sidecar.parent / layout.model  # absolute paths are kept
    classes = _read_classes(sidecar, layout)
    return OnnxDetector(path, layout, classes, _open(path, device))


@dataclass(frozen=True)
class _ImageInput:
    """The input of a model: one image.

    Attributes:
        name: name of the input.
        size: (width, height), pixels.
        batch: whether the shape is (1, 3, H, W), not (3, H, W).
        channels_last: whether the shape is (1, H, W, 3), not (1, 3, H, W).
        dtype: type of its elements.
        layout: description of the preprocessing.
        sizes: the other inputs by name: the size of the image, so that boxes are in its pixels.
    """

    name: str
    size: tuple[int, int]
    batch: bool
    channels_last: bool
    dtype: type
    layout: OnnxLayout
    sizes: dict[str, NDArray[Any]]

    @classmethod
    def of(
        cls, path: Path, layout: OnnxLayout, session: onnxruntime.InferenceSession
    ) -> _ImageInput:
        inputs = session.get_inputs()
        found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
        wrong = (
            f"{path}: takes {found}; accepted: one image, [1, 3, height, width] or "
            f"[1, height, width, 3], with or without the first axis, of {', '.join(_DTYPES)}; "
            f"and optionally its size, as {', '.join(_SIZES)}"
        )
        images = [one for one in inputs if one.type in _DTYPES and len(one.shape) in (3, 4)]
        others = [one for one in inputs if one not in images]
        if len(images) != 1 or any(one.name not in _SIZES for one in others):
            raise InputError(wrong)
        (image,) = images
        batch, shape = len(image.shape) == 4, image.shape[-3:]
        channels_last = shape[2] == 3
        if (batch and isinstance(image.shape[0], int) and image.shape[0] != 1) or 3 not in (
            shape[0],
            shape[2],
        ):
            raise InputError(wrong)
        height, width = shape[:2] if channels_last else shape[1:]
        if isinstance(height, int) and isinstance(width, int):
            size = (width, height)
        elif layout.input_size is not None:
            size = layout.input_size
        else:
            raise InputError(
                f"{path}: takes images of any size; set one with the key input_size of its layout"
            )
        sizes = {
            one.name: np.array([_SIZES[one.name](*size)], _NUMBERS.get(one.type, np.float32))
            for one in others
        }
        return cls(image.name, size, batch, channels_last, _DTYPES[image.type], layout, sizes)

    def prepare(
        self, color: NDArray[np.uint8]
    ) -> tuple[NDArray[Any], Callable[[NDArray[np.float32]], NDArray[np.float64]]]:
        """Prepare the input of the model for an image.

        Args:
            color: (H, W, 3) uint8 RGB.

        Returns:
            The input, and a function from boxes (N, 4) in pixels of the input to boxes (N, 4) in
            pixels of the image, clipped to it.
        """
        (wide, high), (height, width) = self.size, color.shape[:2]
        inner_wide, inner_high = wide, high
        if self.layout.resize == "letterbox":
            scale = min(wide / width, high / height)
            inner_wide = max(1, round(width * scale))
            inner_high = max(1, round(height * scale))
        left, top = (wide - inner_wide) // 2, (high - inner_high) // 2
        if self.layout.align == "corner":
            left = top = 0
        image = np.full((high, wide, 3), self.layout.padding, np.uint8)
        image[top : top + inner_high, left : left + inner_wide] = cv2.resize(
            color, (inner_wide, inner_high), interpolation=cv2.INTER_LINEAR
        )
        # Not the scale: width and height are rounded differently.
        factor = np.array([inner_wide / width, inner_high / height] * 2)
        shift, limit = np.array([left, top] * 2), np.array([width, height] * 2)

        def to_image(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
            return np.clip((boxes - shift) / factor, 0, limit)

        return self._tensor(image), to_image

    def _tensor(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        if self.layout.color_order == "bgr":
            image = image[..., ::-1]
        values: NDArray[Any] = image
        if self.dtype is not np.uint8:
            values = image.astype(np.float32) * np.float32(self.layout.scale)
            mean, std = (np.array(v, np.float32) for v in (self.layout.mean, self.layout.std))
            values = (values - mean) / std
        if not self.channels_last:
            values = values.transpose(2, 0, 1)
        return np.ascontiguousarray(values[None] if self.batch else values, dtype=self.dtype)


def _open(path: Path, device: str) -> onnxruntime.InferenceSession:
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected an ONNX model")
    providers = ["CPUExecutionProvider"]
    if device == "cuda":
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            providers.insert(0, "CUDAExecutionProvider")
        else:
            _log.warning(
                "%s runs on the CPU: this onnxruntime has no CUDA; install onnxruntime-gpu "
                "to use a GPU",
                path.name,
            )
    try:
        return open_session(path, providers)
    except Exception as error:  # ONNX Runtime's errors have no common class
        raise InputError(
            f"{path}: damaged, not an ONNX model, or made for another engine: {_line(error)}"
        ) from error


def _beside(path: Path) -> Path | None:
    files = [path.with_suffix(suffix) for suffix in _SIDECARS]
    return next((file for file in files if file.is_file()), None)


def _read_layout(path: Path) -> OnnxLayout:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML too
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not YAML: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds {values!r}; expected keys and values of a layout")
    unknown = [str(key) for key in values if key not in OnnxLayout.model_fields]
    if unknown:
        accepted = ", ".join(OnnxLayout.model_fields)
        raise InputError(f"{path}: unknown key {unknown[0]}; accepted: {accepted}")
    try:
        return OnnxLayout.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, detail['loc'])) or 'layout'}: {detail['msg']}"
            + ("" if detail["type"] == "missing" else f" (it is {detail['input']!r})")
            for detail in error.errors()
        ]
        raise InputError(f"{path}: {'; '.join(problems)}") from error


def _read_classes(path: Path, layout: OnnxLayout) -> tuple[str, ...]:
    if layout.classes == Path(_COCO) and not (path.parent / _COCO).exists():
        return COCO_NAMES
    if isinstance(layout.classes, Path):
        file = path.parent / layout.classes
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: its classes, {file}, cannot be read: {error}") from error
        names = [line.strip() for line in lines if line.strip()]
    else:
        names = layout.classes
    if not names:
        raise InputError(f"{path}: no classes; accepted: one or more")
    return tuple(names)


def _from_metadata(
    path: Path, session: onnxruntime.InferenceSession
) -> tuple[OnnxLayout, tuple[str, ...]]:
    """Layout and classes of a YOLO export with class names in its metadata.

    Ultralytics' package writes the task, YOLOv5's exporter does not. Both take RGB, 0 to 1, with
    letterboxing, apart from RT-DETR.
    """
    metadata = session.get_modelmeta().custom_metadata_map
    shapes = {output.name: output.shape for output in session.get_outputs()}
    try:
        names = ast.literal_eval(metadata.get("names", ""))
        classes = tuple(str(names[number]) for number in range(len(names)))
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError):
        classes = ()
    task = metadata.get("task", "detect")
    if classes and task == "detect":
        kind: LayoutName = "yolov5"
        if "task" in metadata:
            kind = _exported(list(shapes.values()), len(classes), metadata.get("description", ""))
        values = {
            "layout": kind,
            "classes": classes,
            "input_size": _image_size(metadata),
        }
        return OnnxLayout.model_validate(values), classes
    why = f"its task is {task}, not detect" if classes else "its metadata names no classes"
    raise InputError(
        _unknown_outputs(path, shapes, why)
        + f"; declare it in {path.with_suffix('.yaml')}, with the key classes at least"
    )


def _exported(shapes: Sequence[Sequence[object]], classes: int, description: str) -> LayoutName:
    """Layout of an export of Ultralytics' package; axes of any length are strings."""
    if len(shapes) > 1:
        return "nms"
    (shape,) = shapes
    if len(shape) != 3 or shape[1] == classes + 4:
        return "yolov8"
    if shape[2] == classes + 4 and (classes != 2 or "rtdetr" in description.lower()):
        return "rtdetr"
    return "nms" if shape[2] == 6 else "yolov8"


def _inferred(model: ModelOutputs) -> OnnxLayout:
    """Description completed with the only layout that fits the outputs.

    Raises:
        OutputsError: if none fits, or several do.
    """
    fitting = _fitting(model)
    if "nms" in fitting:
        fitting = ["nms"]  # the only layout with integer labels
    if {"nanodet", "picodet"} <= set(fitting):
        fitting.remove("nanodet" if len(model.arrays) == _PICODET_OUTPUTS else "picodet")
    if "detr" in fitting and any("logit" in name.lower() for name in model.arrays):
        fitting = ["detr"]
    if len(fitting) == 1:
        return model.layout.model_copy(update={"layout": fitting[0]})
    if not fitting:
        raise OutputsError(f"no layout fits these shapes with {model.classes} classes")
    raise OutputsError(
        f"the layouts {' and '.join(fitting)} fit; set the key layout to one of them"
    )


def _fitting(model: ModelOutputs) -> list[LayoutName]:
    """The layouts that fit the outputs."""
    fitting: list[LayoutName] = []
    for name, known in LAYOUTS.items():
        try:
            known.decode(model)
        except OutputsError:
            continue
        fitting.append(name)
    return fitting


def _other_count(model: ModelOutputs) -> str:
    """A hint at another number of classes, with which the layout, or one, fits; else empty."""
    sides = {side for array in model.arrays.values() for side in array.shape[1:]}
    for count in sorted({side - more for side in sides for more in _MORE_THAN_CLASSES}):
        if count > 0 and count != model.classes:
            fitting = _fitting(replace(model, classes=count))
            if "nms" not in fitting and model.layout.layout in (None, *fitting) and fitting:
                name = model.layout.layout or " or ".join(fitting)
                return f"; with {count} classes, {name} fits, but there are {model.classes} names"
    return ""


def _image_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Width and height in the metadata of Ultralytics' package, for models that take any."""
    try:
        height, width = (int(side) for side in ast.literal_eval(metadata.get("imgsz", "")))
        return (width, height) if min(width, height) > 0 else None
    except (SyntaxError, ValueError, TypeError):
        return None


def _unknown_outputs(path: Path, shapes: Mapping[str, Sequence[object]], why: str) -> str:
    found = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    accepted = "; ".join(f"{name}: {layout.outputs}" for name, layout in LAYOUTS.items())
    return f"{path}: the outputs are {found}: {why}; accepted: {accepted}"


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]
