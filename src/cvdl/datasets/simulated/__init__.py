"""The simulated data sets. Their modules need the extra "sim"."""

from cvdl.core.registry import deferred
from cvdl.datasets.registry import DATASETS, DatasetInfo

_SCENES = f"{__name__}.scenes"

DATASETS.register(
    DatasetInfo(
        "simulated",
        "Simulated tabletop scenes, made when they are needed.",
        boxes=deferred(f"{_SCENES}:SimulatedDetection"),
        masks=deferred(f"{_SCENES}:SimulatedDetection"),
        grasps=deferred(f"{_SCENES}:SimulatedGrasps"),
        segments=deferred(f"{_SCENES}:SimulatedSegments"),
        words=deferred(f"{__name__}.words:SimulatedWords"),
        captions=deferred(f"{__name__}.words:SimulatedWords"),
        is_simulated=True,
    ),
    DatasetInfo(
        "simulated_world",
        "Simulated scenes of any thing anywhere, seen by any camera.",
        grasps=deferred(f"{_SCENES}:world_grasps"),
        segments=deferred(f"{_SCENES}:world_segments"),
        is_simulated=True,
    ),
)
