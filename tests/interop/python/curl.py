"""curl: calls by POST, events as Server-Sent Events."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

from script import LISTING, STRANGER, obey, site, tell, tell_list

SITE = site()
ROOT = f"https://localhost:{SITE.port}"
CURL_BASE = ("curl", "--silent", "--show-error", "--no-buffer", "--max-time", "60", "--cacert", SITE.ca)
CURL = (*CURL_BASE, "--resolve", f"localhost:{SITE.port}:127.0.0.1")


def post(token: str) -> tuple[int, str]:
    """VM.list: the status, and the body."""
    command = [*CURL, "--header", f"Authorization: Bearer {token}", "--json", LISTING, "--write-out", "\n%{http_code}", f"{ROOT}/rpc"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    body, _, status = ran.stdout.rpartition("\n")
    return int(status), body


class Stream:
    """A curl that follows the events."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._last_id: str | None = None

    def follow(self) -> None:
        """From where the last line dropped."""
        came_from = ["--header", f"Last-Event-ID: {self._last_id}"] if self._last_id else []
        command = [*CURL, "--header", f"Authorization: Bearer {SITE.token}", *came_from, "--include", f"{ROOT}/events?topics=vm.%23"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, args=(self._process, bool(came_from)), daemon=True).start()

    def drop(self) -> None:
        """Without a word."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        tell("dropped", True)

    def _read(self, process: subprocess.Popen[str], came_back: bool) -> None:
        assert process.stdout is not None
        kind, is_body = "message", False
        for line in process.stdout:
            name, _, value = line.rstrip("\r\n").partition(": ")
            if not is_body:
                is_body = not name
                if is_body:
                    tell("back" if came_back else "following", True)
            elif name == "event":
                kind = value
            elif name == "id":
                self._last_id = value
            elif name == "data":
                tell("event" if kind == "message" else kind, json.loads(value))
            elif not name:
                kind = "message"


stream = Stream()


def refused() -> None:
    """A stranger."""
    status, _ = post(STRANGER)
    tell("refused" if status == 401 else "connected", status)


def first() -> None:
    """Known, and the list."""
    status, body = post(SITE.token)
    tell("connected", status)
    tell_list(body)
    stream.follow()


obey({"stranger": refused, "first": first, "drop": stream.drop, "again": stream.follow})
sys.exit()
