"""The simulated world: scenes of every kind for networks that work with any camera and place."""
