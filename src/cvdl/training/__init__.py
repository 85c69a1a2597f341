"""Training of models: the loop, augmentation, splits of the data, checkpoints and curves."""
