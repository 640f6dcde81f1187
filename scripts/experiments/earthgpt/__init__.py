"""Experiments with EarthGPT."""
