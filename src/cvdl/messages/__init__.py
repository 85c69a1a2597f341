"""ROS messages without ROS: building and reading them, and matching their stamps."""
