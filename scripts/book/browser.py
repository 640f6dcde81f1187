"""A Chromium without a window, steered over its DevTools protocol.

    async with open_browser("chromium") as page:
        await page.open("file:///site/index.html", width=390)
        title = await page.evaluate("document.title")

tornado, which Jupyter brings, speaks the protocol's WebSocket.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
HEIGHT = 900
PATIENCE = 60.0
"""Seconds to wait for an answer."""

Event = dict[str, Any]


def find_chromium() -> str | None:
    """Return the path of a Chromium or Chrome; None if there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class BrowserPage:
    """One tab.

    Args:
        socket: Connection to the browser.
        session: Its id of the tab; None speaks to the browser itself.
        patience: Seconds to wait for an answer.

    Attributes:
        events: All since the last page was opened, as the protocol words them.
    """

    def __init__(
        self,
        socket: WebSocketClientConnection,
        session: str | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.socket, self.session, self.patience = socket, session, patience
        self.numbers = itertools.count(1)
        self.events: list[Event] = []

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come before it are kept.

        Raises:
            RuntimeError: If the browser refuses it or says nothing.
        """
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        await self.socket.write_message(json.dumps(message))
        while True:
            answer = await self._next(method)
            if answer.get("id") != number:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"Chromium refused {method}: {answer['error']['message']}")
            else:
                return dict(answer["result"])

    async def wait_for(self, method: str) -> None:
        """Wait for an event, which may have come already.

        Raises:
            RuntimeError: If it does not come.
        """
        while not any(event.get("method") == method for event in self.events):
            self.events.append(await self._next(method))

    async def _next(self, what: str) -> dict[str, Any]:
        try:
            text = await asyncio.wait_for(self.socket.read_message(), self.patience)
        except TimeoutError as error:
            raise RuntimeError(
                f"Chromium did not answer {what} within {self.patience:g} s"
            ) from error
        if text is None:
            raise RuntimeError(f"Chromium ended while {what} was awaited")
        return dict(json.loads(text))

    async def open(self, url: str, width: int) -> None:
        """Open a page and wait until it stands still: loaded, fonts there, formulas set.

        Args:
            url: Its address.
            width: Of the window, in CSS pixels.
        """
        self.events = []
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=HEIGHT, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        await self.send("Page.navigate", url=url)
        await self.wait_for("Page.loadEventFired")
        await self.evaluate(
            "document.fonts.ready.then(() => window.MathJax?.startup?.promise).then(() => true)"
        )

    async def evaluate(self, script: str) -> Any:
        """Return what a piece of JavaScript returns, a promise's value included.

        Raises:
            RuntimeError: If it throws.
        """
        answer = await self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", details).get("description", "an exception"))
        return answer["result"].get("value")


@asynccontextmanager
async def open_browser(program: str, patience: float = PATIENCE) -> AsyncIterator[BrowserPage]:
    """Start a Chromium with one tab, and end it afterwards.

    Args:
        program: As :func:`find_chromium` found it.
        patience: Seconds to wait for an answer of the tab.

    Raises:
        RuntimeError: If it does not start.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless=new", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # without it Chromium refuses to run for root
        process = await asyncio.create_subprocess_exec(
            program, *options, f"--user-data-dir={profile}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            address = await _address(Path(profile) / "DevToolsActivePort")
            socket = await websocket_connect(address, max_message_size=2**28)
            try:
                yield await _first_page(socket, patience)
            finally:
                socket.close()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


async def _address(file: Path) -> str:
    """Where the browser listens, once it has written that."""
    for _ in range(300):
        lines = file.read_text().split() if file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        await asyncio.sleep(0.1)
    raise RuntimeError("Chromium did not start within 30 s; start it by hand and see what it says")


async def _first_page(socket: WebSocketClientConnection, patience: float) -> BrowserPage:
    browser = BrowserPage(socket)
    target = await browser.send("Target.createTarget", url="about:blank")
    attached = await browser.send(
        "Target.attachToTarget", targetId=target["targetId"], flatten=True
    )
    page = BrowserPage(socket, attached["sessionId"], patience)
    for domain in ("Page", "Network", "Runtime", "Log"):
        await page.send(f"{domain}.enable")
    return page
