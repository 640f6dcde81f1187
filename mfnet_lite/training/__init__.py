"""One explicit training loop, scores, checkpoints."""
