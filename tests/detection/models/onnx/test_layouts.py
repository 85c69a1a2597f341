"""Each layout is decoded to the boxes that were put into its tensors."""

import numpy as np
import pytest
from pydantic import ValidationError

from cvdl.detection.models.onnx.declaration import OnnxLayout
from cvdl.detection.models.onnx.layouts import LAYOUTS
from cvdl.detection.models.onnx.outputs import ModelOutputs, OutputsError

SIZE = (100, 50)  # width and height of the input
TWO = ["cup", "fork"]


def decode(given, classes=TWO, **keys):
    layout = OnnxLayout(classes=classes, **keys)
    arrays = {name: np.asarray(array) for name, array in given.items()}
    arrays = {
        name: array if array.dtype.kind == "i" else array.astype(np.float32)
        for name, array in arrays.items()
    }
    return LAYOUTS[layout.layout].decode(ModelOutputs(arrays, layout, len(classes), SIZE))


def logit(share):
    return np.log(share / (1 - share))


def test_fastestdet_a_cell_holds_one_box():
    grid = np.zeros((1, 7, 5, 10), np.float32)  # cells of 10 pixels
    shift, share = np.arctanh([0.5, -0.25]), logit(np.array([0.3, 0.4]))
    grid[0, :, 2, 4] = [0.81, *shift, *share, 0.25, 0.75]
    found = decode({"758": grid}, layout="fastestdet")
    best = found.scores.argmax()
    assert len(found.boxes) == 50
    assert best == 2 * 10 + 4  # row by row
    assert found.labels[best] == 1
    assert found.scores[best] == pytest.approx(0.81**0.6 * 0.75**0.4)
    # Center (4.5, 1.75) cells, size 30 % of the width by 40 % of the height.
    np.testing.assert_allclose(found.boxes[best], [30, 7.5, 60, 27.5], atol=1e-4)


def test_yolov5_rows_have_an_objectness():
    rows = [[[50, 20, 10, 8, 0.5, 0.2, 0.8], [1, 2, 2, 2, 0.1, 0.9, 0.1]]]
    found = decode({"output0": rows}, layout="yolov5")
    np.testing.assert_allclose(found.boxes, [[45, 16, 55, 24], [0, 1, 2, 3]])
    np.testing.assert_array_equal(found.labels, [1, 0])
    np.testing.assert_allclose(found.scores, [0.4, 0.09], rtol=1e-6)


def test_yolov8_columns_have_none():
    columns = np.array([[[50, 20, 10, 8, 0.2, 0.8], [1, 2, 2, 2, 0.9, 0.1]]]).transpose(0, 2, 1)
    found = decode({"output0": columns}, layout="yolov8")
    np.testing.assert_allclose(found.boxes, [[45, 16, 55, 24], [0, 1, 2, 3]])
    np.testing.assert_array_equal(found.labels, [1, 0])
    np.testing.assert_allclose(found.scores, [0.8, 0.9])


def test_ssd_with_a_score_a_class_and_a_background():
    outputs = {
        "boxes": [[[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 1]]],
        "scores": [[[0.1, 0.2, 0.7], [0.9, 0.06, 0.04]]],
    }
    found = decode(outputs, layout="ssd", background=True)
    np.testing.assert_allclose(found.boxes, [[10, 10, 50, 30], [0, 0, 100, 50]], rtol=1e-6)
    np.testing.assert_array_equal(found.labels, [1, 0])
    np.testing.assert_allclose(found.scores, [0.7, 0.06])


def test_ssd_as_tensorflow_gives_it():
    outputs = {
        "detection_boxes": [[[0.2, 0.1, 0.6, 0.5], [0, 0, 0, 0]]],
        "detection_classes": [[2, 0]],
        "detection_scores": [[0.7, 0.0]],
        "num_detections": [1],
    }
    found = decode(outputs, layout="ssd", background=True, box_format="yxyx")
    np.testing.assert_allclose(found.boxes, [[10, 10, 50, 30]], rtol=1e-6)
    np.testing.assert_array_equal(found.labels, [1])
    np.testing.assert_allclose(found.scores, [0.7])


def test_ssd_as_torchvision_gives_it():
    outputs = {"boxes": [[10, 10, 50, 30]], "labels": [1], "scores": [0.7]}
    found = decode(outputs, layout="ssd", background=True, normalized=False)
    np.testing.assert_allclose(found.boxes, [[10, 10, 50, 30]])
    np.testing.assert_array_equal(found.labels, [0])


def test_ssd_with_centers_raw_scores_and_meaningless_names():
    outputs = {"a": [[[0.3, 0.4, 0.4, 0.4]]], "b": [[[0.0, 1.0]]]}
    found = decode(outputs, layout="ssd", box_format="cxcywh", activation="softmax")
    np.testing.assert_allclose(found.boxes, [[10, 10, 50, 30]], rtol=1e-6)
    assert found.scores[0] == pytest.approx(np.e / (1 + np.e))
    found = decode(outputs, layout="ssd", outputs={"boxes": "a", "scores": "b"}, normalized=False)
    assert found.scores[0] == 1


