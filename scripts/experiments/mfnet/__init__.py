"""Experiments with MFNet."""
