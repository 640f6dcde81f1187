"""Scene classification as folders: ``DIR/[train/]dense_residential/a.jpg`` (NWPU-RESISC45, EuroSAT, UCM, WHU-RS19)."""

from __future__ import annotations

from pathlib import Path

from mfnet_lite.language.class_words import plain_name
from mfnet_lite.language.sources.source import SPLIT_WORDS, SUFFIXES, AnnotatedImage, Source

__all__ = ["read_class_folders"]


def read_class_folders(root: Path) -> Source:
    """Read a folder of classes.

    Args:
        root: The folder. If all of its folders are named as splits, the classes lie in those.

    Returns:
        The images with their classes as words.

    Raises:
        ValueError: If there is no image in a folder of a class.
    """
    source = Source(root, "class_folders")
    folders = _folders(root)
    splits = {folder: SPLIT_WORDS.get(folder.name.lower(), "") for folder in folders}
    inside = bool(folders) and all(splits.values())
    for folder in folders:
        for home in _folders(folder) if inside else [folder]:
            found = [path for path in sorted(home.iterdir()) if path.suffix.lower() in SUFFIXES]
            name = plain_name(home.name)
            if not found or not name:
                source.leave_out(
                    home, "holds no image of a class", "add images or remove the folder"
                )
                continue
            split = splits[folder] if inside else ""
            source.images += [AnnotatedImage(path, split, class_name=name) for path in found]
    if not source.images:
        raise ValueError(
            f"{root} holds no class: expected folders of images such as {root.name}/airport/a.jpg; check the path"
        )
    return source


def _folders(root: Path) -> list[Path]:
    return [path for path in sorted(root.iterdir()) if path.is_dir() and path.name[0] != "."]
