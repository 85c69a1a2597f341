"""The grasp detector of Lenz, Lee & Saxena 2014, "Deep Learning for Detecting Robotic Grasps"."""

from cvdl.grasping.models.lenz2014.detector import LenzConfig, LenzDetector
from cvdl.grasping.models.lenz2014.network import GraspNetwork
from cvdl.grasping.models.lenz2014.pretraining import PretrainingConfig

__all__ = ["GraspNetwork", "LenzConfig", "LenzDetector", "PretrainingConfig"]
