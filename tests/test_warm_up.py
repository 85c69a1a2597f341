"""The made-up frame takes every stage through its work."""

from __future__ import annotations

import pytest

from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.warm_up import made_up_frame


def test_the_block_is_found_and_can_be_grasped():
    scene = Perception(PerceptionConfig(detector={"enable": False}))(made_up_frame())
    (block,) = scene.objects
    assert block.box3d.size == pytest.approx([0.06, 0.06, 0.06], abs=0.005)
    assert scene.grasps
