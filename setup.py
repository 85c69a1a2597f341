"""Packaging for pip and for colcon (ament_python).

The metadata stands here rather than in pyproject.toml because the setuptools of Ubuntu 22.04
(ROS 2 Humble) does not read it there.
"""

from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

NAME = "cvdl"
HERE = Path(__file__).resolve().parent  # colcon build --symlink-install runs a link to this file

RUN = [
    "matplotlib>=3.7",
    "mcap>=1.2.1",
    "numba>=0.61",
    "numpy>=1.24",
    "onnxruntime>=1.18",
    "open3d-cpu>=0.19; platform_machine == 'x86_64' and platform_system == 'Linux'",
    "open3d>=0.19; platform_machine != 'x86_64' or platform_system != 'Linux'",
    "opencv-contrib-python-headless>=4.9",
    "pycocotools>=2.0.8",
    "pydantic>=2.5",
    "pyyaml>=6",
    "rich>=13",
    "rosbags>=0.11.3",
    "safetensors>=0.4",
    "scikit-learn>=1.3",
    "scipy>=1.11",
    "shapely>=2",
    "tensorboard>=2.14",
    "torch>=2.4",
    "torchvision>=0.19",
    "typer>=0.15.4",
]
RERUN = ["rerun-sdk>=0.24"]
TRACKING = ["trackforge>=0.4,<0.5"]
DEV = [
    "hypothesis>=6.100",
    "mcap-ros2-support>=0.5.5",
    "mypy>=1.10",
    "onnx>=1.16",
    "pre-commit>=3.5",
    "pytest>=8",
    "ruff>=0.6",
    "types-PyYAML",
]

setup(
    name=NAME,
    version="0.1.0",
    description="RGB-D perception for robots: boxes, masks and grasp poses from colour and depth",
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
            "detection/weights/*",
            "grasping/weights/*",
            "ros/definitions/*/*.msg",
        ]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", sorted(glob("launch/*"))),
        (f"share/{NAME}/config", sorted(glob("config/*"))),
    ],
    python_requires=">=3.10",
    install_requires=RUN,
    extras_require={"rerun": RERUN, "tracking": TRACKING, "dev": DEV + RERUN + TRACKING},
    entry_points={"console_scripts": ["cvdl = cvdl.cli:main"]},
    zip_safe=False,
)
