"""How an image says that it was stored lying down: the orientation tag of cameras and scanners.

A phone stores every image as its sensor lies and adds a number from 1 to 8 which says how to turn it
for showing (Exif 2.32, tag 274; the same tag in TIFF 6.0). Viewers and annotation tools follow it, so that boxes
drawn there belong to the *upright* image. GDAL ignores it. Here the tag is read without
decoding a pixel, and an image is turned as Pillow's ``ImageOps.exif_transpose`` does.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from mfnet_lite.rasters.remedy import advice

TAG = 274
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
_SHOWN = {
    2: "mirrored",
    3: "turned by 180 degrees",
    4: "mirrored top to bottom",
    5: "mirrored and turned by 90 degrees",
    6: "turned by 90 degrees to the right",
    7: "mirrored and turned by 90 degrees",
    8: "turned by 90 degrees to the left",
}


def orientation(path: str | Path) -> int:
    """Read the orientation tag of a JPEG, PNG or TIFF, by its content and not by its name.

    Args:
        path: The file; no pixel is decoded.

    Returns:
        1 to 8 as in Exif; 1 (stored upright) without a tag, for other formats, and where the file is damaged:
        who decodes it will say so.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(4)
            file.seek(0)
            if start[:2] == b"\xff\xd8":
                return _first(_of_jpeg(file))
            if start == b"\x89PNG":
                return _first(_of_png(file))
            if start[:2] in (b"II", b"MM"):
                return _valid(_of_tiff(file)) or 1
    except (OSError, struct.error, ValueError, zlib.error):
        pass
    return 1


def upright(
    array: Shaped[np.ndarray, "*bands height width"], tag: int
) -> Shaped[np.ndarray, "*bands shown_height shown_width"]:
    """Turn pixels as they were stored into the image that is meant.

    Args:
        array: Pixels as stored.
        tag: From :func:`orientation`.

    Returns:
        A view; height and width change places for tags 5 to 8.

    Example:
        >>> upright(np.array([[1, 2, 3], [4, 5, 6]]), 6)
        array([[4, 1],
               [5, 2],
               [6, 3]])
    """
    if tag >= 5:
        array = array.swapaxes(-1, -2)
    if tag in (3, 4, 7, 8):
        array = array[..., ::-1, :]
    if tag in (2, 3, 6, 7):
        array = array[..., ::-1]
    return array


def read_turned(path: str | Path) -> Shaped[np.ndarray, "bands height width"]:
    """Read a whole JPEG or PNG and turn it as its tag says; by Pillow, as rasters that lie down are refused.

    Args:
        path: The image.

    Returns:
        Its bands, upright; of a palette the indices, as GDAL gives them.

    Raises:
        ValueError: It cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image)
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error}): the file is truncated or no raster; copy or export it again"
        ) from error
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8)
    bands = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    return np.ascontiguousarray(upright(bands, orientation(path)))


def check_upright(path: str | Path) -> None:
    """Refuse an image with an orientation tag, where files are read by window and as they are stored.

    Args:
        path: The file.

    Raises:
        ValueError: Its tag is another than 1.
    """
    tag = orientation(path)
    if tag != 1:
        # Pillow's exif_transpose scrambles grey TIFFs, and knows no position.
        raise ValueError(
            f"{path} has the orientation tag {tag}, so it is shown {_SHOWN[tag]}, but rasters are read as "
            f"they are stored: expected tag 1; turn the pixels themselves, in Python: {advice('turn', path)}, or drop "
            f"the tag if they are right as stored, as those of a file with a position are: {advice('untag', path)}"
        )


def _valid(value: int | None) -> int | None:
    return value if value in range(1, 9) else None


def _first(found: Iterator[int | None]) -> int:
    """The first answer; an Exif tag of 0 or 9, which cameras do write, is none."""
    return next((value for value in found if _valid(value)), None) or 1


def _of_jpeg(file: BinaryIO) -> Iterator[int | None]:
    """Exif, then XMP, of the segments before the pixels."""
    file.seek(2)
    packets = []
    while (head := file.read(4))[:1] == b"\xff" and len(head) == 4:
        marker, length = head[1], int.from_bytes(head[2:], "big")
        if marker == 0xDA:  # the pixels begin
            break
        body = file.read(length - 2)
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            yield _of_exif(body[6:])
        elif marker == 0xE1:
            packets.append(body)
    yield from map(_of_xmp, packets)


def _of_png(file: BinaryIO) -> Iterator[int | None]:
    """Chunk ``eXIf``, or the text chunks in which older programs put Exif and XMP, before or after the pixels."""
    file.seek(8)
    packets = []
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind in (b"eXIf", b"iTXt", b"zTXt", b"tEXt"):
            body = file.read(length)
            key, _, text = body.partition(b"\0")
            if kind == b"eXIf":
                yield _of_exif(body)
            elif key == b"Raw profile type exif":
                text = zlib.decompress(text[1:]) if kind == b"zTXt" else text
                # a name, a length, then hexadecimal digits in lines
                yield _of_exif(bytes.fromhex("".join(text.decode("ascii").split()[2:]))[6:])
            elif key == b"XML:com.adobe.xmp":
                packets.append(text)
            file.seek(4, 1)
        else:
            file.seek(length + 4, 1)
    yield from map(_of_xmp, packets)


def _of_xmp(packet: bytes) -> int | None:
    found = _XMP.search(packet)
    return int(found[1]) if found else None


def _of_exif(block: bytes) -> int | None:
    """Exif is a TIFF without pixels."""
    return _of_tiff(BytesIO(block))


def _of_tiff(file: BinaryIO) -> int | None:
    """Tag 274 of the first directory, of TIFF or BigTIFF."""
    order = "<" if file.read(2) == b"II" else ">"
    (version,) = struct.unpack(order + "H", file.read(2))
    big = version == 43
    if big:
        file.seek(8)
    offset, count, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    file.seek(struct.unpack(order + offset, file.read(struct.calcsize(offset)))[0])
    (entries,) = struct.unpack(order + count, file.read(struct.calcsize(count)))
    for _ in range(min(entries, 4096)):  # a damaged count must not be believed
        line = file.read(entry)
        tag, kind = struct.unpack(order + "HH", line[:4])
        if tag == TAG:
            value = line[-8:] if big else line[-4:]
            form = {1: "B", 3: "H", 4: "I"}.get(kind)
            return struct.unpack(order + form, value[: struct.calcsize(form)])[0] if form else None
    return None
