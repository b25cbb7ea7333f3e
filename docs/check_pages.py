"""Open every page of the built site in Chromium and say what a reader would stumble over.

    python docs/check_pages.py [--site docs/_build] [--width 1280] [--pictures FOLDER] [page ...]

Looked for on each page: errors on the console, requests that fail or leave the machine, images that are
not there, TeX that was left as it is or that MathJax refused, and equations, code, tables or text that are
cut or wider than their column. Without Chromium nothing is checked, and it says so. Speaks the DevTools
protocol by Tornado, which the notebooks' machinery brings along.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tornado.websocket import websocket_connect

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
HEIGHT = 1000  # of the window, in pixels
PATIENCE = 60.0  # seconds for a page or the browser's start

# Runs in the page once it is loaded; gives a list of complaints.
LOOK = r"""
(async () => {
  const found = [];
  if (window.MathJax && MathJax.startup && MathJax.startup.promise) await MathJax.startup.promise;
  for (const image of document.images) {
    image.loading = "eager";
    try { await image.decode(); } catch { found.push("image is not there: " + image.src); }
  }
  const named = element => (element.textContent || "").trim().replace(/\s+/g, " ").slice(0, 70);
  for (const math of document.querySelectorAll(".math")) {
    if (!math.querySelector("mjx-container")) found.push("TeX is not set: " + named(math));
  }
  for (const error of document.querySelectorAll("[data-mml-node=merror]")) {
    found.push("MathJax refuses: " + named(error.closest(".math") || error));
  }
  const main = document.querySelector("main") || document.body;
  const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode;
    if (text.parentElement.closest("pre, code, script, style, mjx-container")) continue;
    if (/\$[^$\s][^$]*\$|\\(frac|alpha|Sigma|mathrm|begin|left|sum)\b|\\[([]/.test(text.data)) {
      found.push("raw TeX: " + text.data.trim().slice(0, 70));
    }
    if (/\{(doc|ref|py:\w+)\}`|`[^`]+`_/.test(text.data)) {
      found.push("raw markup: " + text.data.trim().slice(0, 70));
    }
  }
  const room = [
    ["div.math", "equation"], ["div.math mjx-container", "equation"], ["pre", "text"],
    [".pst-scrollable-table-container", "table"], [".cell_output .output", "output"],
  ];
  for (const [selector, what] of room) {
    for (const box of document.querySelectorAll("main " + selector)) {
      const excess = box.scrollWidth - box.clientWidth;
      if (excess > 1) found.push(`${what} is ${excess} pixels too wide: ` + named(box));
    }
  }
  for (const box of document.querySelectorAll("main .math, main .math mjx-container")) {
    const style = getComputedStyle(box);
    if (style.overflowY === "visible" || style.display === "inline") continue;
    if (box.scrollHeight - box.clientHeight > 1) found.push("equation is cut above or below: " + named(box));
  }
  for (const column of document.querySelectorAll("article")) {
    const edge = column.getBoundingClientRect().right;
    for (const math of column.querySelectorAll("span.math")) {
      const excess = Math.round(math.getBoundingClientRect().right - edge);
      if (excess > 1) found.push(`equation in the text is ${excess} pixels too wide: ` + named(math));
    }
  }
  const excess = document.documentElement.scrollWidth - window.innerWidth;
  if (excess > 1) found.push(`page is ${excess} pixels too wide`);
  return found;
})()
"""


class Page:
    """One tab: commands, and what it complains about by itself."""

    def __init__(self, socket: Any):
        self.socket = socket
        self.numbers = itertools.count(1)
        self.answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.loaded = asyncio.Event()
        self.complaints: list[str] = []

    async def listen(self) -> None:
        while (text := await self.socket.read_message()) is not None:
            message = json.loads(text)
            if "id" in message:
                self.answers.pop(message["id"]).set_result(message)
            else:
                self.hear(message["method"], message.get("params", {}))

    def hear(self, event: str, about: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self.loaded.set()
        elif event == "Runtime.exceptionThrown":
            self.complaints.append("exception: " + str(about["exceptionDetails"].get("exception", about)))
        elif event == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            words = " ".join(str(one.get("value", one.get("description"))) for one in about["args"])
            self.complaints.append(f"console {about['type']}: {words}")
        elif event == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            entry = about["entry"]
            self.complaints.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")
        elif event == "Network.loadingFailed" and not about.get("canceled"):
            self.complaints.append(f"request failed: {about['errorText']}")
        elif event == "Network.requestWillBeSent":
            address = about["request"]["url"]
            if not address.startswith(("file:", "data:", "blob:")):
                self.complaints.append(f"asks the internet: {address}")

    async def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self.numbers)
        answer = self.answers[number] = asyncio.get_running_loop().create_future()
        await self.socket.write_message(json.dumps({"id": number, "method": method, "params": parameters}))
        message = await asyncio.wait_for(answer, PATIENCE)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return message["result"]

    async def look(self, path: Path, width: int, picture: Path | None) -> list[str]:
        """What is wrong with one page, and a picture of all of it."""
        self.complaints, self.loaded = [], asyncio.Event()
        await self.do("Page.navigate", url=path.resolve().as_uri())
        await asyncio.wait_for(self.loaded.wait(), PATIENCE)
        seen = await self.do("Runtime.evaluate", expression=LOOK, awaitPromise=True, returnByValue=True)
        found = seen["result"].get("value")
        if found is None:
            found = [f"the page could not be examined: {seen.get('exceptionDetails')}"]
        if picture is not None:
            size = (await self.do("Page.getLayoutMetrics"))["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": width, "height": min(size["height"], 12000), "scale": 1}
            shot = await self.do("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
            picture.write_bytes(base64.b64decode(shot["data"]))
        return list(dict.fromkeys(self.complaints + found))


async def look_at(address: str, pages: list[Path], site: Path, width: int, pictures: Path | None) -> int:
    """The number of pages with something wrong; complaints are printed."""
    page = Page(await websocket_connect(address, max_message_size=2**28))
    listening = asyncio.create_task(page.listen())
    for domain in ("Page", "Runtime", "Log", "Network"):
        await page.do(f"{domain}.enable")
    await page.do(
        "Emulation.setDeviceMetricsOverride", width=width, height=HEIGHT, deviceScaleFactor=1, mobile=False
    )
    wrong = 0
    for path in pages:
        name = path.relative_to(site).with_suffix("")
        picture = None if pictures is None else pictures / f"{'_'.join(name.parts)}.png"
        found = await page.look(path, width, picture)
        wrong += bool(found)
        print(f"{'!!' if found else 'ok'} {name}", *(f"     {one}" for one in found), sep="\n", flush=True)
    listening.cancel()
    return wrong


@contextlib.contextmanager
def browser(program: str):
    """A Chromium of our own, ended afterwards; the address of its one tab."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield _address(Path(folder) / "DevToolsActivePort")
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _address(port_file: Path) -> str:
    from urllib.request import urlopen

    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError, IndexError, StopIteration, ValueError):
            port = int(port_file.read_text().splitlines()[0])
            with urlopen(f"http://127.0.0.1:{port}/json") as answer:
                tabs = json.load(answer)
            return next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        time.sleep(0.1)
    raise SystemExit("the browser did not start")


def main() -> int:
    parser = argparse.ArgumentParser(description="Open every page of the built site in Chromium.")
    parser.add_argument("--site", type=Path, default=Path(__file__).parent / "_build")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each page")
    parser.add_argument("--width", type=int, default=1280, help="of the window, in pixels")
    parser.add_argument("pages", nargs="*", help="names such as notebooks/00_first_solve; default: all")
    options = parser.parse_args()
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print(f"no page was looked at: none of {', '.join(BROWSERS)} is installed")
        return 0
    if not (options.site / "index.html").exists():
        raise SystemExit(f"{options.site} holds no site; build it with `make docs`")
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    named = [options.site / f"{name}.html" for name in options.pages]
    everything = (path for path in options.site.rglob("*.html") if "_static" not in path.parts)
    pages = named or sorted(everything)
    with browser(program) as address:
        wrong = asyncio.run(look_at(address, pages, options.site, options.width, options.pictures))
    print(f"{len(pages)} pages, {wrong} with something wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
