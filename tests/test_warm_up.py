"""The made-up frame takes every stage through its work."""

from __future__ import annotations

import ast
import inspect
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
        warmed_up(config)
    called = called_from_python()
    assert len(called) > 20
    waiting = {name for name, signatures in compiled_for().items() if not signatures}
    of_geometry_alone = {
        "cvdl.segmentation.colors.compare_colors",
        "cvdl.segmentation.holes._contact",
        "cvdl.segmentation.tabletop._color_off_plane",
    }
    assert waiting & called <= of_geometry_alone


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
    return {name: list(kernel.signatures) for name, kernel in kernels().items()}


def called_from_python():
    """The compiled functions that a function that is not compiled names."""
    return {
        full_name(vars(module)[node.id])
        for module in modules()
        for node in interpreted(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Load)
        and isinstance(vars(module).get(node.id), Dispatcher)
    }


def interpreted(node):
    """The nodes of a syntax tree outside of compiled functions."""
    for child in ast.iter_child_nodes(node):
        decorators = [ast.unparse(each) for each in getattr(child, "decorator_list", ())]
        if not any(each.startswith("compiled(") for each in decorators):
            yield child
            yield from interpreted(child)


def kernels():
    """The compiled functions of the stages, by full name."""
    every = [value for module in modules() for value in vars(module).values()]
    return {full_name(value): value for value in every if isinstance(value, Dispatcher)}


def full_name(kernel):
    return f"{kernel.py_func.__module__}.{kernel.py_func.__name__}"


def modules():
    """The modules of the stages that are loaded."""
    parts = "cvdl.segmentation.", "cvdl.grasping.", "cvdl.depth.", "cvdl.networks."
    return [module for name, module in sys.modules.items() if name.startswith(parts)]
