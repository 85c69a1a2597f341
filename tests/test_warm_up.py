"""The made-up frame takes every stage through its work."""

from __future__ import annotations

import sys

import pytest
from numba.core.dispatcher import Dispatcher

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Segmentation
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.warm_up import made_up_frame, warmed_up


def test_the_blocks_are_found_and_can_be_grasped():
    scene = Perception(PerceptionConfig(detector={"enable": False}))(made_up_frame())
    assert len(scene.objects) == 2
    for block in scene.objects:
        assert block.box3d.size == pytest.approx([0.06, 0.06, 0.06], abs=0.005)
    assert {grasp.label for grasp in scene.grasps} == {block.label for block in scene.objects}


def test_it_compiles_what_a_frame_needs():
    """So that no frame waits for it; what only other kernels call is compiled with them."""
    for method in ("network", "geometry"):
        config = PerceptionConfig(detector={"enable": False}, segmentation={"method": method})
        Perception(config)(made_up_frame())
    waiting = {name for name, signatures in compiled_for().items() if not signatures}
    of_geometry_alone = {"_color_off_plane", "_contact"}
    called = {"_color_factor", "_count_votes", "_degrees", "compare_colors", "pair_features"}
    assert waiting <= called | of_geometry_alone


def test_a_region_of_interest_takes_no_work_from_it():
    """It does not contain the made-up frame, whose camera no tf connects."""
    region = {"box": [0, 1, 0, 1, 0, 1], "image": [0, 0.1, 0, 0.1]}
    config = PerceptionConfig(detector={"enable": False}, segmentation={"region": region})
    assert warmed_up(config).config == config


@pytest.mark.filterwarnings("error:The given NumPy array is not writable")
@pytest.mark.slow
def test_read_only_arrays_need_no_other_compiled_code():
    perceive, frame = Perception(), made_up_frame()
    scene = perceive(frame)
    before = compiled_for()
    arrays = frame.color.copy(), frame.depth.copy(), scene.labels.copy()
    for array in arrays:
        array.flags.writeable = False
    color, depth, labels = arrays
    given = Segmentation(labels, scene.plane, scene.objects)
    for segmentation in (None, given):
        again = perceive(RgbdFrame(color, depth, frame.camera), segmentation=segmentation)
        assert len(again.grasps) == len(scene.grasps)
    assert compiled_for() == before


def compiled_for():
    """The types that each compiled function of the stages has been compiled for."""
    parts = "cvdl.segmentation.", "cvdl.grasping.", "cvdl.depth.normals"
    modules = [module for name, module in sys.modules.items() if name.startswith(parts)]
    return {
        name: list(value.signatures)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Dispatcher) and value.__module__ == module.__name__
    }
