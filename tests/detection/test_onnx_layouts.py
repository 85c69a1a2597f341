"""Each layout is decoded to the boxes that were put into its tensors."""

import numpy as np
import pytest
from pydantic import ValidationError

from cvdl.detection.onnx_layouts import LAYOUTS, OnnxLayout, OutputsError

SIZE = (100, 50)  # width and height of the input
TWO = ["cup", "fork"]


def decode(given, classes=TWO, **keys):
    layout = OnnxLayout(classes=classes, **keys)
    arrays = {name: np.asarray(array, np.float32) for name, array in given.items()}
    return LAYOUTS[layout.layout].decode(arrays, layout, len(classes), SIZE)


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
    # Centre (4.5, 1.75) cells, size 30 % of the width by 40 % of the height.
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


def test_ssd_with_centres_raw_scores_and_names_that_tell_nothing():
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
    found = decode(outputs, layout="detr", activation="sigmoid")
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
        ({"layout": "ssd"}, {"a": np.zeros((1, 9, 5)), "b": np.zeros((1, 9, 2))}, "boxes is uncl"),
        ({"layout": "ssd", "outputs": {"boxes": "c"}}, {"a": np.zeros((1, 9, 4))}, "no output c"),
        (
            {"layout": "ssd"},
            {"boxes": np.zeros((1, 1, 4)), "labels": [[2]], "scores": [[1]]},
            "label is 2; expected below 2",
        ),
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


def test_detr_must_say_what_its_logits_are():
    with pytest.raises(ValidationError, match="softmax or sigmoid"):
        OnnxLayout(layout="detr", classes=TWO)
