"""The table of all sources, and which one a folder is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mfnet_lite.language.sources.caption_json import caption_files, read_captions
from mfnet_lite.language.sources.class_folders import read_class_folders
from mfnet_lite.language.sources.coco_boxes import coco_files, read_coco
from mfnet_lite.language.sources.dota_text import label_folders, read_dota
from mfnet_lite.language.sources.referring_xml import has_descriptions, read_referring
from mfnet_lite.language.sources.source import Source
from mfnet_lite.language.sources.voc_xml import annotation_files, read_voc
from mfnet_lite.language.sources.vqa_json import question_files, read_vqa

__all__ = ["SOURCES", "detect_source", "read_source"]


@dataclass(frozen=True)
class SourceReader:
    """A format of public data sets.

    Attributes:
        read: Reads a folder.
        matches: Whether a folder looks like it.
        looks_for: What lies in the folder, for messages.
    """

    read: Callable[[Path], Source]
    matches: Callable[[Path], object]
    looks_for: str


SOURCES: dict[str, SourceReader] = {
    "captions": SourceReader(read_captions, caption_files, "a JSON file of images with sentences (RSICD)"),
    "vqa": SourceReader(read_vqa, question_files, "NAME_questions.json and NAME_answers.json (RSVQA)"),
    "coco": SourceReader(read_coco, coco_files, "a JSON file of images, annotations and categories (COCO)"),
    "dota": SourceReader(read_dota, label_folders, "labelTxt/ (DOTA)"),
    # Before VOC, which has the same files without descriptions.
    "referring": SourceReader(read_referring, has_descriptions, "XML files with descriptions (DIOR-RSVG)"),
    "voc": SourceReader(read_voc, annotation_files, "XML files with boxes (Pascal VOC)"),
    # Any folder of folders could be one, so it has to be named.
    "class_folders": SourceReader(read_class_folders, lambda root: False, "one folder per class (NWPU-RESISC45)"),
}  # fmt: skip
"""Every format by its name, in the order in which a folder is tried."""


def detect_source(root: Path) -> str | None:
    """Recognise a data set by its files.

    Args:
        root: The folder.

    Returns:
        A key of :data:`SOURCES`, or None; never ``class_folders``, since any folder of folders could be one.
    """
    return next((name for name, reader in SOURCES.items() if reader.matches(root)), None)


def read_source(root: str | Path, kind: str = "auto") -> Source:
    """Read a data set of another form than dialogues.

    Args:
        root: The folder.
        kind: ``auto``, or a key of :data:`SOURCES`.

    Returns:
        What is annotated, and what had to be left out.

    Raises:
        FileNotFoundError: No such folder, or nothing in it that we know.
        ValueError: Another word for ``kind``, or a malformed file.
    """
    root = Path(root)
    if kind != "auto" and kind not in SOURCES:
        raise ValueError(f"unknown kind {kind!r}; available: auto, {', '.join(SOURCES)}")
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder: expected a data set; check the path")
    name = detect_source(root) if kind == "auto" else kind
    if name is None:
        *formats, last = (SOURCES[name].looks_for for name in SOURCES if name != "class_folders")
        raise FileNotFoundError(
            f"{root} is no source of dialogues we know: looked for {', '.join(formats)} and {last}; arrange the files "
            "in one of these ways, or say class_folders for one folder per class"
        )
    return SOURCES[name].read(root)
