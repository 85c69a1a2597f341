"""Settings: where they come from, which wins, and what bad ones are told."""

from pathlib import Path

import pytest

from cvdl.core.config import ConfigError
from cvdl.pipeline import PerceptionConfig, load_config


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "perception.yaml"
    path.write_text(text)
    return path


def test_nothing_given_is_the_defaults(tmp_path):
    assert load_config() == load_config(write(tmp_path, "")) == PerceptionConfig()


def test_overrides_win_over_the_file_and_the_file_over_the_defaults(tmp_path):
    path = write(tmp_path, "segmentation: {max_range: 2.5, min_pixels: 99}")
    config = load_config(path, ["segmentation.max_range=1.5"])
    assert config.segmentation.max_range == 1.5
    assert config.segmentation.min_pixels == 99
    assert config.segmentation.min_height == PerceptionConfig().segmentation.min_height


def test_a_ros_parameter_file_is_accepted(tmp_path):
    text = """
/**:
  ros__parameters:
    segmentation: {max_range: 2.5}
    grasp.max_opening: 0.08
    enable: true
    topics: {color: /camera/color}
/perception/perception_node:
  ros__parameters:
    segmentation.min_pixels: 99
"""
    config = load_config(write(tmp_path, text))
    assert config.segmentation.max_range == 2.5
    assert config.segmentation.min_pixels == 99
    assert config.grasp.max_opening == 0.08
    with pytest.raises(ConfigError, match=r"perception\.yaml: .*max_range is 50"):
        load_config(write(tmp_path, text.replace("2.5", "50")))


@pytest.mark.parametrize("text", ["/**: {ros__parameters: }", "/**: {ros__parameters: [1]}"])
def test_a_parameter_file_without_parameters_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match=r"ros__parameters of /\*\* holds no keys and values"):
        load_config(write(tmp_path, text))


def test_the_nodes_parameter_file_holds_the_defaults():
    path = Path(__file__).parents[2] / "config" / "perception.yaml"
    assert load_config(path) == PerceptionConfig()


def test_an_override_may_be_written_as_python_writes_numbers():
    assert load_config(None, ["segmentation.max_range=2e0"]).segmentation.max_range == 2


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("drill", ("drill",)),
        ("drill, tennis ball", ("drill", "tennis ball")),
        ("[drill, mug]", ("drill", "mug")),
        ("''", ()),
        ("[]", ()),
        ("", ()),
    ],
)
def test_names_may_be_a_list_or_between_commas(text, names):
    assert load_config(None, [f"grasp.only={text}"]).grasp.only == names


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("segmentation.max_range=50", r"segmentation\.max_range is 50: .*number >= 0\.2 and <= 20"),
        ("segmentation.max_range=far", r"max_range is 'far': accepted: number"),
        ("segmentation.max_range.x=1", r"segmentation\.max_range is \{'x': 1\}: accepted: number"),
        ("segmentation.min_pixels=20.5", r"min_pixels is 20\.5: accepted: integer >= 20"),
        ("segmentation.range=2", r"unknown key segmentation\.range; accepted: .*max_range"),
        ("grasps.angle=2", "unknown key grasps; accepted: segmentation, detector, gallery, grasp"),
        ("detector.detector=yolov0", r"detector\.detector is 'yolov0': accepted: rgbd_rcnn"),
        ("detector.min_overlap=0", r"min_overlap is 0: accepted: number >= 0\.05 and <= 1"),
        ("grasp.angle=2", r"unknown key grasp\.angle; accepted: enable, detector"),
        ("grasp.approach=side", r"grasp\.approach is 'side': accepted: surface, plane"),
        ("grasp.max_opening=3", r"max_opening is 3: accepted: number >= 0\.005 and <= 1"),
        ("grasp.only=3", r"grasp\.only is 3: accepted: array"),
        ("grasp.only=[mug, 3]", r"grasp\.only\.1 is 3: Input should be a valid string"),
        ("grasp.insertion=0.2", r"settings: insertion 0\.2 must not be more than plate_length"),
        ("segmentation={min_height: 0.1, max_height: 0.1}", "0.1 must be less than max_height 0.1"),
        ("segmentation.region.image=[0, 0.5]", r"region\.image is \[0\.0, 0\.5\]: .*y_min, y_max"),
        ("segmentation.region.image=[0, 2, 0, 1]", r"region\.image is \[0\.0, 2.*from 0 to 1"),
        ("segmentation.region.image=[0, a, 0, 1]", r"region\.image\.1 is 'a': .*valid number"),
        ("segmentation.region.box=[0, 1, 1, 0, 0, 1]", r"region\.box is .*less than its maximum"),
        ("segmentation.region.box=[0, 1, 0, 1]", r"region\.box is .*expected x_min, x_max, y_min"),
        (
            "segmentation.region.box=[0, .inf, 0, 1, 0, 1]",
            r"region\.box is \[0\.0, inf, ",
        ),
        (
            "segmentation.region.box=[0, .nan, 0, 1, 0, 1]",
            r"region\.box is \[0\.0, nan, ",
        ),
        (
            "segmentation.region={box: [0, 1, 0, 1, 0, 1], box_frame: ''}",
            "the name of its tf frame",
        ),
        ("segmentation=2", "segmentation is 2: expected a section of settings: method, "),
        ("detector=onnx", "detector is 'onnx': expected a section of settings: enable, detector"),
        ("segmentation.max_range", "expected key=value"),
        ("=3", "expected key=value"),
        ("segmentation.max_range=[", "not YAML"),
    ],
)
def test_bad_overrides(override, words):
    with pytest.raises(ConfigError, match=words):
        load_config(None, [override])


def test_every_problem_is_reported_at_once():
    with pytest.raises(ConfigError, match=r"max_range is 50.*; unknown key segmentation\.a;"):
        load_config(None, ["segmentation.max_range=50", "segmentation.a=1"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", r"holds \[1, 2\]; expected keys and values"),
        ("segmentation: {max_range: -1}", "max_range is -1"),
        ("a: [", "not YAML"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, words):
    with pytest.raises(ConfigError, match=rf"perception\.yaml: .*{words}"):
        load_config(write(tmp_path, text))


def test_an_empty_section_of_a_file_changes_nothing(tmp_path):
    assert load_config(write(tmp_path, "detector:\nsegmentation:")) == PerceptionConfig()


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        load_config(tmp_path / "none.yaml")
    path = tmp_path / "perception.yaml"
    path.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(ConfigError, match=r"perception\.yaml: not "):
        load_config(path)
