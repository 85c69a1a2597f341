"""Images as ROS's own converter reads them."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import Image

from cvdl.messages.images import COLOR_ENCODINGS, read_color

cv_bridge = pytest.importorskip("cv_bridge", reason="cv_bridge comes only with a ROS installation")


@pytest.mark.parametrize("encoding", COLOR_ENCODINGS)
def test_both_converters_make_the_same_of_an_image(encoding):
    width, height = 16, 12
    try:
        dtype, channels = cv_bridge.CvBridge().encoding_to_dtype_with_channels(encoding)
    except Exception as error:
        pytest.skip(f"cv_bridge does not know {encoding}: {error}")
    data = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)
    data = data.astype(dtype) * (257 if np.dtype(dtype).itemsize == 2 else 1)
    image = Image(height=height, width=width, encoding=encoding)
    image.step, image.data = data[0].nbytes, data.tobytes()
    try:
        theirs = cv_bridge.CvBridge().imgmsg_to_cv2(image, "rgb8")
    except cv_bridge.CvBridgeError as error:
        pytest.skip(f"cv_bridge does not convert {encoding}: {error}")
    assert np.abs(read_color(image).astype(int) - theirs).max() <= 1
