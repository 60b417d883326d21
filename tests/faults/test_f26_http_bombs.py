"""F-26 over HTTP: what is too much in any way is refused at its limit, in constant memory, and costs nobody else anything."""

from __future__ import annotations

import contextlib
import gzip
import socket
from collections.abc import Iterable, Iterator
from itertools import chain, repeat

import pytest

from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.faults.bombs import MIB, MOST, in_constant_memory, nested

START = b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def sized(body: bytes) -> list[bytes]:
    return [START + b"Content-Length: %d\r\n\r\n" % len(body), body]


def chunked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    return chain([START + b"Transfer-Encoding: chunked\r\n\r\n"], chunks)


def bombs() -> dict[str, tuple[Iterable[bytes], bytes]]:
    """What is sent, and how the answer begins."""
    return {
        "a target without an end": (chain([b"GET /"], repeat(b"a" * 4096)), b"HTTP/1.1 431 "),
        "a header without an end": (chain([START, b"X: "], repeat(b"x" * 4096)), b"HTTP/1.1 431 "),
        "a header name without an end": (chain([START], repeat(b"x" * 4096)), b"HTTP/1.1 431 "),
        "headers without an end": (chain([START], repeat(b"X: 1\r\n" * 500)), b"HTTP/1.1 431 "),
        "101 headers": ([START + b"".join(b"X%d: 1\r\n" % n for n in range(100)) + b"\r\n"], b"HTTP/1.1 431 "),
        "one header 101 times": ([START + b"X: 1\r\n" * 100 + b"\r\n"], b"HTTP/1.1 431 "),
        "a length beyond all bounds": ([START + b"Content-Length: 99999999999999\r\n\r\n"], b"HTTP/1.1 413 "),
        "a length that is no number": ([START + b"Content-Length: " + b"9" * 100 + b"\r\n\r\n"], b"HTTP/1.1 4"),
        "a body without an end": (chunked(repeat(b"1000\r\n" + b"x" * 4096 + b"\r\n")), b"HTTP/1.1 413 "),
        "chunks of two octets without an end": (chunked(repeat(b"2\r\nxx\r\n" * 1000)), b"HTTP/1.1 413 "),
        "a chunk beyond all bounds": (chunked([b"ffffffffffffffff\r\n", b"x" * 100]), b"HTTP/1.1 4"),
        "a chunk size of 100 digits": (chunked([b"f" * 100 + b"\r\n"]), b"HTTP/1.1 400 "),
        "trailers without an end": (chain(chunked([b"2\r\n{}\r\n0\r\n"]), repeat(b"X: 1\r\n" * 500)), b"HTTP/1.1 431 "),
        "brackets 100,000 deep": (sized(nested(100_000)), b"HTTP/1.1 200 "),
        "half a mebibyte of brackets": (sized(b"[" * (MIB // 2)), b"HTTP/1.1 200 "),
        "100,000 calls in one": (sized(b"[" + b",".join([b"1"] * 100_000) + b"]"), b"HTTP/1.1 200 "),
        "a gibibyte in gzip": (
            [START + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed()), packed()],
            b"HTTP/1.1 ",
        ),
    }


def packed() -> bytes:
    return gzip.compress(bytes(MIB), 9, mtime=0) * 900


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VdsmdProcess]:
    """One for all bombs: none may leave anything behind."""
    made = start_vdsmd(tmp_path_factory.mktemp("f26"), hypervisor="simulator:1", listen=None)
    try:
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("bomb", sorted(bombs()))
def test_f26_what_is_too_much_is_refused_in_constant_memory(daemon: VdsmdProcess, bomb: str) -> None:
    """The refusal arrives, the connection ends, the memory stays, a ping is answered."""
    parts, wanted = bombs()[bomb]
    with in_constant_memory(daemon):
        answer, sent = b"", 0
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(str(daemon.socket))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for part in parts:
                    sock.sendall(part)
                    sent += len(part)
                    if sent > MOST:
                        break
            with contextlib.suppress(ConnectionResetError):
                while b"\r\n\r\n" not in answer and (data := sock.recv(65536)):
                    answer += data
        assert answer.startswith(wanted), (sent, answer[:200])
