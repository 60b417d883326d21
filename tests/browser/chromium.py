"""A real browser without a window, driven over its debugging port: pages are opened, and functions called in them."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PROGRAM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
PATIENCE_S = 60.0
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--ignore-certificate-errors",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)
_PORT = re.compile(rb"DevTools listening on ws://127\.0\.0\.1:(\d+)/")


class Page:
    """An open page."""

    def __init__(self, line: ClientConnection) -> None:
        self._line = line
        self._numbers = itertools.count(1)

    def command(self, method: str, **params: object) -> dict[str, Any]:
        """The answer to a command of the debugging protocol."""
        number = next(self._numbers)
        self._line.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._line.recv(timeout=PATIENCE_S))
            if answer.get("id") == number:
                return dict(answer["result"])

    def evaluate(self, text: str) -> Any:
        """The value of an expression in the page, a promise's when it is kept."""
        answer = self.command("Runtime.evaluate", expression=text, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def call(self, function: str, *arguments: object) -> Any:
        """What a function of the page answers."""
        return self.evaluate(f"{function}({', '.join(map(json.dumps, arguments))})")


@contextlib.contextmanager
def browsing(folder: Path) -> Iterator[int]:
    """A browser with a profile of its own; the port by which it is driven."""
    assert PROGRAM is not None
    log = folder / "chromium.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [PROGRAM, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield _port(log, process)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        found = _PORT.search(log.read_bytes())
        if found is not None:
            return int(found.group(1))
        time.sleep(0.05)
    raise AssertionError(f"the browser did not start: {log.read_text('utf-8', 'replace')[-2000:]}")


@contextlib.contextmanager
def page(port: int, url: str) -> Iterator[Page]:
    """A page of this address, loaded."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/json/new?{url}", method="PUT")
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        target = json.load(answer)["webSocketDebuggerUrl"]
    with connect(target, max_size=None) as line:
        opened = Page(line)
        opened.command("Security.enable")
        opened.command("Security.setIgnoreCertificateErrors", ignore=True)
        for _ in range(1_200):
            if opened.evaluate("document.readyState") == "complete" and opened.evaluate("typeof first") == "function":
                break
            time.sleep(0.05)
        yield opened


@contextlib.contextmanager
def site() -> Iterator[str]:
    """A web site with one page that has ``page.js``; its origin."""
    script = (Path(__file__).parent / "page.js").read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<!doctype html><title>page</title><script>" + script + b"</script>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:
            """Nothing is told."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
