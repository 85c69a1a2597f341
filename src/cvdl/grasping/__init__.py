"""Where to grasp: rectangles in the image, ranked by a cascade of networks, and their 3-D poses."""
