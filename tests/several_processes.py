"""Starts a script in several processes, as torchrun does, so that a test can end one of them itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 240


def start(
    script: str | Path, *arguments: str | Path, world: int = 2
) -> list[subprocess.Popen[str]]:
    """Start the processes of one machine; the first is rank 0.

    Args:
        script: A Python file.
        *arguments: Its arguments.
        world: How many processes.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "TORCHELASTIC_RUN_ID": "test",
        "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(world),
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    return [
        subprocess.Popen(
            [sys.executable, str(script), *map(str, arguments)],
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]


def finish(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Wait until all have ended by themselves; those that do not are ended, and the test fails.

    Args:
        processes: What :func:`start` gave.

    Returns:
        Exit code, output and errors of each.
    """
    ended = []
    try:
        for process in processes:
            out, err = process.communicate(timeout=TIMEOUT)
            ended.append((process.returncode, out, err))
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    return ended


def run(script: str | Path, *arguments: str | Path, world: int = 2) -> list[tuple[int, str, str]]:
    """Start the processes and wait; all must succeed.

    Args:
        script: A Python file.
        *arguments: Its arguments.
        world: How many processes.
    """
    ended = finish(start(script, *arguments, world=world))
    for code, _, errors in ended:
        assert code == 0, errors
    return ended
