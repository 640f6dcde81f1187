"""Pre-training of the small SAM, its evaluation, and how it gets into the package."""
