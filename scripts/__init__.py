"""What is run from a checkout and not installed: the book, experiments, benchmarks, parity, pre-training."""
