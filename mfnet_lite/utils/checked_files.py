"""Files of weights and training states that notice when they were damaged.

A safetensors file whose sizes add up loads, whatever the bits of its numbers have become, and so does an archive of
``torch.save``: its checksums are written and not read. One flipped bit in an exponent makes a weight of 1e30.
So what we write carries a SHA-256 in its header, which is compared on reading, and the checksums of an archive
are compared as well. Files without a checksum, of earlier versions or other people, load as before.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mfnet_lite.utils.files import replacing
from mfnet_lite.utils.hashes import hash_tensors

__all__ = ["check_archive", "read_archive", "read_tensors", "write_archive", "write_tensors"]

CHECKSUM = "sha256"
"""Entry of the header: of all tensors and of the other entries."""
_CHUNK = 1 << 20


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file as a whole, with a checksum; the same tensors give the same bytes.

    Args:
        path: Final name; an existing file is replaced.
        tensors: By name; they may share memory, lie on any device and in any order.
        metadata: Strings for the header.

    Raises:
        OSError: If the disk is full or fails.
    """
    # clones, since safetensors refuses tensors that share memory
    state = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    facts = dict(metadata or {})
    facts[CHECKSUM] = _checksum(state, facts)
    with replacing(path) as temporary:
        try:
            save_file(state, temporary, metadata=facts)
        except SafetensorError as error:
            raise _not_written(path, error) from error
        _sort_header(temporary)


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file and compare its checksum, if it has one.

    Args:
        path: The file.

    Returns:
        Tensors by name, on the CPU, and the header's other entries.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; expected a safetensors file")
    with readable(path), safe_open(str(path), framework="pt", device="cpu") as file:
        facts = dict(file.metadata() or {})
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    expected = facts.pop(CHECKSUM, None)
    if expected is not None and (found := _checksum(tensors, facts)) != expected:
        raise ValueError(
            f"{path} is damaged: expected the SHA-256 {expected[:12]}… that its header names, found "
            f"{found[:12]}…; copy it again, or save it anew"
        )
    return tensors, facts


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say in one sentence that a safetensors file does not fit together.

    Args:
        path: The file that is read.

    Yields:
        Nothing.

    Raises:
        ValueError: In place of the library's errors.
    """
    try:
        yield
    except (SafetensorError, OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} cannot be read: expected a whole safetensors file, found {path.stat().st_size} bytes that do "
            f"not fit together ({_line(error)}); copy or save it again"
        ) from error


def write_archive(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write tensors, numbers, strings and containers by ``torch.save``, as a whole.

    Args:
        path: Final name; an existing file is replaced.
        state: What to keep.

    Raises:
        OSError: If the disk is full or fails.
    """
    with replacing(path) as temporary:
        try:
            torch.save(dict(state), temporary)
        except RuntimeError as error:  # how PyTorch says that a write failed
            raise _not_written(path, error) from error


def read_archive(path: str | Path) -> dict[str, Any]:
    """Read what :func:`write_archive` wrote, without running anything in it.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or holds something else.
    """
    path = Path(path)
    check_archive(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds something other than tensors and numbers, which is not loaded for your safety; "
            "give a file that a training of this package saved"
        ) from error
    except (
        Exception
    ) as error:  # what damaged bytes provoke in a reader of pickles has no common class
        raise _damaged(path, _line(error)) from error
    if not isinstance(state, dict):
        raise _damaged(path, f"a {type(state).__name__} instead of a dict")
    return state


def check_archive(path: Path) -> None:
    """Compare the checksums that ``torch.save`` writes and ``torch.load`` does not read.

    Args:
        path: What ``torch.save`` wrote.

    Raises:
        ValueError: If it is no archive, a member is damaged, or it claims to be larger than the file. An
            archive in which no checksum at all is right was saved without (``set_crc32_options``) and passes.
    """
    size, wrong, right = path.stat().st_size, [], 0
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if any(member.compress_type or member.file_size > size for member in members):
                raise zipfile.BadZipFile("a member claims to be larger than the file")
            for member in members:
                try:
                    with archive.open(member) as file:
                        while file.read(_CHUNK):
                            pass
                    right += 1
                except zipfile.BadZipFile as error:
                    if "CRC" not in str(error):
                        raise
                    wrong.append(member.filename)
    except Exception as error:  # what damaged bytes provoke has no common class
        raise _damaged(path, _line(error)) from error
    if wrong and right:
        raise _damaged(path, f"another checksum of {wrong[0]}")


def _checksum(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> str:
    """Hash tensors and header, whatever their order."""
    whole = json.dumps(dict(facts), sort_keys=True) + hash_tensors(tensors)
    return hashlib.sha256(whole.encode()).hexdigest()


def _sort_header(path: Path) -> None:
    """Put the header's entries in order, in place; safetensors writes them in a random one."""
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) <= length:
            file.seek(8)
            file.write(text.ljust(length))


def _not_written(path: str | Path, error: Exception) -> OSError:
    return OSError(
        f"{path} could not be written whole ({_line(error)}), most often because the disk is full; make room "
        "and call again"
    )


def _damaged(path: Path, found: str) -> ValueError:
    return ValueError(
        f"{path} is damaged: expected a whole file that torch.save wrote, found {path.stat().st_size} bytes "
        f"that do not fit together ({found}); copy it again, or start the training anew"
    )


def _line(error: Exception) -> str:
    """What a library says, in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "…"
