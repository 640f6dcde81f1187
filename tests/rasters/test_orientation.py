"""The orientation tag: read from every format that can hold one, applied as Pillow applies it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from mfnet_lite.rasters.orientation import check_upright, orientation, read_turned, upright

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def stored(path: Path, tag: int | None, array: np.ndarray = PIXELS, **options) -> Path:
    """An image with a tag, whose pixels are the given ones."""
    exif = Image.Exif()
    if tag is not None:
        exif[274] = tag
    Image.fromarray(array).save(path, exif=exif, **options)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_every_tag_of_every_format(tmp_path, suffix, tag):
    assert orientation(stored(tmp_path / f"a{suffix}", tag)) == tag


@pytest.mark.parametrize("tag", range(1, 9))
def test_turned_as_pillow_turns(tmp_path, tag):
    path = stored(tmp_path / "a.png", tag)
    with Image.open(path) as image:
        shown = np.asarray(ImageOps.exif_transpose(image))
    assert (read_turned(path) == np.moveaxis(shown, -1, 0)).all()
    assert (upright(PIXELS[..., 0], tag) == shown[..., 0]).all()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("tag", [None, 0, 9])
def test_no_tag_and_tags_without_meaning(tmp_path, suffix, tag):
    path = stored(tmp_path / f"a{suffix}", tag)
    assert orientation(path) == 1
    check_upright(path)


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True), (">", True)])
def test_both_byte_orders_and_bigtiff(tmp_path, order, big):
    start = b"II" if order == "<" else b"MM"
    if big:
        head = struct.pack(f"{order}HHHQ", 43, 8, 0, 16) + struct.pack(order + "Q", 2)
        line, value = order + "HHQ", order + "HHI"
    else:
        head = struct.pack(f"{order}HI", 42, 8) + struct.pack(order + "H", 2)
        line, value = order + "HHI", order + "HH"
    entries = b"".join(
        struct.pack(line, tag, 3, 1) + struct.pack(value, number, *[0] * (len(value) - 2))
        for tag, number in ((256, 5), (274, 6))
    )
    path = tmp_path / "a.tif"
    path.write_bytes(start + head + entries)
    assert orientation(path) == 6


def test_xmp_speaks_where_exif_does_not(tmp_path):
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="8"/></x:xmpmeta>'
    jpeg, png = tmp_path / "a.jpg", tmp_path / "a.png"
    Image.fromarray(PIXELS).save(jpeg, xmp=packet)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    Image.fromarray(PIXELS).save(png, pnginfo=info)
    assert (orientation(jpeg), orientation(png)) == (8, 8)
    both = tmp_path / "b.jpg"
    stored(both, 3, xmp=packet)
    assert orientation(both) == 3


def test_raw_profile_of_older_programs(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    body = exif.tobytes()
    text = f"\nexif\n{len(body):8d}\n{body.hex()}\n"
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", text, zip=True)
    Image.fromarray(PIXELS).save(tmp_path / "a.png", pnginfo=info)
    assert orientation(tmp_path / "a.png") == 6
    with Image.open(tmp_path / "a.png") as image:
        assert image.getexif()[274] == 6


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xe1\x00\x20Exif\0\0II*\0",
        b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffeXIfII",
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I4s", 27, b"zTXt")
        + b"Raw profile type exif\0\0"
        + b"junk",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff" + b"\1\x12\0\5",
        b"II*\0 and then a text of some length",
    ],
)
def test_damaged_files_are_left_to_the_decoder(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    assert orientation(path) == 1
    assert orientation(tmp_path / "missing") == 1


def test_refusal(tmp_path):
    path = stored(tmp_path / "a.jpg", 6)
    with pytest.raises(
        ValueError, match=r"a\.jpg has the orientation tag 6, so it is shown turned by"
    ):
        check_upright(path)


def test_a_truncated_image_is_named(tmp_path):
    path = stored(
        tmp_path / "a.png", 6, np.random.default_rng(0).integers(0, 256, (90, 90), np.uint8)
    )
    path.write_bytes(path.read_bytes()[:3000])
    assert orientation(path) == 6
    with pytest.raises(ValueError, match=r"a\.png cannot be read .* truncated"):
        read_turned(path)
