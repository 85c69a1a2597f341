"""ROS messages and nodes."""
