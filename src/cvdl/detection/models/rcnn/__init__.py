"""R-CNN."""
