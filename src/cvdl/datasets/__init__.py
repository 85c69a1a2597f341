"""Folders of recorded data as frames and truth."""

from cvdl.datasets.coco import CocoDataset
from cvdl.datasets.image_folder import ImageFolder
from cvdl.datasets.images import DatasetError
from cvdl.datasets.osd import OsdDataset
from cvdl.datasets.osd_detection import OsdDetection

__all__ = [
    "CocoDataset",
    "DatasetError",
    "ImageFolder",
    "OsdDataset",
    "OsdDetection",
]