def test_detr_s_last_class_is_no_object():
    outputs = {
        "pred_logits": [[[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]]],
        "pred_boxes": [[[0.3, 0.4, 0.4, 0.4], [0.5, 0.5, 1, 1]]],
    }
    found = decode(outputs, layout="detr", activation="softmax")
    np.testing.assert_allclose(found.boxes, [[10, 10, 50, 30], [0, 0, 100, 50]], rtol=1e-5)
    np.testing.assert_array_equal(found.labels, [1, 0])
    whole = 1 + np.e + np.e**2
    np.testing.assert_allclose(found.scores, [np.e / whole, np.e**3 / (np.e**3 + 2)], rtol=1e-5)


def test_detr_s_kin_have_a_sigmoid_a_class():
    outputs = {"logits": [[[logit(0.2), logit(0.9)]]], "boxes": [[[0.3, 0.4, 0.4, 0.4]]]}
    for keys in ({"activation": "sigmoid"}, {}):
        found = decode(outputs, layout="detr", **keys)
        np.testing.assert_allclose(found.boxes, [[10, 10, 50, 30]], rtol=1e-6)
        np.testing.assert_array_equal(found.labels, [1])
        np.testing.assert_allclose(found.scores, [0.9], rtol=1e-6)


def test_rf_detr_calls_its_logits_labels():
    outputs = {"dets": [[[0.3, 0.4, 0.4, 0.4]]], "labels": [[[logit(0.2), logit(0.9)]]]}
    found = decode(outputs, layout="detr", activation="sigmoid")
    np.testing.assert_allclose(found.boxes, [[10, 10, 50, 30]], rtol=1e-6)
    np.testing.assert_array_equal(found.labels, [1])
    np.testing.assert_allclose(found.scores, [0.9], rtol=1e-6)


@pytest.mark.parametrize(
    ("keys", "outputs", "message"),
    [
        ({"layout": "fastestdet"}, {"a": np.zeros((1, 85, 5, 5))}, "85 values; expected 7"),
        ({"layout": "yolov5"}, {"a": np.zeros((1, 9, 85))}, "85 values; expected 7"),
        ({"layout": "yolov8"}, {"a": np.zeros((1, 6, 9)), "b": np.zeros((1, 2))}, "2 outputs"),
        ({"layout": "yolov8"}, {"a": np.zeros((1, 9, 6))}, "9 values; expected 6"),
        ({"layout": "ssd"}, {"a": np.zeros((1, 9, 4)), "b": np.zeros((1, 9, 3))}, r"\(9, 2\)"),
        (
            {"layout": "ssd"},
            {"a": np.zeros((1, 9, 5)), "b": np.zeros((1, 9, 2))},
            "holds the boxes; set",
        ),
        ({"layout": "ssd", "outputs": {"boxes": "c"}}, {"a": np.zeros((1, 9, 4))}, "no output c"),
        (
            {"layout": "ssd"},
            {"boxes": np.zeros((1, 1, 4)), "labels": [[2]], "scores": [[1]]},
            "label is 2; expected below 2",
        ),
        ({"layout": "nms"}, {"a": np.zeros((1, 9, 8))}, "8 values; expected 6: box, score, label"),
        ({"layout": "nms"}, {"a": np.zeros((2, 9, 6))}, r"\[2, 9, 6\]; expected 2 axes, of one"),
        ({"layout": "nms"}, {"a": [[1, 0.9, 10, 10, 50, 30]]}, "score is 50; expected 0 to 1; set"),
        ({"layout": "nms"}, {"a": [[1, 2, 3, 4, 0.9, 0.5]]}, "label is 0.5; expected a whole"),
        ({"layout": "nms"}, {"a": [[1, 2, 3, 4, 1, 0.9, 0.1]]}, "batch index is 1; expected 0"),
        ({"layout": "nms"}, {"a": [[1, 2, 3, 4, 0.9, 2]]}, "label is 2; expected below 2"),
        ({"layout": "yolox"}, {"a": np.zeros((1, 9, 7))}, "9 boxes; expected one per cell"),
        ({"layout": "nanodet"}, {"a": np.zeros((1, 9, 2))}, "expected for each of the grids"),
        ({"layout": "picodet"}, {"a": np.zeros((1, 9, 2))}, "1 output; expected two for each"),
        (
            {"layout": "ssd"},
            {"boxes": np.zeros((1, 9, 4)), "scores": np.full((1, 9, 2), -3.0)},
            "score is -3; expected 0 to 1; raw scores need the key activation",
        ),
        ({"layout": "rtdetr"}, {"a": np.zeros((1, 9, 7))}, "7 values; expected 6"),
        (
            {"layout": "detr", "activation": "softmax"},
            {"logits": np.zeros((1, 9, 2)), "boxes": np.zeros((1, 9, 4))},
            r"\(9, 2\); expected \(9, 3\)",
        ),
    ],
)
def test_other_outputs_are_refused(keys, outputs, message):
    with pytest.raises(OutputsError, match=message):
        decode(outputs, **keys)


