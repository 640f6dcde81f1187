"""Digests of tensors and of files: which weights a file belongs to, and whether it is the one expected.

Two digests stand in files and must never change. :func:`hash_tensors` is that of delta checkpoints and run
folders: names, number formats and shapes count, the order of the tensors does not. :func:`hash_values` is that of
folders of tiles: the numbers alone, in single precision, so that a model and its half-precision copy that was
turned back are one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

__all__ = ["hash_tensors", "hash_values", "sha256_of", "verify"]

_CHUNK = 1 << 20
_COPIES = 4  # tensors of another device that are on their way to the hash at the same time


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Hash tensors with their names, whatever their order.

    Each tensor's name, number format, shape and bytes are hashed, then the sorted list of these hashes. No tensor
    is copied if it lies contiguously in the computer's memory.

    Args:
        tensors: Tensors by name, such as a ``state_dict``.

    Returns:
        SHA-256 as 64 hexadecimal digits.

    Raises:
        ValueError: If a tensor is on the device ``meta`` and has no values.

    Example:
        >>> a, b = torch.zeros(2), torch.ones(3)
        >>> hash_tensors({"a": a, "b": b}) == hash_tensors({"b": b, "a": a})
        True
    """
    with ThreadPoolExecutor(min(_COPIES, os.cpu_count() or 1)) as pool:
        digests = dict(pool.map(_digest, sorted(tensors.items())))
    return hashlib.sha256("\n".join(digests[name] for name in sorted(digests)).encode()).hexdigest()


def hash_values(tensors: Iterable[Tensor]) -> str:
    """Hash the numbers of tensors one after the other, as float32 and without names.

    Args:
        tensors: Tensors in the order that counts, such as ``state_dict().values()``.

    Returns:
        SHA-256 as 64 hexadecimal digits.

    Example:
        >>> hash_values([torch.zeros(2)]) == hash_values([torch.zeros(1), torch.zeros(1)])
        True
    """
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(_bytes(tensor.detach().float()))
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits, reading it in chunks.

    Args:
        path: The file.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def verify(path: Path, sha256: str, size: int | None, advice: str) -> None:
    """Check a file's length and SHA-256.

    Args:
        path: The file.
        sha256: Expected digest.
        size: Expected length in bytes, or ``None``.
        advice: What the user should do, the end of the sentence.

    Raises:
        ValueError: If either differs.
    """
    found = path.stat().st_size
    if size is not None and found != size:
        raise ValueError(f"{path} has {found} bytes where {size} are expected; {advice}.")
    digest = sha256_of(path)
    if digest != sha256:
        raise ValueError(
            f"{path} has SHA-256 {digest[:16]}… where {sha256[:16]}… is expected; {advice}."
        )


def _digest(item: tuple[str, Tensor]) -> tuple[str, str]:
    """Hash one tensor with its name."""
    name, value = item
    if value.is_meta:
        raise ValueError(f"{name} has no values (device meta); load the base before hashing it.")
    digest = hashlib.sha256(f"{name} {value.dtype} {tuple(value.shape)}".encode())
    if is_traceable_wrapper_subclass(value):  # a quantised weight: the tensors it consists of
        parts = value.__tensor_flatten__()[0]
        inner = sorted(_digest((f"{name}.{part}", getattr(value, part).detach())) for part in parts)
        digest.update("\n".join(hexadecimal for _, hexadecimal in inner).encode())
    else:
        digest.update(_bytes(value.detach()))
    return name, digest.hexdigest()


def _bytes(value: Tensor) -> Any:
    """Show a tensor's bytes in place: no second copy, and formats that NumPy lacks (bfloat16) work too."""
    return value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
