"""Tiles as samples for a network: crops, whole tiles, object maps, plate images."""
