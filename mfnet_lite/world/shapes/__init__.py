"""Class-free procedural images for pre-training: no remote-sensing scene, no height."""
