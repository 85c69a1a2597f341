"""Depth images: noise, gaps, surface normals, registration to color."""
