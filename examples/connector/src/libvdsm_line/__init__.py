"""A protocol of lines for ``vdsmd``: ``VM.list {}`` in, one line of JSON out.

It shows all that a connector needs: the bridge's public face and a socket. Read on in ``libvdsm.interfaces.bridge``.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from libvdsm.interfaces.bridge import Bridge

LINE_LIMIT = 1024 * 1024


class LineConnector:
    """Serves a unix socket of its own."""

    def __init__(self, bridge: Bridge, caller: Callable[[None], Any], settings: Mapping[str, object]) -> None:
        """``caller(sink)`` makes the identity of one connection; lines carry no events, so there is no sink."""
        self._bridge = bridge
        self._caller = caller
        self._path = Path(str(settings.get("socket") or Path(str(settings["state_dir"])) / "line.sock"))
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to serve; only our own user and root can open the socket."""
        self._path.unlink(missing_ok=True)
        former = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._converse, str(self._path), limit=LINE_LIMIT)
        finally:
            os.umask(former)

    async def stop(self) -> None:
        """End; a call under way is the bridge's business."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = self._caller(None)
        try:
            while line := (await reader.readline()).strip():
                writer.write(await self._answer(caller, line) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):  # it went away, or its line has no end
            pass
        finally:
            writer.close()

    async def _answer(self, caller: Any, line: bytes) -> bytes:  # noqa: ANN401 - opaque: the bridge's own
        method, _blank, params = line.decode("utf-8", "replace").partition(" ")
        try:
            answer = self._bridge.call(caller, method, params.strip().encode() or b"{}")
            return answer if isinstance(answer, bytes) else await answer
        except Exception as error:  # noqa: BLE001 - the bridge promises typed errors, which all have data()
            told = error.data() if hasattr(error, "data") else {}
            return json.dumps({"error": {"message": str(error), "data": told}}).encode()
