"""Fetch a large file once, resume what was interrupted, and never leave a wrong one behind.

Bytes go to ``<name>.part`` in the cache folder. A broken connection keeps that part, the next call
asks the server to continue there (HTTP ``Range``) and starts clean when it will not. Only after
size and SHA-256 agree does the part get its final name, by one atomic rename.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mfnet_lite.utils.hashes import sha256_of

__all__: list[str] = []  # what checkpoints need; not part of the interface

CHUNK = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server and how to recognise it.

    Attributes:
        url: Where it lies.
        sha256: Its SHA-256, 64 hexadecimal digits.
        size: Its length in bytes, or ``None`` where no source states it.
    """

    url: str
    sha256: str
    size: int | None = None

    @property
    def name(self) -> str:
        """The file name at the end of the URL."""
        return self.url.rsplit("/", 1)[-1]


class ResumableHTTP:
    """A pooch downloader which continues a ``.part`` file and shows a progress bar.

    Args:
        part: File that survives an interrupted call.
        remote: The expected length and SHA-256.
        timeout: Seconds without an answer before giving up.
    """

    def __init__(self, part: Path, remote: RemoteFile, timeout: float = 30.0) -> None:
        self.part = part
        self.size = remote.size
        self.sha256 = remote.sha256
        self.timeout = timeout

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Download ``url`` into the part file, then move it to ``output_file``."""
        import requests

        have = self.part.stat().st_size if self.part.exists() else 0
        if self.size is not None and have > self.size:
            have = 0
        if have == 0 or have != self.size:
            headers = {"Accept-Encoding": "identity"}
            if have:
                headers["Range"] = f"bytes={have}-"
            with requests.get(url, headers=headers, stream=True, timeout=self.timeout) as answer:
                if answer.status_code == 416:  # the part is no beginning of this file
                    self.part.unlink()
                    return self(url, output_file, pooch)
                answer.raise_for_status()
                # A server that ignores Range answers 200 with the whole file: start clean.
                resumed = answer.status_code == 206
                start = have if resumed else 0
                left = answer.headers.get("Content-Length")
                total = self.size if left is None else start + int(left)
                with (
                    self.part.open("ab" if resumed else "wb") as file,
                    tqdm(
                        total=total,
                        initial=start,
                        unit="B",
                        unit_scale=True,
                        desc=url.rsplit("/", 1)[-1],
                    ) as bar,
                ):
                    for chunk in answer.iter_content(CHUNK):
                        file.write(chunk)
                        bar.update(len(chunk))
            found = self.part.stat().st_size
            if total is not None and found < total:
                raise ConnectionError(f"the connection closed after {found} of {total} bytes")
        found, digest = self.part.stat().st_size, sha256_of(self.part)
        if (self.size is not None and found != self.size) or digest != self.sha256:
            raise ValueError(f"{found} bytes with SHA-256 {digest[:16]}…")
        Path(output_file).unlink(missing_ok=True)
        self.part.replace(output_file)
        return None


def download(remote: RemoteFile, folder: Path) -> Path:
    """Fetch a file into a folder, verified, resumable.

    Args:
        remote: What to fetch.
        folder: Cache folder; made if missing.

    Returns:
        Path of the verified file.

    Raises:
        ConnectionError: If the server cannot be reached or the connection breaks; the part stays.
        ValueError: If the file that arrived has the wrong size or hash; it is removed. Or if the
            folder cannot be made.
    """
    import pooch
    import requests

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"{folder} cannot be made the folder of {remote.name} ({error.strerror}); choose another "
            "one, for checkpoints by the environment variable MFNET_LITE_CACHE."
        ) from error
    part = folder / f"{remote.name}.part"
    try:
        path = pooch.retrieve(
            remote.url,
            known_hash=f"sha256:{remote.sha256}",
            fname=remote.name,
            path=folder,
            downloader=ResumableHTTP(part, remote),
        )
    except (requests.RequestException, OSError) as error:
        kept = f"; {part.name} keeps what arrived" if part.exists() else ""
        raise ConnectionError(
            f"could not download {remote.url} ({_reason(error)}){kept}; call again with network, "
            f"or put the file into {folder} yourself."
        ) from error
    except ValueError as error:
        part.unlink(missing_ok=True)
        raise ValueError(
            f"what {remote.url} sent is not {remote.name}: expected "
            f"{remote.size or 'unknown'} bytes with SHA-256 {remote.sha256[:16]}…, found "
            f"{error}; it was removed, download it again."
        ) from error
    return Path(path)


def _reason(error: Exception) -> str:
    """Shorten a network error to what a user can act on."""
    import requests

    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke"
    if isinstance(error, requests.exceptions.Timeout):
        return "the server did not answer in time"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection"
    return str(error)  # a full disk, or the count of bytes after a silent end
