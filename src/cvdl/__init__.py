"""RGB-D perception for robots: boxes, masks and grasp poses from colour and depth."""

from cvdl.core import threads

__version__ = "0.1.0"

threads.set_up()  # before the libraries are loaded
