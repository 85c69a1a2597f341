"""Readers of data sets: frames with ground truth."""

from cvdl.datasets.coco import CocoDataset
from cvdl.datasets.image_folder import ImageFolder
from cvdl.datasets.osd import OsdDataset, OsdDetection
from cvdl.datasets.reading import DatasetError

__all__ = ["CocoDataset", "DatasetError", "ImageFolder", "OsdDataset", "OsdDetection"]
