"""Shared parts of all networks: input, boxes, layers, devices, weights."""
