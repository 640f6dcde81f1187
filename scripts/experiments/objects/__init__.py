"""Experiments with SAM's objects and boundaries."""
