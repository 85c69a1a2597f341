"""What all networks share: input, layers, devices, weights."""