PIXELS = [[10, 10, 50, 30], [60, 5, 80, 45]]
FILLED = [*PIXELS, [0, 0, 0, 0], [7, 7, 9, 9]]
ROWS = [[*PIXELS[0], 0.9, 1], [*PIXELS[1], 0.4, 0], [0] * 6, [*PIXELS[0], -1, -1]]


@pytest.mark.parametrize(
    "outputs",
    [
        {"output0": [ROWS]},
        {"output0": ROWS},
        {
            "output0": [
                [*[v / s for v, s in zip(r[:4], SIZE * 2, strict=True)], *r[4:]] for r in ROWS
            ]
        },
        # YOLOv7: the image's place in the batch first, the label before the score.
        {"output": [[0, *row[:4], row[5], row[4]] for row in ROWS] + [[-1, *PIXELS[0], 0, 0.9]]},
        {
            "num_dets": [[2]],
            "det_boxes": [FILLED],
            "det_scores": [[0.9, 0.4, 0, 0.8]],
            "det_classes": [[1, 0, 0, 7]],
        },
        {"labels": [[1, 0, 0, -1]], "boxes": [FILLED], "scores": [[0.9, 0.4, 0, -1]]},
        {"labels": [1, 0], "boxes": PIXELS, "scores": [0.9, 0.4]},
        {"3": PIXELS, "2": [1, 0], "1": [0.9, 0.4]},  # only the labels are integers
        {"dets": [[[*PIXELS[0], 0.9], [*PIXELS[1], 0.4]]], "labels": [[1, 0]]},
    ],
)
def test_detections_of_models_that_suppress_overlaps(outputs):
    found = decode(outputs, layout="nms")
    np.testing.assert_allclose(found.boxes, PIXELS, rtol=1e-6)
    np.testing.assert_array_equal(found.labels, [1, 0])
    np.testing.assert_allclose(found.scores, [0.9, 0.4])


def test_columns_and_boxes_in_another_order():
    """PaddleDetection's, and those of OpenVINO with the label 0 as background."""
    paddle = {"a": [[1, 0.9, *PIXELS[0]], [-1, -1, 0, 0, 0, 0]], "bbox_num": [1]}
    found = decode({"a": paddle["a"]}, layout="nms", columns=["label", "score", "box"])
    np.testing.assert_allclose(found.boxes, [PIXELS[0]])
    openvino = [[[[0, 2, 0.9, 0.1, 0.2, 0.5, 0.6], [-1, 0, 0, 0, 0, 0, 0]]]]
    columns = ["batch", "label", "score", "box"]
    found = decode({"out": openvino}, layout="nms", columns=columns, background=True)
    np.testing.assert_allclose(found.boxes, [PIXELS[0]], rtol=1e-6)
    np.testing.assert_array_equal(found.labels, [1])


def test_shares_or_pixels_may_be_declared():
    rows = {"a": [[0.5, 0.5, 2, 2, 0.9, 0]]}  # four pixels, or half of the picture
    for normalized, box in ((True, [50, 25, 200, 100]), (False, [0.5, 0.5, 2, 2])):
        found = decode(rows, layout="nms", normalized=normalized)
        np.testing.assert_allclose(found.boxes, [box])


def test_no_detection():
    assert len(decode({"a": np.zeros((1, 0, 6))}, layout="nms").boxes) == 0
    none = {"boxes": np.zeros((0, 4)), "labels": np.zeros(0, int), "scores": np.zeros(0)}
    assert len(decode(none, layout="nms").boxes) == 0


def test_rtdetr_rows_are_shares_and_classes():
    rows = [[[0.3, 0.4, 0.4, 0.4, 0.1, 0.9], [0.7, 0.5, 0.2, 0.8, 0.4, 0.2]]]
    found = decode({"output0": rows}, layout="rtdetr")
    np.testing.assert_allclose(found.boxes, PIXELS, rtol=1e-5)
    np.testing.assert_array_equal(found.labels, [1, 0])


