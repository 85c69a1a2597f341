"""The chance that a gripper holds an object, learnt from grasps executed in a simulation."""
