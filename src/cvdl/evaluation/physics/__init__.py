"""Grasps executed in a physics simulation (MuJoCo): which of them hold, and why others do not."""
