"""What a raster *is*, as one number: by its content, wherever it lies and whatever it is called.

Work that is taken up again must go on with the files it was begun with. Name and size do not tell: a corrected label
has both in common with the wrong one. So every byte is hashed (BLAKE2b, RFC 7693), of the file and of
those beside it which GDAL reads along with it: world file, mask, ``.aux.xml``. Overviews are left out, since no
pixel comes from them, and so are statistics that a GIS writes into ``.aux.xml`` when it shows a file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

from tqdm import tqdm

from mfnet_lite.rasters.io import open_raster

DIGEST_BYTES = 16
CHUNK = 1 << 20
LARGE = 1 << 28
"""Bytes from which hashing takes long enough for a bar."""
TAG = "MADE_FROM"
"""Tag of a map with the hash of the raster it was made from."""

_known: dict[tuple[object, ...], str] = {}


def raster_files(path: str | Path) -> tuple[Path, ...]:
    """List a raster and the files that are read along with it.

    Args:
        path: The raster.

    Returns:
        It first, then the others, without overviews; the parts of a virtual raster are among them.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a raster, or cut off.
    """
    path = Path(path)
    with open_raster(path) as source:
        beside = {Path(name) for name in source.files if not name.lower().endswith(".ovr")}
    return (path, *sorted(file for file in beside - {path} if file.is_file()))


def raster_hash(path: str | Path) -> str:
    """Hash a raster by its content.

    A file that has not been touched since is not read twice by one process.

    Args:
        path: The raster.

    Returns:
        32 hexadecimal digits; the same for a copy under another name.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a raster, or cut off.
    """
    return _content_hash(raster_files(path))


def hash_rasters(paths: Mapping[str, Path], *, progress: bool = True) -> dict[str, str]:
    """Hash many rasters, several at a time.

    Args:
        paths: Rasters by any name.
        progress: Whether to draw a bar where it takes long.

    Returns:
        Their hashes by the same names.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a raster, or cut off.
    """
    # Headers in this thread: what keeps rasterio quiet is one setting for all threads.
    files = [raster_files(path) for path in paths.values()]
    total = sum(file.stat().st_size for group in files for file in group)
    bar = tqdm(
        total=total,
        desc="hashing files",
        unit="B",
        unit_scale=True,
        leave=False,
        disable=None if progress and total >= LARGE else True,
    )
    with bar, ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        hashes = pool.map(lambda group: _content_hash(group, bar.update), files)
        return dict(zip(paths, hashes, strict=True))


def _content_hash(files: tuple[Path, ...], progress: Callable[[int], object] | None = None) -> str:
    """Hash the bytes of a raster and what lies beside it, once per process."""
    stats = [(file, file.stat()) for file in files]
    key = tuple((str(file.resolve()), s.st_size, s.st_mtime_ns) for file, s in stats)
    if key not in _known:
        first, *others = files
        whole = hashlib.blake2b(_bytes_hash(first, progress), digest_size=DIGEST_BYTES)
        for file in others:
            content = (
                _aux_hash(file) if file.name.endswith(".aux.xml") else _bytes_hash(file, progress)
            )
            if content:
                whole.update(_relative_name(file, first).encode() + b"\0" + content)
        _known[key] = whole.hexdigest()
    elif progress is not None:
        progress(sum(stat.st_size for _, stat in stats))
    return _known[key]


def _bytes_hash(file: Path, progress: Callable[[int], object] | None = None) -> bytes:
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            if progress is not None:
                progress(len(chunk))
    return digest.digest()


def _aux_hash(file: Path) -> bytes:
    """Hash GDAL's file of additions without its statistics; empty if nothing else is in it."""
    try:
        root = ElementTree.parse(file).getroot()
    except ElementTree.ParseError:
        return _bytes_hash(file)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == "Histograms" or child.get("key", "").startswith("STATISTICS_"):
                parent.remove(child)
    for _ in range(2):  # what has become empty: Metadata, then its band
        for parent in list(root.iter()):
            for child in list(parent):
                text = (child.text or "").strip()
                if child.tag in ("Metadata", "PAMRasterBand") and not (len(child) or text):
                    parent.remove(child)
    if not len(root):
        return b""
    text = ElementTree.canonicalize(ElementTree.tostring(root), strip_text=True)
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()


def _relative_name(file: Path, raster: Path) -> str:
    """Where a file lies seen from its raster, without the raster's own name."""
    relative = os.path.relpath(file, raster.parent)
    return relative.removeprefix(raster.stem) if file.parent == raster.parent else relative
