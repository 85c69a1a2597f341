"""The Object Segmentation Database as boxes and masks of one class."""

import numpy as np

from cvdl.datasets import OsdDetection


def test_one_box_and_mask_an_object(scenes):
    data = OsdDetection(scenes)
    assert data.classes == ("object",)
    sample = data[0]
    assert sample.boxes.tolist() == [[2, 2, 6, 6], [8, 8, 16, 12]]
    assert sample.labels.tolist() == [0, 0]
    assert sample.masks.sum(axis=(1, 2)).tolist() == [16, 32]
    assert sample.masks[0, 2:6, 2:6].all()
    assert np.isnan(sample.frame.depth[0, 0])
    assert len(list(data)) == len(data.names)
