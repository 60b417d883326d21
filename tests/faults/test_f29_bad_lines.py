"""F-29: replies that come late, requests in pieces, requests that are cut midway. Half a request is never run."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import time

import pytest

from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess
from tests.faults.caller import Caller, calling
from tests.faults.test_nothing_is_left import figure
from tests.lab.chaos import Chaos, End, Way, chaos
from tests.roads import ask_http, ask_stream

PING = b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}'
PONG = b'{"jsonrpc":"2.0","id":1,"result":{"pong":true}}\n'
#: A request that is a message already a little before its end would be run too early.
CREATE = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "VM.create", "params": {"name": "cut", "config": {"memory": 268435456}}}).encode()
PATIENCE_S = 30.0


@pytest.fixture
def daemon(vdsmd: StartVdsmd) -> VdsmdProcess:
    """A daemon that is reached over TCP."""
    return vdsmd(hypervisor="simulator:2")


def behind(daemon: VdsmdProcess) -> tuple[str, int]:
    assert daemon.port is not None
    return "127.0.0.1", daemon.port


def names(local: Caller) -> list[str]:
    return [each["name"] for each in local.call("VM.list", {})["items"]]


def await_no_connections(local: Caller) -> None:
    """Nobody but the one who looks."""
    deadline = time.monotonic() + PATIENCE_S
    while len(found := local.call("Connection.list", {})["items"]) > 1:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_f29_requests_in_pieces_are_requests(daemon: VdsmdProcess) -> None:
    """Octet by octet, over the stream and HTTP; answers may come in pieces as well."""
    with chaos(behind(daemon), Chaos(to_daemon=Way(piece=1), to_client=Way(piece=3))) as address:
        assert ask_stream(address, PING) == PONG
        assert json.loads(ask_http(address, PING))["result"] == {"pong": True}
    with chaos(daemon.socket, Chaos(to_daemon=Way(piece=7, delay_s=0.02))) as address:
        assert ask_stream(address, PING) == PONG


@pytest.mark.parametrize("end", End)
@pytest.mark.parametrize("short", (1, 2, len(CREATE) // 2))
def test_f29_a_request_that_is_cut_midway_is_never_run(daemon: VdsmdProcess, end: End, short: int) -> None:
    """However the line ends before the request does: nothing was done, and nothing is left of the connection."""
    with calling(daemon) as local:
        before = names(local)
        how = Chaos(to_daemon=Way(until=len(CREATE) - short, end=end))
        with chaos(behind(daemon), how) as address, socket.create_connection(address, PATIENCE_S) as stream:
            stream.sendall(CREATE + b"\n")
            if end is End.BLACKHOLE:
                stream.settimeout(0.5)
                with pytest.raises(TimeoutError):
                    stream.recv(65536)
            else:
                try:
                    told = stream.recv(65536)
                except ConnectionResetError:
                    told = b""
                assert b'"result"' not in told
        await_no_connections(local)
        assert names(local) == before


def test_f29_an_answer_to_somebody_gone_is_dropped(daemon: VdsmdProcess) -> None:
    """The deed is done once and stays done; the line of its answer was cut, and whoever asks again with the key is told."""
    request = json.loads(CREATE) | {"meta": {"idempotencyKey": "once"}}
    with calling(daemon) as local:
        how = Chaos(to_client=Way(until=0, end=End.CUT))
        with chaos(behind(daemon), how) as address, socket.create_connection(address, PATIENCE_S) as stream:
            stream.sendall(json.dumps(request).encode() + b"\n")
            local.await_(lambda: "cut" in names(local), "the machine is there")
        await_no_connections(local)
        again = json.loads(ask_stream(behind(daemon), json.dumps(request).encode()))
        assert again["result"]["vmId"] in {each["id"] for each in local.call("VM.list", {})["items"]}
        assert names(local).count("cut") == 1


def test_f29_a_late_answer_to_somebody_gone_is_counted(daemon: VdsmdProcess) -> None:
    """The worker stands still until the caller has gone; then the deed is done all the same, once, and its answer is one that was dropped."""
    with calling(daemon) as local:
        before, worker = figure(daemon.socket, "libvdsm_dropped_answers_total"), daemon.worker("virt")
        os.kill(worker, signal.SIGSTOP)
        try:
            with socket.create_connection(behind(daemon), PATIENCE_S) as stream:
                stream.sendall(CREATE + b"\n")
                local.await_(lambda: any(each["calls"] for each in local.call("Connection.list", {})["items"][1:]), "it has been read")
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await_no_connections(local)
        finally:
            os.kill(worker, signal.SIGCONT)
        local.await_(lambda: names(local).count("cut") == 1, "the machine is there")
        local.await_(lambda: figure(daemon.socket, "libvdsm_dropped_answers_total") == before + 1, "it is counted")


def test_f29_a_late_answer_disturbs_nobody(daemon: VdsmdProcess) -> None:
    """Who waits for events and goes away: the answer that comes later has nowhere to go; others are answered as always."""
    waiting = b'{"jsonrpc":"2.0","id":1,"method":"Event.read","params":{"timeout":2}}\n'
    with calling(daemon) as local:
        with chaos(behind(daemon), Chaos(to_client=Way(delay_s=0.5))) as address:
            for _ in range(20):
                with socket.create_connection(address, PATIENCE_S) as stream:
                    stream.sendall(waiting)
            assert ask_stream(address, PING) == PONG
        begin = time.monotonic()
        while time.monotonic() - begin < 2.5:
            assert local.call("Host.ping", {}) == {"pong": True}
            time.sleep(0.1)
        await_no_connections(local)
        assert [line for line in daemon.log.splitlines() if "Traceback" in line] == []
