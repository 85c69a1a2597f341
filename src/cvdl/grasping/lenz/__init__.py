"""The grasp detector of Lenz, Lee & Saxena 2014, "Deep Learning for Detecting Robotic Grasps"."""

from cvdl.grasping.lenz.detector import LenzConfig, LenzDetector
from cvdl.grasping.lenz.network import GraspNetwork
from cvdl.grasping.lenz.pretraining import PretrainingConfig

__all__ = ["GraspNetwork", "LenzConfig", "LenzDetector", "PretrainingConfig"]
