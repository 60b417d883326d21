"""Heads of HTTP are written and read as RFC 9112 has them."""

from __future__ import annotations

import pytest

from libvdsm.client.runtime import http
from libvdsm.client.runtime.address import parse
from libvdsm.client.runtime.errors import ProtocolError, StreamRefusedError


def test_requests() -> None:
    address = parse("http://host:8080")
    assert http.post(address, b"{}").startswith(b"POST /rpc HTTP/1.1\r\nHost: host:8080\r\nContent-Type: application/json\r\n")
    assert http.post(address, b"{}").endswith(b"Content-Length: 2\r\n\r\n{}")
    assert http.upgrade(address, "/stream/x") == (
        b"GET /stream/x HTTP/1.1\r\nHost: host:8080\r\nConnection: Upgrade\r\nUpgrade: vdsm-stream\r\n\r\n"
    )


@pytest.mark.parametrize("path", ("stream", "/a b", "/a\r\nX: y", "/ä"))
def test_paths_cannot_smuggle(path: str) -> None:
    with pytest.raises(ProtocolError):
        http.upgrade(parse("unix:///x"), path)


def test_heads() -> None:
    head = http.parse_head(b"HTTP/1.1 200 OK\r\nContent-Length:  12 \r\nX-Y: z\r\n\r\n")
    assert (head.status, head.reason, head.length, head.keeps_alive) == (200, "OK", 12, True)
    assert not http.parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n").keeps_alive
    assert not http.parse_head(b"HTTP/1.1 200 OK\r\n\r\n").keeps_alive


@pytest.mark.parametrize("data", (b"STOMP\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
def test_other_heads_are_the_peers_fault(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        http.parse_head(data)


@pytest.mark.parametrize("length", ("-1", "x", "9" * 30))
def test_lengths_are_numbers_within_reason(length: str) -> None:
    with pytest.raises(ProtocolError):
        _ = http.Head(200, "OK", {"content-length": length}).length


def test_a_refusal_without_a_typed_error_tells_the_status() -> None:
    found = http.refusal(http.Head(404, "Not Found", {}), b"<html>")
    assert isinstance(found, StreamRefusedError)
    assert found.status == 404
