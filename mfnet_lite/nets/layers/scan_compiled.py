"""The selective scan as a compiled loop on the CPU.

``selective_scan.cpp`` is compiled on its first use by the system's C++ compiler, which takes a second or two since it
includes nothing of PyTorch, and is kept in the folder of this package's downloads. Where no compiler is found nothing
is compiled, and nothing fails: see :mod:`mfnet_lite.nets.layers.scan_segments`. PyTorch's own tool for extensions is
not used because a process killed while it compiles leaves a lock behind for which all later ones wait.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from mfnet_lite.sam.checkpoints import cache_folder

SOURCE = Path(__file__).with_name("selective_scan.cpp")
COMMON = ("-O3", "-std=c++17", "-fno-math-errno", "-shared", "-fPIC")
TRIED = (("-march=native", "-fopenmp"), ("-mcpu=native",), ())
"""Flags that not every compiler knows, the best first."""


def compiler() -> tuple[str, ...] | None:
    """Return the command of the C++ compiler that the system names, or None.

    ``CXX`` may be a path, or a command with arguments such as ``ccache g++``. Windows has no compiler that takes the
    flags used here.
    """
    named = os.environ.get("CXX", "").strip() or "c++"
    if sys.platform == "win32":
        return None
    for words in ([named], named.split()):
        found = shutil.which(words[0])
        if found is not None:
            return (found, *words[1:])
    return None


@cache
def kernel() -> ctypes.CDLL | None:
    """Return the compiled loops, or None where they cannot be compiled."""
    tool = compiler()
    if tool is None:
        return None
    # Named after what it is made of and made for: a folder may be shared by several machines.
    made_of = SOURCE.read_bytes() + repr((COMMON, TRIED, _processor())).encode()
    name = f"selective_scan_{hashlib.sha256(made_of).hexdigest()[:12]}.so"
    try:
        path = cache_folder() / name
        if path.exists():
            try:
                return _declared(ctypes.CDLL(str(path)))
            except OSError:  # empty where a machine stopped before its disk was written: made anew
                pass
        _compile(tool, path)
        return _declared(ctypes.CDLL(str(path)))
    except (RuntimeError, OSError) as error:
        warnings.warn(
            f"{SOURCE.name} was not compiled, so that scans take PyTorch's operations: {error}",
            stacklevel=2,
        )
        return None


def _compile(tool: tuple[str, ...], path: Path) -> None:
    """Compile into a file of its own and move it: two processes may do so at once, and one may be killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        for flags in TRIED:
            command = [*tool, *COMMON, *flags, str(SOURCE), "-o", str(made)]
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False
            )
            if done.returncode == 0:
                made.replace(path)
                return
    raise RuntimeError(
        f"{' '.join(tool)} failed: {(done.stderr.strip() or 'without a word').splitlines()[0]}"
    )


def _processor() -> str:
    """Say what the compiler's ``native`` means here."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.exists() else []
    known = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.system()} {platform.machine()} {known}"


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Tell what the functions take: pointers, four sizes and the number of threads."""
    sizes = [ctypes.c_long] * 4 + [ctypes.c_int]
    for name, arrays in (("selective_scan", 8), ("selective_scan_back", 12)):
        function = getattr(library, name)
        function.argtypes, function.restype = [ctypes.c_void_p] * arrays + sizes, None
    library.selective_scan_part.restype = ctypes.c_long
    return library


def _loaded() -> ctypes.CDLL:
    found = kernel()
    if found is None:
        raise RuntimeError("the compiled scan was called where it could not be compiled")
    return found


def _call(name: str, arrays: tuple[Tensor, ...], sizes: tuple[int, ...]) -> None:
    getattr(_loaded(), name)(*(x.data_ptr() for x in arrays), *sizes, torch.get_num_threads())


class CompiledScan(torch.autograd.Function):
    """Scan in single precision on the CPU; kept for the gradient are the inputs, and the states now and then."""

    @staticmethod
    def forward(
        ctx: Any,
        u: Float[Tensor, "batch channel length"],
        delta: Float[Tensor, "batch channel length"],
        A: Float[Tensor, "channel state"],
        B: Float[Tensor, "batch state length"],
        C: Float[Tensor, "batch state length"],
    ) -> tuple[Tensor, Tensor]:
        """Return the output and the last state."""
        u, delta, A = u.contiguous(), delta.contiguous(), A.contiguous()
        B, C = B.mT.contiguous(), C.mT.contiguous()  # the states of a token side by side
        parts = -(-u.shape[-1] // _loaded().selective_scan_part())
        y, last = torch.zeros_like(u), u.new_empty(*u.shape[:2], A.shape[1])
        kept = u.new_empty(*u.shape[:2], parts, A.shape[1])
        _call("selective_scan", (u, delta, A, B, C, y, kept, last), (*u.shape, A.shape[1]))
        ctx.save_for_backward(u, delta, A, B, C, kept)
        ctx.mark_non_differentiable(last)
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, _last: Any) -> tuple[Tensor, ...]:
        """Return the gradients of all inputs."""
        u, delta, A, B, C, kept = ctx.saved_tensors
        batch, channels, length = u.shape
        du, ddelta = torch.zeros_like(u), torch.zeros_like(u)
        dA = A.new_zeros(batch, *A.shape)
        dB, dC = B.new_zeros(2, torch.get_num_threads(), *B.shape)
        arrays = (u, delta, A, B, C, kept, dy.contiguous(), du, ddelta, dA, dB, dC)
        _call("selective_scan_back", arrays, (batch, channels, length, A.shape[1]))
        return du, ddelta, dA.sum(dim=0), dB.sum(dim=0).mT, dC.sum(dim=0).mT
