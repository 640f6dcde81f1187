"""Experiments with GoPT."""
