"""Bags without a ROS installation: reading any kind, writing rosbag2, finding RGB-D topics."""

from cvdl.bags.topic import BagError, Topic
from cvdl.bags.typestore import message_type
from cvdl.bags.writer import BagWriter, prepare_output

__all__ = ["BagError", "BagWriter", "Topic", "message_type", "prepare_output"]
