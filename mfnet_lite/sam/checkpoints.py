"""Find, download, verify and load a Segment Anything checkpoint.

``load_sam("tiny")`` reads the small model that ships with the package; ``"vit_b"``, ``"vit_l"``,
and ``"vit_h"`` are Meta's files, looked for in the cache folder first, else downloaded; a path loads
any file of SAM tensors, whatever its sizes. Files are read with ``weights_only=True``: a
checkpoint can carry tensors, not code.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path

import torch
from segment_anything.modeling import Sam
from torch import Tensor

from mfnet_lite.sam.build import build_sam, infer_config, resize_state_dict
from mfnet_lite.sam.download import RemoteFile, download
from mfnet_lite.sam.names import PIXEL_MEAN, PIXEL_STD, WRAPPERS, official_names
from mfnet_lite.utils.cache import CACHE_VARIABLE as CACHE_VARIABLE
from mfnet_lite.utils.cache import cache_folder as cache_folder
from mfnet_lite.utils.checked_files import check_archive, read_tensors
from mfnet_lite.utils.devices import pick_device
from mfnet_lite.utils.hashes import verify

__all__ = ["find_checkpoint", "load_sam"]

_BASE = "https://dl.fbaipublicfiles.com/segment_anything/"
REGISTRY: Mapping[str, RemoteFile] = {
    "vit_b": RemoteFile(
        _BASE + "sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        375_042_383,
    ),
    # The exact length of this file is published nowhere we could read; its hash is.
    "vit_l": RemoteFile(
        _BASE + "sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    "vit_h": RemoteFile(
        _BASE + "sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        2_564_550_879,
    ),
}
"""Meta's checkpoints. The digits in a file name begin its MD5, not its SHA-256."""

NAMES = ("tiny", *REGISTRY)


def find_checkpoint(name_or_path: str | Path) -> Path:
    """Turn a model's name or a path into a verified file on this machine.

    Args:
        name_or_path: ``tiny``, ``vit_b``, ``vit_l``, ``vit_h``, or a file.

    Returns:
        The file. A file given by path is taken as it is; one found by name has its size and
        SHA-256 checked.

    Raises:
        FileNotFoundError: If the name is unknown, or the file does not exist.
        ConnectionError: If a download is needed and fails.
        ValueError: If the file has the wrong size or SHA-256.
    """
    name = str(name_or_path)
    if name == "tiny":
        return _packaged_tiny()
    if name in REGISTRY:
        remote = REGISTRY[name]
        cached = cache_folder() / remote.name
        if not cached.exists():
            return download(remote, cached.parent)
        verify(cached, remote.sha256, remote.size, "delete it and call again to download it anew")
        return cached
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise FileNotFoundError(f"{path} is a folder; give the checkpoint file itself.")
    raise FileNotFoundError(
        f"{name!r} is neither a known model ({', '.join(NAMES)}) nor an existing file; "
        "check the spelling or the path."
    )


def load_sam(
    name_or_path: str | Path,
    image_size: int | None = None,
    device: str | torch.device | None = None,
) -> Sam:
    """Load a SAM as ``segment_anything``'s own class, at any input size.

    The sizes are read from the tensors, so a fine-tuned copy or a model of our own loads the same
    way as an official file, also with a prefix that its training put before all names. Position
    tables are interpolated when ``image_size`` differs from the size of the file (see
    :func:`mfnet_lite.sam.build.resize_state_dict`).

    Args:
        name_or_path: ``tiny``, ``vit_b``, ``vit_l``, ``vit_h``, or a file (``.pth``,
            ``.safetensors``).
        image_size: Side of the model input in pixels, a multiple of the patch size; ``None`` keeps
            that of the file (1024 for Meta's, 256 for ``tiny``).
        device: Where to put the model, ``auto`` is the best device here; ``None`` is the CPU.

    Returns:
        The model in evaluation mode, float32.

    Raises:
        FileNotFoundError: If nothing of that name exists.
        ConnectionError: If a download is needed and fails.
        ValueError: If the file is damaged, is not a SAM, the size does not fit, or the device is not
            here.
    """
    target = pick_device("cpu" if device is None else device)
    path = find_checkpoint(name_or_path)
    state, metadata = read_state(path)
    try:
        state = official_names(state)
        config = infer_config(state, metadata)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} cannot be loaded as SAM: {error}") from error
    # Also when the size stays: a copy may hold global tables of another length than its grid.
    size = config.image_size if image_size is None else image_size
    wanted = replace(config, image_size=size)
    state = resize_state_dict(state, config, size)
    # Built without memory, then given the file's own tensors: half the peak of building first.
    with torch.device("meta"):
        sam = build_sam(wanted)
    try:
        sam.load_state_dict({key: t.float() for key, t in state.items()}, strict=True, assign=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1:2] or [str(error)]
        raise ValueError(
            f"{path} does not fit a SAM of its own sizes: {first[0].strip()}"
        ) from error
    sam.pixel_mean = torch.tensor(PIXEL_MEAN).reshape(3, 1, 1)
    sam.pixel_std = torch.tensor(PIXEL_STD).reshape(3, 1, 1)
    return sam.to(target).eval()


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a checkpoint's tensors on the CPU, without running anything from it.

    Args:
        path: A ``.safetensors`` file or one written by ``torch.save``; there a dict wrapped under
            one of :data:`~mfnet_lite.sam.names.WRAPPERS` is unwrapped.

    Returns:
        The tensors by key, and the metadata (empty for a torch file).

    Raises:
        ValueError: If the file is truncated, is not a checkpoint, or holds more than tensors.
    """
    if path.suffix == ".safetensors":
        return read_tensors(path)
    if zipfile.is_zipfile(path):
        check_archive(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise ValueError(
            f"{path} ({path.stat().st_size} bytes) is truncated or no checkpoint; "
            "fetch or copy it again."
        ) from error
    except Exception as error:  # pickle.UnpicklingError and what hostile pickles provoke
        raise ValueError(
            f"{path} holds something other than plain tensors, which is not loaded for your "
            "safety; save the state dict alone."
        ) from error
    if isinstance(state, Mapping):
        for wrapper in WRAPPERS:
            if isinstance(state.get(wrapper), Mapping):
                state = state[wrapper]
    if not isinstance(state, Mapping) or not all(isinstance(t, Tensor) for t in state.values()):
        raise ValueError(f"{path} holds no state dict of tensors; save model.state_dict() alone.")
    return dict(state), {}


def _packaged_tiny() -> Path:
    """Find and verify the small SAM among the package's files."""
    folder = Path(str(resources.files("mfnet_lite"))) / "weights"
    weights, card = folder / "sam_tiny.safetensors", folder / "sam_tiny.json"
    for file in (weights, card):
        if not file.is_file():
            raise FileNotFoundError(
                f"{file} is missing from this installation; install mfnet-lite again, or build an "
                "untrained model with mfnet_lite.sam.build_sam(mfnet_lite.sam.TINY)."
            )
    facts = json.loads(card.read_text(encoding="utf-8"))
    verify(weights, facts["sha256"], facts["size"], "install mfnet-lite again")
    return weights
