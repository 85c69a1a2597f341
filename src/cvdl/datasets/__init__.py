"""Folders of recorded data as frames and truth."""

from cvdl.datasets.image_folder import DatasetError, ImageFolder
from cvdl.datasets.osd import OsdDataset

__all__ = ["DatasetError", "ImageFolder", "OsdDataset"]
