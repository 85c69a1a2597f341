"""ROS messages without ROS: builds and reads them, and matches their stamps."""
