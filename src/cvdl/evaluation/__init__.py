"""Measures of quality against ground truth."""
