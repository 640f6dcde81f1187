"""Run the book's chapters from fresh kernels, in the fixed order, with one progress line each.

    python -m scripts.book.run_chapters --out _build/executed      every chapter in full; what is unchanged is kept
    python -m scripts.book.run_chapters --out _build/executed --again    every chapter, unchanged or not
    python -m scripts.book.run_chapters --smoke                    the quick form (smoke=True); outputs are thrown away
    python -m scripts.book.run_chapters --in-place                 in full, and rewrite the committed outputs
    python -m scripts.book.run_chapters --smoke book/02_x.ipynb    only the named notebooks

Chapters run in parallel processes of one thread each, so that the printed numbers do not depend on the number of
cores. The first chapter that fails stops the run and is reported by chapter, cell and error.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
import warnings
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from scripts.book.normalise_notebooks import normalise_file
from scripts.book.unchanged import is_unchanged, note, stamp_of

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
CELL_TIMEOUT = 900  # seconds; papermill's own default is endless


def chapters() -> list[Path]:
    """Every notebook of the book, in reading order."""
    return sorted(BOOK.glob("[0-9][0-9]_*.ipynb"))


def describe(error: Exception) -> str:
    """One readable report of a papermill failure: cell, error, source and traceback without colour codes."""
    if not hasattr(error, "ename"):
        return f"{type(error).__name__}: {error}"
    source = "\n".join(f"    {line}" for line in error.source.splitlines())
    trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    return (
        f"cell {error.cell_index} stopped with {error.ename}: {error.evalue}\n"
        f"  its source:\n{source}\n  its traceback:\n{trace}"
    )


def run_one(notebook: str, target: str, smoke: bool) -> tuple[float, str | None]:
    """Execute one notebook; return the seconds taken and, if it failed, the report.

    papermill writes after every cell, so under another name: ``target`` appears when it is whole and in normal form.
    """
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # deprecations of the running tools; the chapters' own kernels are separate
        import papermill

        part = Path(target).with_name(f".{Path(target).stem}.part.ipynb")
        try:
            papermill.execute_notebook(
                notebook,
                str(part),
                parameters={"smoke": True} if smoke else {},
                kernel_name="python3",
                cwd=str(BOOK),
                progress_bar=False,
                execution_timeout=CELL_TIMEOUT,
                extra_arguments=[
                    "--IPKernelApp.log_level=50"
                ],  # the kernel's own chatter, not the chapter's output
            )
            normalise_file(part)
            part.replace(target)
        except (
            Exception
        ) as error:  # the report has to cross a process boundary, papermill's error cannot
            part.unlink(missing_ok=True)
            return time.perf_counter() - start, describe(error)
    return time.perf_counter() - start, None


def run_all(
    notebooks: list[Path], out: Path, smoke: bool, jobs: int, again: bool = False, kept: bool = True
) -> None:
    """Run ``notebooks`` into the folder ``out`` and print one line per chapter, in reading order.

    A chapter that lies there already and would give the same is kept, unless ``again``; that can be told only of a
    folder that is ``kept``.
    """
    out.mkdir(parents=True, exist_ok=True)
    stamps = {path: stamp_of(path, smoke) if kept else "" for path in notebooks}
    for left in out.glob(".*.part.ipynb"):  # of a run that was killed
        left.unlink()
    form = "smoke run" if smoke else "full run"
    plural = "" if len(notebooks) == 1 else "s"
    print(f"{form} of {len(notebooks)} chapter{plural}, {jobs} at a time", flush=True)
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        futures: list[Future[tuple[float, str | None]] | None] = [
            None
            if kept and not again and is_unchanged(out / path.name, stamps[path])
            else pool.submit(run_one, str(path), str(out / path.name), smoke)
            for path in notebooks
        ]
        for number, (path, future) in enumerate(zip(notebooks, futures, strict=True), start=1):
            label = f"[{number:2d}/{len(notebooks)}] {path.stem}"
            if future is None:
                print(f"{label} unchanged", flush=True)
                continue
            print(f"{label} ...", flush=True)
            seconds, problem = future.result()
            if problem is not None:
                pool.shutdown(wait=False, cancel_futures=True)
                sys.exit(f"{label} FAILED after {seconds:.1f} s in {problem}")
            if kept:
                note(out / path.name, stamps[path])
            print(f"{label} done in {seconds:.1f} s", flush=True)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: every chapter")
    parser.add_argument("--out", type=Path, help="folder for the executed notebooks")
    parser.add_argument("--smoke", action="store_true", help="pass smoke=True to every chapter")
    parser.add_argument("--in-place", action="store_true", help="rewrite the notebooks themselves")
    parser.add_argument("--again", action="store_true", help="run unchanged chapters, too")
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    options = parser.parse_args()
    if options.smoke and options.in_place:
        parser.error(
            "--smoke and --in-place exclude each other: committed outputs come from full runs"
        )
    notebooks = [path.resolve() for path in options.notebooks] or chapters()
    if missing := [str(path) for path in notebooks if not path.is_file()]:
        sys.exit(f"no such notebook: {', '.join(missing)}")
    if not notebooks:
        sys.exit(f"no chapter found: expected notebooks named NN_name.ipynb in {BOOK}")
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    os.environ["MFNET_LITE_STATIC"] = "1"  # no live widgets in stored outputs

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        out = (options.out or Path(scratch)).resolve()
        run_all(
            notebooks,
            out,
            options.smoke,
            max(1, options.jobs),
            options.again,
            options.out is not None,
        )
        if options.in_place:
            for path in notebooks:
                fresh = path.with_name(f".{path.name}.new")
                fresh.write_bytes((out / path.name).read_bytes())
                fresh.replace(path)
    print(f"all chapters done in {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
