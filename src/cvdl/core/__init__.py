"""What everything else builds on: camera, frame, scene, settings, files."""
