"""Coordinates in GeoJSON that are not longitudes and latitudes: how files say what they are.

GeoJSON as it is standardised today (RFC 7946) knows WGS 84 alone. A member ``crs`` names another system as GeoJSON
did in 2008, which every GIS reads.
"""

from __future__ import annotations

import re
from typing import Any

from rasterio.crs import CRS

from mfnet_lite.rasters.interpretation.georeference import crs_name

PIXELS = "pixels from the upper left corner, y downwards"
"""What coordinates are where the image lies nowhere on Earth."""
DECIMALS = 9
"""Digits kept of a coordinate: a tenth of a millimetre in degrees."""


def crs_member(crs: CRS) -> dict[str, Any]:
    """Name a coordinate system as GeoJSON did in 2008.

    Coordinates are x and y, so longitude comes first; WGS 84 in degrees is therefore called CRS84. A system that no
    authority knows is written out as WKT.

    Args:
        crs: The system.

    Example:
        >>> crs_member(CRS.from_epsg(32633))
        {'type': 'name', 'properties': {'name': 'urn:ogc:def:crs:EPSG::32633'}}
    """
    known = re.match(r"([A-Za-z]+):(\w+)(?![^+])", crs_name(crs))
    if known is None:
        name = crs.to_wkt()
    elif known.groups() in (("EPSG", "4326"), ("OGC", "CRS84")):
        name = "urn:ogc:def:crs:OGC:1.3:CRS84"
    else:
        name = f"urn:ogc:def:crs:{known[1]}::{known[2]}"
    return {"type": "name", "properties": {"name": name}}
