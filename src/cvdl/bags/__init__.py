"""Read any kind of bag, write rosbag2 and find RGB-D topics, without a ROS installation."""

from cvdl.bags.discovery import RgbdTopics, describe_topics, find_topics, image_topics
from cvdl.bags.frames import write_frame, write_frames
from cvdl.bags.order import by_time, stamps_stand_still
from cvdl.bags.reader import BagReader
from cvdl.bags.sources import Bytes
from cvdl.bags.topic import BagError, Topic
from cvdl.bags.typestore import message_type
from cvdl.bags.writer import BagWriter, check_output, prepare_output

__all__ = [
    "BagError",
    "BagReader",
    "BagWriter",
    "Bytes",
    "RgbdTopics",
    "Topic",
    "by_time",
    "check_output",
    "describe_topics",
    "find_topics",
    "image_topics",
    "message_type",
    "prepare_output",
    "stamps_stand_still",
    "write_frame",
    "write_frames",
]
