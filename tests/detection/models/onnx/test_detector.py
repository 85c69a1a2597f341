"""ONNX models are loaded with their layout, and boxes come back to where things are."""

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets import CocoDataset
from cvdl.detection import load_detector
from cvdl.detection.models.onnx.detector import load
from helpers.paths import DATA

FASTESTDET = DATA / "fastestdet"


def frame_of(color):
    height, width = color.shape[:2]
    camera = Camera(width, height, 500.0, 500.0, width / 2, height / 2)
    return RgbdFrame(color, np.full((height, width), np.nan, np.float32), camera)


def write_model(path, outputs, shape=(1, 3, 64, 96), dtype=TensorProto.FLOAT, metadata=()):
    """A model that gives the same outputs whatever its input."""
    arrays = {name: np.asarray(array) for name, array in outputs.items()}
    arrays = {
        name: array if array.dtype == np.int64 else array.astype(np.float32)
        for name, array in arrays.items()
    }
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))
        for name, array in arrays.items()
    ]
    told = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in arrays.items()
    ]
    write(path, nodes, [helper.make_tensor_value_info("images", dtype, shape)], told, metadata)


def write(path, nodes, inputs, outputs, metadata=()):
    graph = helper.make_graph(nodes, "detector", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def write_finder(path, width, height):
    """A model in the layout of YOLOv8 that finds what is brighter than half."""
    ends = {
        name: ", ".join(f"{end}.0" for end in range(1, count + 1))
        for name, count in (("x", width), ("y", height))
    }
    text = f"""
    <ir_version: 8, opset_import: ["" : 17]>
    finder (float[1,3,{height},{width}] images) => (float[1,5,1] output0) {{
      half = Constant<value = float {{0.5}}>()
      two = Constant<value = float {{2.0}}>()
      one = Constant<value = float[1] {{1.0}}>()
      shape = Constant<value = int64[3] {{1, 5, 1}}>()
      wide = Constant<value = float {{{width}.0}}>()
      high = Constant<value = float {{{height}.0}}>()
      x = Constant<value = float[{width}] {{{ends["x"]}}}>()
      y = Constant<value = float[{height}] {{{ends["y"]}}}>()
      bright = Greater(images, half)
      mask = Cast<to = 1>(bright)
      columns = ReduceMax<axes = [0, 1, 2], keepdims = 0>(mask)
      rows = ReduceMax<axes = [0, 1, 3], keepdims = 0>(mask)
      at_x = Mul(columns, x)
      at_y = Mul(rows, y)
      right = ReduceMax<axes = [0], keepdims = 1>(at_x)
      bottom = ReduceMax<axes = [0], keepdims = 1>(at_y)
      x_left = Sub(wide, x)
      x_back = Add(x_left, one)
      y_left = Sub(high, y)
      y_back = Add(y_left, one)
      from_right = Mul(columns, x_back)
      from_bottom = Mul(rows, y_back)
      most_x = ReduceMax<axes = [0], keepdims = 1>(from_right)
      most_y = ReduceMax<axes = [0], keepdims = 1>(from_bottom)
      left = Sub(wide, most_x)
      top = Sub(high, most_y)
      sum_x = Add(left, right)
      sum_y = Add(top, bottom)
      cx = Div(sum_x, two)
      cy = Div(sum_y, two)
      w = Sub(right, left)
      h = Sub(bottom, top)
      row = Concat<axis = 0>(cx, cy, w, h, one)
      output0 = Reshape(row, shape)
    }}
    """
    onnx.save(onnx.parser.parse_model(text), path)


@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
@pytest.mark.parametrize("size", [(200, 150), (150, 200), (333, 101), (57, 199)])
def test_boxes_are_scaled_back_to_the_image(tmp_path, resize, size):
    write_finder(tmp_path / "finder.onnx", 416, 320)
    (tmp_path / "finder.yaml").write_text(
        f"layout: yolov8\nclasses: [bright]\nresize: {resize}\npadding: 0\n"
    )
    width, height = size
    color = np.zeros((height, width, 3), np.uint8)
    box = np.array([width // 3, height // 5, width // 3 + 20, height // 5 + 30])
    color[box[1] : box[3], box[0] : box[2]] = 255
    detector = load_detector("onnx", str(tmp_path / "finder.onnx"), "cpu")
    (found,) = detector([frame_of(color)])
    # An edge lies between two pixels of the input, whose scale is that of the resizing.
    np.testing.assert_allclose(found.boxes, [box], atol=0.5 * max(1, width / 416, height / 320))
    assert detector.classes == ("bright",)


def test_channels_last_in_bytes_and_a_batch_of_mixed_sizes(tmp_path):
    boxes = [[[0.0, 0.0, 1.0, 1.0], [0.25, 0.5, 0.5, 0.75], [0.25, 0.5, 0.5, 0.75]]]
    outputs = {"boxes": boxes, "scores": [[[0.1, 0.9], [0.8, 0.1], [0.7, 0.2]]]}
    path = tmp_path / "model.onnx"
    write_model(path, outputs, (1, 64, 96, 3), TensorProto.UINT8)
    (tmp_path / "model.json").write_text(
        '{"layout": "ssd", "classes": ["cup", "fork"], "resize": "stretch"}'
    )
    detector = load_detector("onnx", str(path), "cpu")
    first, second = detector(
        [frame_of(np.zeros((*shape, 3), np.uint8)) for shape in ((100, 200), (10, 20))]
    )
    np.testing.assert_allclose(first.boxes, [[0, 0, 200, 100], [50, 50, 100, 75]])
    np.testing.assert_allclose(second.boxes, [[0, 0, 20, 10], [5, 5, 10, 7.5]])
    np.testing.assert_array_equal(first.labels, [1, 0])  # the third is the second, less sure
    np.testing.assert_allclose(first.scores, [0.9, 0.8])
    assert detector([]) == []


def test_colors_are_prepared_as_in_the_layout(tmp_path):
    """A model that gives the input's mean color as a box."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["color"], axes=[2, 3], keepdims=0),
        helper.make_node("Concat", ["color", "color"], ["six"], axis=1),
        helper.make_node(
            "Constant", [], ["shape"], value=numpy_helper.from_array(np.array([1, 6, 1]))
        ),
        helper.make_node("Reshape", ["six", "shape"], ["output0"]),
    ]
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, "h", "w"])]
    outputs = [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 6, 1])]
    write(tmp_path / "mean.onnx", nodes, inputs, outputs)
    keys = (
        "layout: yolov8\nclasses: [a, b]\ncolor_order: bgr\nscale: 1\nmean: [1, 2, 3]\n"
        "std: [2, 2, 2]\ninput_size: [300, 300]\nresize: stretch\nmin_score: 0\n"
    )
    (tmp_path / "mean.yaml").write_text(keys)
    detector = load_detector("onnx", str(tmp_path / "mean.onnx"), "cpu")
    color = np.full((300, 300, 3), (43, 202, 101), np.uint8)
    (found,) = detector([frame_of(color)])
    blue, green, red = 50, 100, 20
    wanted = [blue - red / 2, green - blue / 2, blue + red / 2, green + blue / 2]
    np.testing.assert_allclose(found.boxes, [wanted], rtol=1e-6)


def test_what_lies_in_the_padding_is_left_out_and_the_rest_is_cut(tmp_path):
    rows = [[[48, 4, 20, 6, 1, 0.9], [48, 20, 200, 20, 1, 0.8]]]
    write_model(tmp_path / "model.onnx", {"output0": rows})
    (tmp_path / "model.yml").write_text("layout: yolov5\nclasses: [cup]\n")
    detector = load_detector("onnx", str(tmp_path / "model.onnx"), "cpu")
    (found,) = detector([frame_of(np.zeros((32, 96, 3), np.uint8))])  # 16 rows above and below
    np.testing.assert_allclose(found.boxes, [[0, 0, 96, 14]])


def test_what_is_no_number_is_left_out(tmp_path):
    rows = [[[48, 32, np.inf, 6, 1, 0.9], [48, 32, 20, 6, 1, np.nan], [48, 32, 20, 10, 1, 0.8]]]
    write_model(tmp_path / "model.onnx", {"output0": rows})
    (tmp_path / "model.yml").write_text("layout: yolov5\nclasses: [cup]\n")
    detector = load_detector("onnx", str(tmp_path / "model.onnx"), "cpu")
    (found,) = detector([frame_of(np.zeros((64, 96, 3), np.uint8))])
    np.testing.assert_allclose(found.boxes, [[38, 27, 58, 37]])


def test_ignored_classes_are_left_out(tmp_path):
    path, box = tmp_path / "model.onnx", [38, 27, 58, 37]
    write_model(path, {"a": [[[*box, 0.9, 0], [*box, 0.8, 1]]]})
    for ignored, labels in (("", [0, 1]), ("cup", [1]), ("cup, fork", [])):
        path.with_suffix(".yaml").write_text(f"classes: [cup, fork]\nignore: [{ignored}]\n")
        detector = load_detector("onnx", str(path), "cpu")
        (found,) = detector([frame_of(np.zeros((64, 96, 3), np.uint8))])
        assert (found.labels.tolist(), detector.classes) == (labels, ("cup", "fork"))
    path.with_suffix(".yaml").write_text("classes: [cup, fork]\nignore: [knife]\n")
    with pytest.raises(InputError, match="ignore has 'knife'; accepted: cup, fork"):
        load_detector("onnx", str(path), "cpu")


def test_exports_that_name_their_classes_need_no_file(tmp_path):
    names = {"names": "{0: 'cup', 1: 'fork'}"}
    box = [48, 32, 20, 10]
    write_model(tmp_path / "five.onnx", {"a": [[[*box, 1, 0.1, 0.9]]]}, metadata=names.items())
    columns = np.array([[*box, 0.1, 0.9]]).T[None]
    eight = {**names, "task": "detect", "imgsz": "[64, 96]"}
    shape = (1, 3, "height", "width")
    write_model(tmp_path / "eight.onnx", {"a": columns}, shape, metadata=eight.items())
    for name in ("five", "eight"):
        detector = load_detector("onnx", str(tmp_path / f"{name}.onnx"), "cpu")
        assert detector.classes == ("cup", "fork")
        (found,) = detector([frame_of(np.zeros((64, 96, 3), np.uint8))])
        np.testing.assert_allclose(found.boxes, [[38, 27, 58, 37]])
        np.testing.assert_array_equal(found.labels, [1])


@pytest.mark.parametrize(
    ("output", "description"),
    [
        ([[[38, 27, 58, 37, 0.9, 1], [0] * 6]], "Ultralytics YOLO26n model"),
        ([[[0.5, 0.5, 20 / 96, 10 / 64, 0.1, 0.9]]], "Ultralytics rtdetr-l model"),
        (np.array([[[48, 32, 20, 10, 0.1, 0.9]] * 300]).transpose(0, 2, 1), "YOLOv8n"),
    ],
)
def test_exports_of_one_package_in_several_layouts(tmp_path, output, description):
    path = tmp_path / "model.onnx"
    metadata = {"names": "{0: 'cup', 1: 'fork'}", "task": "detect", "description": description}
    write_model(path, {"output0": output}, metadata=metadata.items())
    detector = load_detector("onnx", str(path), "cpu")
    (found,) = detector([frame_of(np.zeros((64, 96, 3), np.uint8))])
    np.testing.assert_allclose(found.boxes, [[38, 27, 58, 37]], rtol=1e-6)
    np.testing.assert_array_equal(found.labels, [1])


def test_the_layout_is_inferred_from_shapes(tmp_path):
    path = tmp_path / "model.onnx"
    (tmp_path / "model.yaml").write_text("classes: [cup, fork]\n")
    box, centered = [38, 27, 58, 37], [48, 32, 20, 10]
    shares = [0.5, 0.5, 20 / 96, 10 / 64]
    for outputs in (
        {"output0": [[[*box, 0.9, 1]]]},
        {"boxes": [box], "labels": np.array([1]), "scores": [0.9]},
        {"output0": [[[*centered, 1, 0.1, 0.9]]]},
        {"output0": np.array([[[*centered, 0.1, 0.9]]]).transpose(0, 2, 1)},
        {"output0": [[[*shares, 0.1, 0.9]]]},
    ):
        write_model(path, outputs)
        (found,) = load_detector("onnx", str(path), "cpu")(
            [frame_of(np.zeros((64, 96, 3), np.uint8))]
        )
        np.testing.assert_allclose(found.boxes, [box], rtol=1e-6)
        np.testing.assert_array_equal(found.labels, [1])
    write_model(path, {"a": np.zeros((1, 9, 2)), "boxes": np.zeros((1, 9, 4))})
    with pytest.raises(InputError, match="the layouts ssd and detr fit; set the key layout to one"):
        load_detector("onnx", str(path), "cpu")
    write_model(path, {"a": np.zeros((1, 9, 3))})
    with pytest.raises(InputError, match=r"a \[1, 9, 3\]: no layout fits these shapes with 2"):
        load_detector("onnx", str(path), "cpu")
    write_model(path, {"output0": [[[*box, 0.9, 44]]]})  # a class that the list does not have
    with pytest.raises(InputError, match="no layout fits these shapes with 2 classes"):
        load_detector("onnx", str(path), "cpu")


def pyramid(levels, *widths):
    """Outputs of zeros for the levels of an input of 96 x 64."""
    cells = [-(-96 // stride) * -(-64 // stride) for stride in (8, 16, 32, 64)[:levels]]
    return {
        f"{width}_{count}": np.zeros((1, count, width)) - (width == 20)
        for width in widths
        for count in cells
    }


@pytest.mark.parametrize(
    ("outputs", "layout"),
    [
        ({"output": np.full((1, 96 + 24 + 6, 7), -0.5)}, "yolox"),
        (pyramid(3, 2, 20), "nanodet"),
        (pyramid(4, 2, 20), "picodet"),
        ({"pred_logits": np.full((1, 9, 2), 0.5), "pred_boxes": np.zeros((1, 9, 4))}, "detr"),
        ({"1": np.full((1, 9, 2), -4.0), "2": np.zeros((1, 9, 4))}, "detr"),
    ],
)
def test_layouts_of_raw_outputs_are_inferred(tmp_path, outputs, layout):
    path = tmp_path / "model.onnx"
    write_model(path, outputs)
    (tmp_path / "model.yaml").write_text("classes: [cup, fork]\n")
    assert load(str(path), "cpu").layout.layout == layout


def test_a_wrong_number_of_classes_is_named(tmp_path):
    path = tmp_path / "model.onnx"
    write_model(path, {"output": np.full((1, 96 + 24 + 6, 85), -0.5)})
    for layout, what in (("", "no layout fits these shapes"), ("layout: yolox\n", "layout yolox")):
        (tmp_path / "model.yaml").write_text(f"{layout}classes: [cup, fork]\n")
        hint = f"{what}.*; with 80 classes, yolox fits, but there are 2 names; accepted"
        with pytest.raises(InputError, match=hint):
            load_detector("onnx", str(path), "cpu")
    (tmp_path / "model.yaml").write_text("classes: coco\n")
    classes = load_detector("onnx", str(path), "cpu").classes
    assert (len(classes), classes[0], classes[-1]) == (80, "person", "toothbrush")


def test_a_file_of_names_may_be_called_coco(tmp_path):
    (tmp_path / "coco").write_text("cup\nfork\n")
    write_model(tmp_path / "model.onnx", {"output0": [[[38, 27, 58, 37, 0.9, 1]]]})
    (tmp_path / "model.yaml").write_text("classes: coco\n")
    assert load_detector("onnx", str(tmp_path / "model.onnx"), "cpu").classes == ("cup", "fork")


def test_what_is_not_said_of_colors_is_as_published_models_want_it(tmp_path):
    path = tmp_path / "model.onnx"
    for keys, colors, geometry in (
        ("layout: yolox", ("bgr", 1.0, (0, 0, 0)), ("letterbox", "corner", 114)),
        ("layout: nanodet", ("bgr", 1.0, (103.53, 116.28, 123.675)), ("letterbox", "center", 0)),
        ("layout: nanodet\nresize: stretch", ("bgr", 1.0, (103.53, 116.28, 123.675)), ("stretch",)),
        ("layout: nanodet\ncolor_order: rgb", ("rgb", 1 / 255, (0, 0, 0)), ("letterbox",)),
    ):
        outputs = pyramid(3, 2, 20)
        if "yolox" in keys:
            outputs = {"output": np.full((1, 96 + 24 + 6, 7), -0.5)}
        write_model(path, outputs)
        (tmp_path / "model.yaml").write_text(f"classes: [cup, fork]\n{keys}\n")
        layout = load(str(path), "cpu").layout
        assert (layout.color_order, layout.scale, layout.mean) == colors, keys
        assert (layout.resize, layout.align, layout.padding)[: len(geometry)] == geometry, keys


def test_old_files_are_opened_without_warnings(tmp_path, capfd):
    """Exporters listed weights among the inputs: ONNX Runtime warns of each."""
    path = tmp_path / "model.onnx"
    rows = numpy_helper.from_array(np.float32([[[38, 27, 58, 37, 0.9, 1]]]), "rows")
    inputs = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 64, 96)),
        helper.make_tensor_value_info("rows", TensorProto.FLOAT, (1, 1, 6)),
    ]
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, (1, 1, 6))
    node = helper.make_node("Identity", ["rows"], ["output0"])
    graph = helper.make_graph([node], "old", inputs, [output], [rows])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=4), path
    )
    (tmp_path / "model.yaml").write_text("classes: [cup, fork]\n")
    (found,) = load_detector("onnx", str(path), "cpu")([frame_of(np.zeros((64, 96, 3), np.uint8))])
    np.testing.assert_allclose(found.boxes, [[38, 27, 58, 37]])
    assert capfd.readouterr() == ("", "")


def write_sized(path, extra, text):
    """A model of the nms layout that also takes sizes, and gives a box that they make."""
    model = onnx.parser.parse_model(
        f"""
        <ir_version: 8, opset_import: ["" : 17]>
        sized (float[1,3,64,96] images, {extra}) =>
            (int64[1,1] labels, float[1,1,4] boxes, float[1,1] scores) {{
          labels = Constant<value = int64[1,1] {{1}}>()
          scores = Constant<value = float[1,1] {{0.9}}>()
          shape = Constant<value = int64[3] {{1, 1, 4}}>()
          {text}
          boxes = Reshape(box, shape)
        }}
        """
    )
    onnx.save(model, path)


def test_models_that_take_the_size_are_given_it(tmp_path):
    path = tmp_path / "model.onnx"
    (tmp_path / "model.yaml").write_text("classes: [cup, fork]\n")
    half = "two = Constant<value = float {2.0}>() half = Div(size, two)"
    for extra, text in (
        (  # RT-DETR and its kin: width, height
            "int64[1,2] orig_target_sizes",
            f"size = Cast<to = 1>(orig_target_sizes) {half} box = Concat<axis = 1>(half, size)",
        ),
        (  # PaddleDetection: height, width, and factors from the image to the input
            "float[1,2] im_shape, float[1,2] scale_factor",
            """one = Constant<value = int64[1] {1}>() none = Constant<value = int64[1] {0}>()
            height = Gather<axis = 1>(im_shape, none) width = Gather<axis = 1>(im_shape, one)
            turned = Concat<axis = 1>(width, height)
            size = Div(turned, scale_factor) """
            f"{half} box = Concat<axis = 1>(half, size)",
        ),
    ):
        write_sized(path, extra, text)
        (found,) = load_detector("onnx", str(path), "cpu")(
            [frame_of(np.zeros((128, 256, 3), np.uint8))]
        )
        np.testing.assert_allclose(found.boxes, [[128, 64, 256, 128]])
        np.testing.assert_array_equal(found.labels, [1])
    write_sized(
        path, "float[1,2] other", "two = Concat<axis = 1>(other, other) box = Identity(two)"
    )
    with pytest.raises(InputError, match=r"takes .*other.*; and optionally its size, as orig_tar"):
        load_detector("onnx", str(path), "cpu")


def test_images_without_an_axis_of_the_batch(tmp_path):
    """As torchvision's detectors are exported, with the label 0 as background."""
    path = tmp_path / "model.onnx"
    outputs = {"boxes": [[38, 27, 58, 37]], "labels": np.array([2]), "scores": [0.9]}
    write_model(path, outputs, (3, 64, 96))
    (tmp_path / "model.yaml").write_text("classes: [cup, fork]\nbackground: true\n")
    (found,) = load_detector("onnx", str(path), "cpu")([frame_of(np.zeros((64, 96, 3), np.uint8))])
    np.testing.assert_allclose(found.boxes, [[38, 27, 58, 37]])
    np.testing.assert_array_equal(found.labels, [1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"outputs are a \[1, 9, 6\]: its metadata names no classes; accepted: fastestdet: "),
        ("layout: yolov5\nclasses: [a, b]", r"a \[1, 9, 6\]: layout yolov5: axis 2 has 6 values"),
        ("layout: yolo\nclasses: [a]", "layout: Input should be 'fastestdet', .*it is 'yolo'"),
        ("layout: nms\nclasses: [a]\ncolumns: [box]", "columns needs box, score and label"),
        ("layout: yolov5", "classes: Field required"),
        ("layout: yolov5\nclasses: []", "no classes"),
        ("layout: yolov5\nclasses: none.txt", "none.txt, cannot be read"),
        ("layout: yolov5\nclases: [a]", "unknown key clases; accepted: model, layout, classes"),
        ("layout: yolov5\nclasses: [a]\nmin_score: 2", "min_score: .*it is 2"),
        ("layout: yolov5\nclasses: [a]\nstd: [0, 1, 1]", r"std\.0: .*greater than 0"),
        ("- 1", "expected keys and values"),
        ("a: [", "not YAML"),
        ("layout: detr\nclasses: [a]\nactivation: none", "softmax or sigmoid"),
    ],
)
def test_an_unusable_layout_is_reported(tmp_path, text, message):
    write_model(tmp_path / "model.onnx", {"a": np.zeros((1, 9, 6))})
    if text is not None:
        (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_detector("onnx", str(tmp_path / "model.onnx"), "cpu")


def test_an_unusable_model_is_reported(tmp_path):
    layout = tmp_path / "model.yaml"
    layout.write_text("layout: yolov8\nclasses: [a, b]\n")
    path = tmp_path / "model.onnx"
    for given in (path, layout):
        with pytest.raises(InputError, match=r"model\.onnx: no such file"):
            load_detector("onnx", str(given), "cpu")
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"model\.onnx: damaged"):
        load_detector("onnx", str(path), "cpu")
    write_model(path, {"a": np.zeros((1, 6, 9))}, (1, 4, 64, 96))
    with pytest.raises(InputError, match=r"takes images tensor\(float\) \[1, 4, 64, 96\]; acc"):
        load_detector("onnx", str(path), "cpu")
    write_model(path, {"a": np.zeros((1, 6, 9))}, ("n", 3, "h", "w"))
    with pytest.raises(InputError, match="any size; set one with the key input_size"):
        load_detector("onnx", str(path), "cpu")
    with pytest.raises(InputError, match=r"'model\.pt'; accepted: a file that ends in \.onnx"):
        load_detector("onnx", "model.pt", "cpu")


ONNX = DATA / "onnx"
COCO = DATA / "coco_mini"


@pytest.mark.real("onnx", "coco_mini")
@pytest.mark.parametrize("name", ["yolox_nano", "nanodet_m", "picodet_s_416_coco"])
def test_detectors_of_the_field_find_what_is_labeled(tmp_path, name):
    """The large things of some photographs; shapes tell layouts and preprocessing."""
    layout = tmp_path / f"{name}.yaml"
    layout.write_text(f"model: {ONNX}/{name}.onnx\nclasses: coco\n")
    detector = load_detector("onnx", str(layout), "cpu")
    data = CocoDataset(COCO)
    found = total = 0
    for index in range(0, 24):
        sample = data[index]
        (seen,) = detector([sample.frame])
        sizes = (sample.boxes[:, 2:] - sample.boxes[:, :2]).min(axis=1)
        for box, label in zip(sample.boxes[sizes > 150], sample.labels[sizes > 150], strict=True):
            if data.classes[label] in detector.classes:
                mine = seen.labels == detector.classes.index(data.classes[label])
                overlaps = [overlap(box, other) for other in seen.boxes[mine & (seen.scores > 0.3)]]
                found, total = found + (max(overlaps, default=0) > 0.6), total + 1
    assert total > 15
    assert found > total / 2  # none where the grids or channels are wrong


@pytest.mark.real("fastestdet")
def test_fastestdet_finds_what_is_in_its_photographs(tmp_path):
    layout = tmp_path / "fastestdet.yaml"
    layout.write_text(
        f"model: {FASTESTDET}/FastestDet.onnx\nlayout: fastestdet\n"
        f"classes: {FASTESTDET}/coco.names\ncolor_order: bgr\nresize: stretch\nmin_score: 0.5\n"
    )
    detector = load_detector("onnx", str(layout), "cpu")
    frames = [
        frame_of(cv2.imread(str(FASTESTDET / f"{number}.jpg"), cv2.IMREAD_COLOR_RGB))
        for number in range(4)
    ]
    # Read off the photographs: pitcher, catcher, umpire; the bus; three that walk; two of four.
    there = [
        ("person", [[180, 0, 242, 117], [277, 303, 350, 435], [285, 280, 465, 444]]),
        ("bus", [[48, 84, 592, 422]]),
        ("person", [[82, 92, 268, 470], [252, 62, 336, 375], [360, 50, 490, 425]]),
        ("person", [[44, 65, 178, 297], [290, 142, 498, 298]]),
    ]
    for found, (name, boxes) in zip(detector(frames), there, strict=True):
        named = found.boxes[found.labels == detector.classes.index(name)]
        for box in boxes:
            assert max(overlap(box, other) for other in named) > 0.6


def overlap(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = np.prod(np.clip(high - low, 0, None))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / (sum(areas) - shared)
