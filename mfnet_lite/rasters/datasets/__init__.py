"""Tiles as samples for a network: crops, whole tiles, object maps, plate images.

A new way to cut or to combine samples is a file here; what a file's numbers mean is not decided here.
"""
