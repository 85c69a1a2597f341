"""The grasp detector of Lenz, Lee & Saxena, "Deep Learning for Detecting Robotic Grasps", 2014."""

from pathlib import Path

from cvdl.core.registry import Model, deferred
from cvdl.grasping.registry import GRASP_DETECTORS

GRASP_DETECTORS.register(
    Model(
        name="lenz2014",
        description="The two networks of Lenz, Lee & Saxena 2014.",
        loader=deferred("cvdl.grasping.models.lenz2014.detector:LenzDetector.load"),
        trainer=deferred("cvdl.grasping.models.lenz2014.training:trainer"),
        weights=Path(__file__).with_name("lenz2014.safetensors"),
        trained_on=("cornell", "cornell_rgb"),
    )
)
