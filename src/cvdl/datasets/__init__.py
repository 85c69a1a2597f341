"""Folders of recorded data as frames and truth."""

from cvdl.datasets.cornell import CornellDataset
from cvdl.datasets.cornell_rgb import CornellRgbDataset
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.datasets.image_folder import DatasetError, ImageFolder
from cvdl.datasets.jacquard import JacquardDataset
from cvdl.datasets.osd import OsdDataset

__all__ = [
    "CornellDataset",
    "CornellRgbDataset",
    "DatasetError",
    "GraspSample",
    "ImageFolder",
    "JacquardDataset",
    "OsdDataset",
]
