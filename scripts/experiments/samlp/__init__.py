"""Experiments with SamLP."""
