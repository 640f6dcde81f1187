"""Captions in the form of Karpathy's splits: RSICD, UCM-Captions, Sydney-Captions, RSITMD, NWPU-Captions.

::

    DIR/dataset_rsicd.json   {"images": [{"filename": "airport_1.jpg", "split": "train",
                                          "sentences": [{"raw": "Many planes are parked ."}, …]}, …]}
    DIR/**/airport_1.jpg
"""

from __future__ import annotations

from pathlib import Path

from mfnet_lite.language.instructions import read_json_content
from mfnet_lite.language.sources.source import (
    SPLIT_WORDS,
    AnnotatedImage,
    ImageFinder,
    Source,
    wanted,
)

__all__ = ["read_captions"]

KEYS = ("filename", "imgid", "split", "sentences", "sentids", "filepath", "id")
SENTENCE_KEYS = ("raw", "tokens", "imgid", "sentid")


def caption_files(root: Path) -> list[Path]:
    """Find the JSON files that have images with sentences, by their beginning."""
    return [
        path
        for path in sorted(root.glob("*.json"))
        if '"sentences"' in (head := _head(path)) and '"images"' in head
    ]


def read_captions(root: Path) -> Source:
    """Read captions.

    Args:
        root: The folder with the JSON file and, anywhere below, the images.

    Returns:
        The images; equal captions of an image are kept once.

    Raises:
        ValueError: If there is no such file, or an entry is malformed.
    """
    source = Source(root, "captions")
    files = caption_files(root)
    if not files:
        raise ValueError(
            f"{root} has no captions: expected a JSON file of images with filename and sentences; check the path"
        )
    finder = ImageFinder(root)
    for file in files:
        content = wanted(read_json_content(file), {"images": list}, file, "as a whole")
        source.tell_unknown(content, ("images", "dataset"), file.name)
        for index, entry in enumerate(content["images"]):
            where = f"images[{index}]"
            wanted(entry, {"filename": str, "sentences": list}, file, where)
            source.tell_unknown(entry, KEYS, f"an image of {file.name}")
            captions = []
            for number, sentence in enumerate(entry["sentences"]):
                wanted(sentence, {"raw": str}, file, f"{where}.sentences[{number}]")
                source.tell_unknown(sentence, SENTENCE_KEYS, f"a sentence of {file.name}")
                captions.append(tidy(sentence["raw"]))
            named = str(entry.get("split", "")).lower()
            split = SPLIT_WORDS.get(named, "")
            if named and not split:
                source.tally[f"the split {named!r} of {file.name} is taken for train"] += 1
                split = "train"
            path = finder.find(entry["filename"], split)
            if path is None:
                source.leave_out(
                    file, f"{where}: the image {entry['filename']} is missing or not unique"
                )
                continue
            unlike = tuple(dict.fromkeys(caption for caption in captions if caption))
            source.tally["a caption says the same as another one of its image"] += len(
                captions
            ) - len(unlike)
            if not unlike:
                source.leave_out(file, f"{where}: {entry['filename']} has no caption")
                continue
            source.images.append(AnnotatedImage(path, split, captions=unlike))
    source.tally += type(source.tally)()  # what occurs no time is not told
    return source


def tidy(caption: str) -> str:
    """Write a caption with single spaces and its full stop at the last word.

    Example:
        >>> tidy("many planes  are parked .")
        'many planes are parked.'
    """
    words = " ".join(caption.split()).replace(" ,", ",").rstrip(" .")
    return words + "." if words else ""


def _head(path: Path) -> str:
    """The beginning of a text file."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(20_000)
