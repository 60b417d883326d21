"""A browser's own WebSocket against a daemon over TLS: logs in, lists, follows, drops, comes back and misses nothing.

It needs Chromium (Debian's package ``chromium``); ``make interop`` installs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import PROGRAM, browsing, page, site
from tests.conftest import StartVdsmd
from tests.roads import Caller

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium on this machine")


def sequences(events: list[dict[str, Any]]) -> list[int]:
    """The numbers of the events that were delivered; there is no gap among them."""
    assert not any("gap" in each for each in events)
    return [each["event"]["sequence"] for each in events]


@pytest.mark.timeout(400)
def test_a_page_logs_in_follows_drops_and_comes_back(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """Over TLS, by a token; another page's origin is not let in."""
    with site() as origin, site() as stranger, browsing(tmp_path) as port:
        config = tmp_path / "vdsmd.toml"
        config.write_text(f'[http]\norigins = ["{origin}"]\n')
        daemon = vdsmd("--config", str(config), "--listen", "127.0.0.1:0", listen=None)
        url = f"wss://127.0.0.1:{daemon.port}/ws"
        with Caller(daemon.socket) as admin, page(port, origin) as ours, page(port, stranger) as theirs:
            admin.call("Access.grant", {"identity": "user:alice", "role": "operator"})
            token = admin.call("Identity.createToken", {"label": "page", "identity": "user:alice"})["token"]
            assert theirs.call("refused", url) == 1006

            first, second = (each["id"] for each in admin.call("VM.list")["items"][:2])
            for vm in (first, second):
                if admin.call("VM.get", {"vmId": vm})["state"] != "stopped":
                    admin.done("VM.stop", {"vmId": vm})
            mine = admin.call("Event.read", {"topics": ["vm.#"], "limit": 1})["resume"]  # a token is of whoever got it
            came = ours.call("first", url, token, first)
            assert came["protocol"] == "jsonrpc"
            assert came["refused"] == "PermissionDenied"
            assert came["identity"] == "user:alice"
            assert len(came["vms"]) == 3
            assert came["code"] == 1000

            admin.done("VM.stop", {"vmId": first})
            admin.done("VM.start", {"vmId": second})
            admin.done("VM.start", {"vmId": first})
            back = ours.call("again", url, token, came["resume"], first, "running")
            assert back["protocol"] == "jsonrpc"
            truth = admin.call("Event.read", {"topics": ["vm.#"], "after": mine, "limit": 1000})["items"]
            truth = [each for each in truth if each["sequence"] > int(came["began"].rpartition("-")[2])]
            got = sequences(came["events"]) + sequences(back["events"])
            assert got == [each["sequence"] for each in truth][: len(got)]
            assert len(got) >= 4
