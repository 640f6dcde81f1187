"""Checksums of weights and states: every changed number is noticed, files of others still load."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from mfnet_lite.utils.checked_files import (
    check_archive,
    read_archive,
    read_tensors,
    write_archive,
    write_tensors,
)
from scripts.faults.full_disk import full_disk

NOTES = {"step": "3", "format": "pt", "of": "München"}


def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(40, 5, generator=generator)
    return {"b": weight, "a": weight.T, "half": weight.bfloat16(), "ids": torch.arange(3)}


def same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def attempt(read: Callable[[Path], Any], path: Path) -> tuple[Any, str]:
    """What was read, or why not, in one sentence that begins with the file."""
    try:
        return read(path), ""
    except ValueError as error:
        sentence = str(error)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    return None, sentence


def test_tensors_come_back_and_others_can_read_the_file(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, tensors(), NOTES)
    read, notes = read_tensors(path)
    assert notes == NOTES
    assert same(read, tensors())
    assert same(load_file(path), tensors())
    with safe_open(path, framework="pt") as file:
        assert file.metadata().items() >= NOTES.items()


def test_the_same_tensors_give_the_same_bytes(tmp_path):
    written = set()
    for number in range(12):  # safetensors itself orders the header by a random hash
        write_tensors(tmp_path / f"{number}.safetensors", tensors(), NOTES)
        written.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(written) == 1


def test_every_flipped_bit_of_a_number_is_noticed(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, tensors(), NOTES)
    size = path.stat().st_size
    begin = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    for bit in range(8 * begin, 8 * size, 101):
        flip(path, bit)
        with pytest.raises(ValueError, match=r"a\.safetensors is damaged: expected the SHA-256"):
            read_tensors(path)
        flip(path, bit)
    assert same(read_tensors(path)[0], tensors())


def test_a_flipped_bit_of_the_header_is_noticed_or_does_not_matter(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, tensors(), NOTES)
    header = int.from_bytes(path.read_bytes()[:8], "little")
    refused = 0
    for bit in range(0, 8 * (8 + header), 11):
        flip(path, bit)
        found, sentence = attempt(read_tensors, path)
        if sentence:
            refused += 1
        else:  # the name of the entry with the checksum: then there is none, as in older files
            assert same(found[0], tensors())
            assert {key: found[1][key] for key in NOTES} == NOTES
        flip(path, bit)
    assert refused > 0.9 * (8 * (8 + header) // 11)


def test_files_without_a_checksum_load(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(2)}, path)
    read, notes = read_tensors(path)
    assert same(read, {"a": torch.ones(2)})
    assert notes == {}
    save_file({"a": torch.ones(2)}, path, {"step": "1"})
    assert read_tensors(path)[1] == {"step": "1"}


@pytest.mark.parametrize("claimed", [2**62, 10**12, 90_000_000])
def test_an_absurd_header_is_refused_before_memory_is_taken(tmp_path, claimed):
    path = tmp_path / "a.safetensors"
    header = json.dumps(
        {"a": {"dtype": "U8", "shape": [claimed], "data_offsets": [0, claimed]}}
    ).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(10))
    with pytest.raises(ValueError, match=r"found \d+ bytes that do not fit together"):
        read_tensors(path)
    path.write_bytes(claimed.to_bytes(8, "little") + b"{}")
    with pytest.raises(ValueError, match="found 10 bytes that do not fit together"):
        read_tensors(path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors does not exist"):
        read_tensors(tmp_path / "none.safetensors")


def state() -> dict[str, object]:
    return {"model": tensors(), "rng": torch.get_rng_state(), "progress": {"step": 3, "best": 0.5}}


def test_every_flipped_bit_of_a_state_is_noticed_or_does_not_matter(tmp_path):
    path = tmp_path / "state.pt"
    write_archive(path, state())
    expected = read_archive(path)
    assert same(expected["model"], tensors())
    draw, refused = random.Random(0), 0
    for _ in range(300):
        bit = draw.randrange(8 * path.stat().st_size)
        flip(path, bit)
        found, sentence = attempt(read_archive, path)
        if sentence:
            refused += 1
            assert "is damaged: expected a whole file" in sentence
        else:
            assert same(found, expected)
        flip(path, bit)
    assert refused > 200


def test_a_truncated_or_foreign_state_is_one_sentence(tmp_path):
    path = tmp_path / "state.pt"
    write_archive(path, state())
    whole = path.read_bytes()
    for length in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=f"found {length} bytes that do not fit together"):
            read_archive(path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="a list instead of a dict"):
        read_archive(path)


class Pickled:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_pickled_code_is_refused(tmp_path, capsys):
    path = tmp_path / "state.pt"
    torch.save({"a": Pickled()}, path)
    with pytest.raises(ValueError, match="which is not loaded for your safety"):
        read_archive(path)
    assert capsys.readouterr().out == ""


def test_archives_saved_without_checksums_pass(tmp_path):
    path = tmp_path / "state.pt"
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(state(), path)
    finally:
        torch.serialization.set_crc32_options(before)
    check_archive(path)
    assert same(read_archive(path)["model"], tensors())


def test_a_member_larger_than_its_archive_is_refused(tmp_path):
    path = tmp_path / "state.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(1_000_000))
    with pytest.raises(ValueError, match="claims to be larger than the file"):
        check_archive(path)


@pytest.mark.parametrize("kind", ["tensors", "archive"])
def test_a_full_disk_leaves_the_old_file_and_one_sentence(tmp_path, kind):
    path = tmp_path / "file"

    def write() -> None:
        if kind == "tensors":
            write_tensors(path, tensors(), NOTES)
        else:
            write_archive(path, state())

    write()
    size = path.stat().st_size
    path.write_bytes(b"old")
    for limit in (1, 100, size // 2, size - 1):
        with full_disk(limit), pytest.raises(OSError, match=r"^\S+file could not be written whole"):
            write()
        assert path.read_bytes() == b"old"
        assert [file.name for file in tmp_path.iterdir()] == ["file"]
