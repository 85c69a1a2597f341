"""Training: the loop that every model shares, splits of the data, checkpoints, curves."""
