"""Experiments with few labelled tiles of real images."""