def test_yolox_is_relative_to_the_cells_of_three_grids():
    """Of an input of 64 x 32: 8 x 4 cells of 8 pixels, 4 x 2 of 16, 2 x 1 of 32."""
    rows = np.zeros((1, 32 + 8 + 2, 7), np.float32)
    rows[0, 8 * 2 + 3] = [0.5, 0.25, np.log(2), np.log(0.5), 0.5, 0.2, 0.8]
    rows[0, 32 + 8 + 1] = [0.5, 0.5, 0, -1, 1, 0.9, 0.1]
    layout = OnnxLayout(classes=TWO, layout="yolox")
    found = LAYOUTS["yolox"].decode(ModelOutputs({"output": rows}, layout, 2, (64, 32)))
    best = np.argsort(-found.scores)[:2]
    fine, coarse = (3.5 * 8, 2.25 * 8), (1.5 * 32, 0.5 * 32)
    np.testing.assert_allclose(
        found.boxes[best],
        [
            [coarse[0] - 16, coarse[1] - 16 / np.e, coarse[0] + 16, coarse[1] + 16 / np.e],
            [fine[0] - 8, fine[1] - 2, fine[0] + 8, fine[1] + 2],
        ],
        rtol=1e-6,
    )
    np.testing.assert_array_equal(found.labels[best], [0, 1])
    np.testing.assert_allclose(found.scores[best], [0.9, 0.4])


@pytest.mark.parametrize("order", [("s8", "s16", "d8", "d16"), ("d16", "s16", "s8", "d8")])
def test_nanodet_distances_are_means_of_bins(order):
    """An input of 32 x 20: 4 x 3 cells of 8 pixels, 2 x 2 of 16."""
    outputs = {
        "s8": np.zeros((1, 12, 2)),
        "s16": np.zeros((1, 4, 2)),
        "d8": np.zeros((1, 12, 20)),  # five bins: 0 to 4 cells
        "d16": np.zeros((1, 4, 20)),
    }
    outputs["s8"][0, 4 + 2] = [0.1, 0.9]  # row 1, column 2
    sides = outputs["d8"][0, 4 + 2].reshape(4, 5)
    sides[0, 1] = sides[1, 0] = sides[2, 2] = 50  # left 1, top 0, right 2 cells
    sides[3, [0, 1]] = 50  # bottom: half of them
    layout = OnnxLayout(classes=TWO, layout="nanodet")
    given = {name: outputs[name].astype(np.float32) for name in order}
    found = LAYOUTS["nanodet"].decode(ModelOutputs(given, layout, 2, (32, 20)))
    best = found.scores.argmax()
    center = np.array([2.5, 1.5]) * 8
    np.testing.assert_allclose(
        found.boxes[best], [center[0] - 8, center[1], center[0] + 16, center[1] + 4], rtol=1e-6
    )
    assert found.labels[best] == 1


def test_nanodet_plus_has_one_output_and_measures_from_corners():
    """An input of 32 x 20: 4 x 3 cells of 8 pixels, 2 x 2 of 16, 1 x 1 of 32."""
    rows = np.zeros((1, 12 + 4 + 1, 2 + 20), np.float32)
    rows[0, 12 + 3, :2] = [0.9, 0.1]  # row 1, column 1 of 16
    sides = rows[0, 12 + 3, 2:].reshape(4, 5)
    sides[[0, 1, 2, 3], [1, 0, 2, 1]] = 50
    layout = OnnxLayout(classes=TWO, layout="nanodet")
    found = LAYOUTS["nanodet"].decode(ModelOutputs({"output": rows}, layout, 2, (32, 20)))
    best = found.scores.argmax()
    np.testing.assert_allclose(found.boxes[best], [0, 16, 48, 32], rtol=1e-6)
    assert found.labels[best] == 0


def test_boxes_of_one_yolo_are_not_taken_for_those_of_another():
    cells = np.zeros((1, 6 * 13, 7), np.float32)
    cells[..., 2:4] = -0.5
    with pytest.raises(
        OutputsError, match="negative size; if boxes are relative to grids, the layout is yolox"
    ):
        decode({"a": cells}, layout="yolov5")
    pixels = np.full((1, 32 + 8 + 2, 7), 40.0)
    layout = OnnxLayout(classes=TWO, layout="yolox")
    with pytest.raises(OutputsError, match="if boxes are in pixels, the layout is yolov5"):
        LAYOUTS["yolox"].decode(ModelOutputs({"a": pixels}, layout, 2, (64, 32)))


def test_detr_must_say_what_its_last_logits_are():
    with pytest.raises(ValidationError, match="softmax or sigmoid"):
        OnnxLayout(layout="detr", classes=TWO, activation="none")
    outputs = {"logits": np.zeros((1, 9, 3)), "boxes": np.zeros((1, 9, 4))}
    with pytest.raises(OutputsError, match=r"if the last one is no object, set activation: softm"):
        decode(outputs, layout="detr")


@pytest.mark.parametrize("columns", [["box", "score"], ["box", "box", "score", "label"]])
def test_columns_must_be_whole(columns):
    with pytest.raises(ValidationError, match="columns"):
        OnnxLayout(classes=TWO, columns=columns)
