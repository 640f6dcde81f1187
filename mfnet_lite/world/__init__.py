"""The procedural world: scene geometry, sensors, labels, two dates."""
