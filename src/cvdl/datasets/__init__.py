"""Folders of recorded data as frames and truth."""

from cvdl.datasets.coco import CocoDataset
from cvdl.datasets.cornell import CornellDataset
from cvdl.datasets.cornell_rgb import CornellRgbDataset
from cvdl.datasets.detection_sample import DetectionData, DetectionSample
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.datasets.image_folder import DatasetError, ImageFolder
from cvdl.datasets.jacquard import JacquardDataset
from cvdl.datasets.osd import OsdDataset
from cvdl.datasets.osd_detection import OsdDetection

__all__ = [
    "CocoDataset",
    "CornellDataset",
    "CornellRgbDataset",
    "DatasetError",
    "DetectionData",
    "DetectionSample",
    "GraspSample",
    "ImageFolder",
    "JacquardDataset",
    "OsdDataset",
    "OsdDetection",
]
