"""Our systems beside the authors' code, number by number."""
