"""The default grasp detector: a dense network and a refining one."""

from pathlib import Path

from cvdl.core.registry import Model, deferred
from cvdl.grasping.registry import GRASP_DETECTORS

GRASP_DETECTORS.register(
    Model(
        name="cascade",
        description="A dense network and a refining one, after Lenz et al. 2014; the default.",
        loader=deferred("cvdl.grasping.models.cascade.detector:CascadeDetector.load"),
        trainer=deferred("cvdl.grasping.models.cascade.training:trainer"),
        weights=Path(__file__).with_name("cascade.safetensors"),
        trained_on=("cornell", "cornell_rgb"),
    )
)
