"""Experiments with SAM-CD."""
