"""Detectors, a folder each."""
