"""Recognition: the names of objects that a user has shown, from a gallery of their views."""
