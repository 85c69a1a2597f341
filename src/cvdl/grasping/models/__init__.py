"""Grasp detectors, a folder each."""
