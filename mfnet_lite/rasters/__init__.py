"""GeoTIFF in and out, tiling, and the readers of public datasets."""
