"""Digests that stand in files, the same today as when they were written; and digests of files."""

from __future__ import annotations

import hashlib

import pytest
import torch
from torch import Tensor

from mfnet_lite.utils.hashes import hash_tensors, hash_values, sha256_of, verify


def tensors() -> dict[str, Tensor]:
    return {
        "weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
        "bias": torch.tensor([0.5, -1.0], dtype=torch.bfloat16),
        "steps": torch.tensor(7),
    }


def test_digests_never_change() -> None:
    assert hash_tensors(tensors()) == (
        "56b3be1183f3e82582cd335eb7685ad5b4264da7bcb27188e49271fbe5c424bb"
    )
    assert hash_values(tensors().values()) == (
        "2c72eee1971c7d657587514cdb5c7337898601db68b8a61a2a80d309cb36cb18"
    )


def test_names_formats_and_shapes_count_for_the_one_and_numbers_for_the_other() -> None:
    given = tensors()
    for change in (
        given | {"bias": given["bias"].float()},
        given | {"weight": given["weight"].reshape(3, 2)},
        {f"a.{name}": value for name, value in given.items()},
    ):
        assert hash_tensors(change) != hash_tensors(given)
        assert hash_values(change.values()) == hash_values(given.values())
    given["weight"][0, 0] += 1
    assert hash_tensors(given) != hash_tensors(tensors())
    assert hash_values(given.values()) != hash_values(tensors().values())


def test_by_hand() -> None:
    value = torch.tensor([1.0, 2.0])
    raw = value.numpy().tobytes()
    assert hash_values([value]) == hashlib.sha256(raw).hexdigest()
    inner = hashlib.sha256(b"x torch.float32 (2,)" + raw).hexdigest()
    assert hash_tensors({"x": value}) == hashlib.sha256(inner.encode()).hexdigest()
    assert hash_tensors({"x": value[::1].flip(0).flip(0)}) == hash_tensors({"x": value})


def test_an_empty_tensor_and_one_without_values() -> None:
    assert hash_values([torch.zeros(0)]) == hashlib.sha256(b"").hexdigest()
    assert len(hash_tensors({"x": torch.zeros(0, 3)})) == 64
    with pytest.raises(ValueError, match="x has no values"):
        hash_tensors({"x": torch.zeros(2, device="meta")})


def test_verify(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(path) == digest
    verify(path, digest, 3, "go on")
    with pytest.raises(ValueError, match="has 3 bytes where 4 are expected; do this"):
        verify(path, digest, 4, "do this")
    with pytest.raises(ValueError, match="has SHA-256 ba7816bf8f01cfea… where 00"):
        verify(path, "00" * 32, None, "do this")
