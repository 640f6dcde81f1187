"""The live SAM in a real browser: how long a reader waits, and whether the answers are PyTorch's.

    python -m scripts.benchmarks.live_page _build/html        measure, and write book/results/live_page.json

Chromium opens the page from its folder on one core, with nothing else to do for it, once for every run. Times are the
page's own clock: from the end of loading to the first mask (opening runtime and networks, the encoder, one prompt), and
from a real click of the mouse to the mask it leads to, drawing included. Beside them stands the processor time that all
processes of the browser took meanwhile: on one core that nobody else wants the two are about the same, and on a busy
machine only the second says something. Then every picture is prompted with clicks and
boxes, and logits and masks are compared with those of PyTorch.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
import torch
from torch.nn import functional as F

from mfnet_lite.sam import load_sam
from mfnet_lite.sam.onnx_models import OnnxDecoder, OnnxEncoder
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import versions
from scripts.benchmarks.common import RESULTS, now, working_tree
from scripts.book.browser import BrowserPage, find_chromium, open_browser
from scripts.book.live_page import RUNTIME, sample_pictures

RUNS, CLICKS, WIDTH = 5, 8, 1280
WAIT = """
new Promise((resolve, reject) => {
  const look = () => {
    const marks = performance.getEntriesByName("live-sam-mask");
    if (marks.length > %d) resolve(marks.at(-1).startTime);
    else if (document.getElementById("live-sam").hidden)
      reject(new Error(document.getElementById("live-sam-note").textContent));
    else setTimeout(look, 20);
  };
  look();
})
"""
OPENED = """
(() => {
  const at = name => performance.getEntriesByName(name)[0].startTime;
  const [page] = performance.getEntriesByType("navigation");
  window.pressed = [];
  const canvas = document.querySelector("#live-sam canvas");
  canvas.addEventListener("pointerup", () => window.pressed.push(performance.now()), {capture: true});
  canvas.scrollIntoView({block: "center"});
  const box = canvas.getBoundingClientRect();
  return {first: at("live-sam-mask") - page.loadEventEnd, x: box.x, y: box.y, side: box.width,
          bytes: window.liveSamModels.bytes};
})()
"""
ENCODE = """
(async () => {
  const input = liveSam.toInput(), begun = performance.now();
  await liveSam.ask("embed", input);
  return performance.now() - begun;
})()
"""
READY = "new Promise(done => setTimeout(done, 50)).then(() => liveSam.ready)"
ANSWER = """
(() => {
  const {answer, width, height} = liveSam.state;
  return {logits: Array.from(answer.logits), iou: answer.iou, coords: answer.coords, labels: answer.labels,
          which: answer.which, mask: Array.from(answer.mask), width, height};
})()
"""


async def click(page: BrowserPage, x: float, y: float) -> None:
    """Press and release the left button."""
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        await page.send(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left",
            buttons=int(kind == "mousePressed"), clickCount=int(kind != "mouseMoved"),
        )  # fmt: skip


async def drag(page: BrowserPage, x0: float, y0: float, x1: float, y1: float) -> None:
    """Press at one place and release at another."""
    places = [(x0, y0), (x0, y0), (x1, y1), (x1, y1)]
    kinds = ("mouseMoved", "mousePressed", "mouseMoved", "mouseReleased")
    for kind, (x, y) in zip(kinds, places, strict=True):
        await page.send(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left",
            buttons=int(kind in ("mousePressed", "mouseMoved")), clickCount=1,
        )  # fmt: skip


def processor_time() -> float:
    """Sum the processor time of the processes below this one, in seconds; the browser is all of them."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


async def one_run(page: BrowserPage, url: str) -> dict[str, Any]:
    """Open the page, wait for its first mask, click a few times.

    Args:
        page: A tab that has shown nothing of the site yet.
        url: The page.

    Returns:
        Milliseconds: first mask, encoder, each click; seconds of the processor for the same, from the start of
        loading on; and the sizes of the networks.
    """
    cpu = [processor_time()]
    await page.open(url, WIDTH)
    loaded = processor_time()
    await page.evaluate(WAIT % 0)
    cpu.append(processor_time())
    opened = await page.evaluate(OPENED)
    side, clicks = opened["side"], []
    await page.evaluate(READY)
    cpu.append(processor_time())
    await page.evaluate(ENCODE)  # the first time, the browser still makes the program faster
    cpu.append(processor_time())
    encoder = await page.evaluate(ENCODE)
    cpu.append(processor_time())
    clicking = 0.0
    for number in range(CLICKS):
        await page.evaluate("document.querySelector('[data-part=clear]').click()")
        marks = await page.evaluate('performance.getEntriesByName("live-sam-mask").length')
        place, before = 0.2 + 0.6 * number / CLICKS, processor_time()
        await click(page, opened["x"] + place * side, opened["y"] + (1 - place) * side)
        there = await page.evaluate(WAIT % marks)
        clicking += processor_time() - before
        clicks.append(there - await page.evaluate("window.pressed.at(-1)"))
    return {
        "first": opened["first"],
        "encoder": encoder,
        "clicks": clicks,
        "bytes": opened["bytes"],
        "cpu": {
            "first_mask": cpu[1] - loaded,
            "loading": loaded - cpu[0],
            "own_picture": cpu[3] - cpu[2],
            "encoder": cpu[4] - cpu[3],
            "next_click": clicking / CLICKS,
        },
    }


