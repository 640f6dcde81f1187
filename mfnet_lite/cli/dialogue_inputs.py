"""The dialogues a training reads: what a run writes down of them, and whether something was trained on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfnet_lite.language.instructions import Dialogue
    from mfnet_lite.runs.dialogue_run import DialogueRun

FILE = "instructions.json"


@dataclass(frozen=True)
class DialogueData:
    """A split of dialogues.

    Attributes:
        folder: The folder that the user named.
        root: The folder that images are named relative to; the file of the dialogues lies there.
        dialogues: The dialogues.
        file: The file's name.
    """

    folder: Path
    root: Path
    dialogues: Sequence[Dialogue]
    file: str = FILE

    @property
    def name(self) -> str:
        """The file as seen from the folder."""
        return (self.root / self.file).relative_to(self.folder).as_posix()


def open_dialogues(folder: Path, split: str, file: str = FILE) -> DialogueData:
    """Read the dialogues of a split.

    Args:
        folder: The folder.
        split: Which.
        file: Name of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be understood, or holds nothing.
    """
    from mfnet_lite.runs.earthgpt import dialogues_of_split

    root, dialogues = dialogues_of_split(folder, split, file)
    if not dialogues:
        raise ValueError(
            f"{root / file} holds no dialogue: expected at least one; choose another folder"
        )
    return DialogueData(folder, root, dialogues, file)


def described(data: Mapping[str, DialogueData]) -> dict[str, Any]:
    """Say what a run is trained on, without the paths of this machine.

    Args:
        data: Dialogues by what they are for: ``train``, and ``first`` if stage 1 has others.
    """
    files = {}
    for use, each in data.items():
        sensors: dict[str, dict[str, Any]] = {}
        for sensor in dict.fromkeys(d.sensor for d in each.dialogues):
            own = [d for d in each.dialogues if d.sensor == sensor]
            questions = Counter(e.task for d in own for e in d.exchanges)
            sensors[sensor] = {"dialogues": len(own), "questions": dict(questions)}
        name = each.name if use == "train" else f"{use}: {each.folder.resolve().name}/{each.name}"
        files[name] = sensors
    return {"name": data["train"].folder.resolve().name, "kind": "dialogues", "files": files}


def dialogue_inputs(data: Mapping[str, DialogueData]) -> dict[str, Path]:
    """List the files of dialogues and the images, under names that do not depend on where they lie.

    Args:
        data: Dialogues by what they are for.
    """
    files: dict[str, Path] = {}
    for use, each in data.items():
        files[f"{use}/{each.file}"] = each.root / each.file
        files |= {f"{use}/{d.image}": each.root / d.image for d in each.dialogues}
    return files


def content_of(inputs: Mapping[str, Path]) -> dict[str, str]:
    """Hash what :func:`dialogue_inputs` listed.

    Args:
        inputs: Files by name.

    Raises:
        FileNotFoundError: If an image is missing.
        ValueError: If one is no image.
    """
    from mfnet_lite.rasters.identity import DIGEST_BYTES, hash_rasters

    texts = {name: path for name, path in inputs.items() if path.suffix == ".json"}
    images = {name: path for name, path in inputs.items() if name not in texts}
    hashes = {
        name: hashlib.blake2b(path.read_bytes(), digest_size=DIGEST_BYTES).hexdigest()
        for name, path in texts.items()
    }
    return hashes | hash_rasters(images)


def trained_on(run: DialogueRun, data: DialogueData) -> int:
    """Count the dialogues about images that a run was trained on, under whatever name.

    Args:
        run: The run.
        data: What it is to be scored on.
    """
    from mfnet_lite.rasters.identity import hash_rasters

    known = set(run.content.values())
    hashes = hash_rasters({d.image: data.root / d.image for d in data.dialogues})
    return sum(hashes[d.image] in known for d in data.dialogues)
