"""What ROS itself takes from a parameter file, against what the package's reader says."""

from __future__ import annotations

import pytest
from rclpy.node import Node

from helpers.parameter_files import FILES, NODE


@pytest.mark.parametrize("name", FILES)
def test_ros_and_the_reader_agree_on_the_parameters(graph, tmp_path, name):
    text, expected = FILES[name]
    path = tmp_path / "parameters.yaml"
    path.write_text(text)
    namespace, _, own_name = NODE.rpartition("/")
    node = Node(
        own_name,
        namespace=namespace,
        cli_args=["--ros-args", "--params-file", str(path)],
        use_global_arguments=False,
        automatically_declare_parameters_from_overrides=True,
        start_parameter_services=False,
        enable_rosout=False,
    )
    try:
        found = {key: value.value for key, value in node.get_parameters_by_prefix("").items()}
    finally:
        node.destroy_node()
    expected_of_ros = {"use_sim_time", "start_type_description_service"}
    assert {key: found[key] for key in found.keys() - expected_of_ros} == expected