async def answers(page: BrowserPage, url: str) -> list[dict[str, Any]]:
    """Prompt every picture with a click, two clicks, and a box, and bring the page's answers home.

    Args:
        page: A tab.
        url: The page.
    """
    found = []
    await page.open(url, WIDTH)
    await page.evaluate(WAIT % 0)
    await page.evaluate(READY)
    for number in range(len(sample_pictures())):
        if number:
            marks = await page.evaluate('performance.getEntriesByName("live-sam-mask").length')
            await page.evaluate(
                f"(() => {{ const s = document.querySelector('[data-part=picture]'); s.value = {number};"
                " s.dispatchEvent(new Event('change')); })()"
            )
            await page.evaluate(WAIT % marks)
        frame = await page.evaluate(OPENED)
        x, y, side = frame["x"], frame["y"], frame["side"]
        found.append({"picture": number} | await page.evaluate(ANSWER))
        for tool, places in (
            ("outside", (0.7, 0.3)),
            ("inside", (0.4, 0.6)),
            ("box", (0.2, 0.3, 0.7, 0.8)),
        ):
            marks = await page.evaluate('performance.getEntriesByName("live-sam-mask").length')
            await page.evaluate(
                f"""document.querySelector('[name=live-sam-tool][value={tool}]').click()"""
            )
            move = drag if tool == "box" else click
            await move(page, *((y if i % 2 else x) + p * side for i, p in enumerate(places)))
            await page.evaluate(WAIT % marks)
            found.append({"picture": number} | await page.evaluate(ANSWER))
    return found


@torch.no_grad()
def compare(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Ask PyTorch the same.

    Args:
        found: Answers of the page.

    Returns:
        Number of prompts, largest difference of logits and of estimated IoU, pixels of masks and how many differ.
    """
    sam = load_sam("tiny")
    encoder, decoder = OnnxEncoder(sam).eval(), OnnxDecoder(sam).eval()
    embeddings = [encoder(torch.from_numpy(p[0])[None].float()) for p in sample_pictures()]
    side, logits, iou, pixels, differing = sam.image_encoder.img_size, 0.0, 0.0, 0, 0
    for answer in found:
        embedding = embeddings[answer["picture"]]
        low = 4 * embedding.shape[-1]
        coords = torch.tensor(answer["coords"]).reshape(1, -1, 2)
        labels = torch.tensor([answer["labels"]]).float()
        masks, scores = decoder(
            embedding, coords, labels, torch.zeros(1, 1, low, low), torch.zeros(1)
        )
        theirs = torch.tensor(answer["logits"]).reshape(masks.shape)
        logits = max(logits, float((masks - theirs).abs().max()))
        iou = max(iou, float((scores - torch.tensor([answer["iou"]])).abs().max()))
        square = F.interpolate(masks[:, [answer["which"]]], (side, side), mode="bilinear")
        whole = F.interpolate(square, (answer["height"], answer["width"]), mode="bilinear") > 0
        mask = np.array(answer["mask"], dtype=bool)
        pixels += mask.size
        differing += int((mask != whole.flatten().numpy()).sum())
    return {
        "prompts": len(found), "logits": logits, "iou": iou, "pixels": pixels, "differing": differing,
    }  # fmt: skip


async def measure(html: Path, program: str, runs: int) -> dict[str, Any]:
    """Measure times and compare answers.

    Args:
        html: Folder of the built site.
        program: The Chromium.
        runs: How often the page is opened, each time by a browser that has never seen it.
    """
    url = (html / "book" / "live.html").resolve().as_uri()
    taken = []
    for _ in range(runs):
        async with open_browser(program) as page:
            taken.append(await one_run(page, url))
    async with open_browser(program) as page:
        parity = compare(await answers(page, url))
    clicks = [ms for run in taken for ms in run["clicks"]]
    scripts = html / "_static" / "live"
    return {
        "seconds": {
            "first_mask": median(run["first"] for run in taken) / 1000,
            "first_mask_slowest": max(run["first"] for run in taken) / 1000,
            "encoder": median(run["encoder"] for run in taken) / 1000,
            "next_click": median(clicks) / 1000,
            "next_click_slowest": max(clicks) / 1000,
        },
        "processor_seconds": {
            name: round(median(run["cpu"][name] for run in taken), 3) for name in taken[0]["cpu"]
        },
        "runs": runs,
        "clicks": len(clicks),
        "bytes": taken[0]["bytes"]
        | {name: (scripts / name).stat().st_size for name in ("runtime.js", "models.js")},
        "parity": parity,
    }


def main() -> None:
    """Parse the command line, measure, write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("html", type=Path, help="folder of the built site")
    parser.add_argument("--runs", type=int, default=RUNS, help="how often the page is opened")
    parser.add_argument("--out", type=Path, default=RESULTS / "live_page.json")
    options = parser.parse_args()
    program = find_chromium()
    if program is None:
        raise SystemExit("no Chromium found; install chromium or Chrome")
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})  # the browser inherits it
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    found = asyncio.run(measure(options.html, program, options.runs))
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    record = {
        "browser": re.sub(r"(\d+)\..*", r"\1", said.stdout.strip()),
        "hardware": f"{platform.machine()} server",
        **found,
        "provenance": {
            "commit": working_tree(), "time": now(), "load_before": round(load, 2),
            "runtime": RUNTIME, "opened": "from a folder (file://), headless, one core", "versions": versions(),
        },
    }  # fmt: skip
    write_text(options.out, json.dumps(record, indent=1) + "\n")
    print(json.dumps({k: record[k] for k in ("seconds", "processor_seconds", "parity")}, indent=1))


if __name__ == "__main__":
    main()
