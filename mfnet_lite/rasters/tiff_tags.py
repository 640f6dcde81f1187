"""Whether a TIFF that was cut off has lost its tags.

GDAL writes coordinates, colours and nodata of a GeoTIFF behind the pixels or among them, and ignores a tag whose
content is not in the file: an image that was cut off opens with all its pixels and lies nowhere. Here the places of
these tags are compared with the file's length, without decoding anything.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

READ = {
    258: "bits per sample",
    273: "offsets of strips",
    279: "sizes of strips",
    320: "colour table",
    324: "offsets of tiles",
    325: "sizes of tiles",
    338: "extra samples",
    33550: "pixel size",
    33922: "tie points",
    34264: "transformation",
    34735: "coordinate system",
    34736: "numbers of the coordinate system",
    34737: "names of the coordinate system",
    42112: "metadata of GDAL",
    42113: "nodata value",
    50844: "rational polynomial coefficients",
}
"""Tags that the library goes by. Others may be broken, as some cameras leave them."""
_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    16: 8,
    17: 8,
    18: 8,
}
_MOST = 4096  # entries of a directory; a damaged count must not be believed


def lost_tag(path: Path) -> str | None:
    """Name a tag of the first image whose content lies behind the end of the file.

    Args:
        path: Any file.

    Returns:
        What the tag says, None if all are there or the file is no TIFF.
    """
    with path.open("rb") as file:
        if file.read(4) not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return None
        try:
            return _lost(file, path.stat().st_size)
        except (struct.error, OverflowError, OSError):  # who decodes the file will say so
            return None


def _lost(file: BinaryIO, size: int) -> str | None:
    """Walk through the first directory, of TIFF or BigTIFF."""
    file.seek(0)
    order = "<" if file.read(2) == b"II" else ">"
    big = struct.unpack(order + "H", file.read(2))[0] == 43
    word, count, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    if big:
        file.seek(8)
    file.seek(struct.unpack(order + word, file.read(struct.calcsize(word)))[0])
    (entries,) = struct.unpack(order + count, file.read(struct.calcsize(count)))
    for _ in range(min(entries, _MOST)):
        tag, kind, number, place = struct.unpack(order + "HH" + word * 2, file.read(entry))
        length = _BYTES.get(kind, 1) * number
        if tag in READ and length > struct.calcsize(word) and place + length > size:
            return READ[tag]
    return None
