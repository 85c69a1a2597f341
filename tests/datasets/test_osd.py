"""The layout of the Object Segmentation Database."""

import cv2
import numpy as np
import pytest

from cvdl.datasets import DatasetError, OsdDataset, OsdDetection
from cvdl.datasets.osd import OsdSegments, split_of
from cvdl.datasets.segmentation_sample import UNLABELED


def test_truth_merges_the_parts_of_an_object(scenes):
    truth = OsdDataset(scenes).truth(0)
    assert truth.dtype == np.uint16
    assert truth[0, 0] == 0
    assert truth[0, 1] == 1
    assert (truth[2:6, 2:6] == 2).all()
    assert (truth[8:, 8:] == 3).all()
    assert np.count_nonzero(truth == 2) == 16


def test_labels_of_many_objects_have_16_bits(scenes):
    raw = np.full((12, 16), 1, np.uint16)
    raw[0, :2] = 301, 302
    cv2.imwrite(str(scenes / "learn1" / "labels.png"), raw)
    assert OsdDataset(scenes).truth(0)[0, :3].tolist() == [30, 30, 1]


def test_splits_are_by_scene_number(scenes):
    assert OsdDataset(scenes, "tune").names == ["learn2", "learn10"]
    assert OsdDataset(scenes, "report").names == ["learn1"]
    assert [split_of(name) for name in ("a3b", "table", "12-7", "7-12")] == [
        "report",
        "tune",
        "report",
        "tune",
    ]


def test_an_unknown_split_is_reported(scenes):
    with pytest.raises(ValueError, match="'test'; accepted: all, tune, report"):
        OsdDataset(scenes, "test")


def test_a_split_without_scenes_is_reported(scenes):
    (scenes / "learn1").rename(scenes / "learn4")
    with pytest.raises(DatasetError, match="no scene is in the split 'report'"):
        OsdDataset(scenes, "report")


def test_missing_labels_are_reported(pairs):
    (pairs / "000007-labels.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"1 of 2 frames have no labels .* 000003-labels\.png"):
        OsdDataset(pairs)
    (pairs / "000003-labels.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"000003-labels\.png: not a readable image"):
        OsdDataset(pairs).truth(0)


def test_detection_has_one_box_and_mask_for_each_object(scenes):
    data = OsdDetection(scenes)
    assert data.classes == ("object",)
    sample = data[0]
    assert sample.boxes.tolist() == [[2, 2, 6, 6], [8, 8, 16, 12]]
    assert sample.labels.tolist() == [0, 0]
    assert sample.masks.sum(axis=(1, 2)).tolist() == [16, 32]
    assert sample.masks[0, 2:6, 2:6].all()
    assert np.isnan(sample.frame.depth[0, 0])
    assert len(list(data)) == len(data.names)


def test_segments_are_unknown_only_where_neither_label_nor_depth_is(scenes):
    raw = cv2.imread(str(scenes / "learn1" / "labels.png"), cv2.IMREAD_UNCHANGED)
    raw[0, 1] = 0  # with depth
    cv2.imwrite(str(scenes / "learn1" / "labels.png"), raw)
    sample = OsdSegments(scenes)[0]
    assert sample.name == "learn1"
    assert sample.labels[0, :3].tolist() == [UNLABELED, 0, 1]
    assert (sample.labels[2:6, 2:6] == 2).all()
    assert sample.object_classes.tolist() == [-1, -1]
