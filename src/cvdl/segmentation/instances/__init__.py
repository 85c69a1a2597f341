"""Instances that a network sees: which pixels are an object, and which belong together."""
