"""RGB-D perception for robots: boxes, masks and grasp poses from colour and depth."""

__version__ = "0.1.0"
