"""F-18: followers that never read, over every protocol: bounded, in nobody's way, sent away in their time, and back without a gap."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from tests.conftest import StartVdsmd
from tests.faults.caller import Caller, calling
from tests.faults.followers import DOORS, Follower
from tests.faults.test_f23_idle_connections import rss_kib
from tests.faults.test_nothing_is_left import figure

MIB = 1024 * 1024
#: What each may leave unread, and how long it may be full.
BOUND_OCTETS, FULL_S = 4 * MIB, 30.0
#: Of the sweep and of a busy machine.
SLACK_S = 60.0
MOST_UPDATES = 600
#: What one record may lie beyond the bound, with what its protocol says beside it.
RECORD_OCTETS = 128 * 1024
#: What is told on when all are full: for each of them as much again, unless they are bounded.
MORE_UPDATES, ROOM_MIB = 150, 32
PATIENCE_S = 60.0


def unread(local: Caller) -> list[int]:
    """What waits for those who do not read, in octets; nobody else has much."""
    found = [int(each["bufferedOctets"]) for each in local.call("Connection.list", {"limit": 1000})["items"]]
    return [octets for octets in found if octets > BOUND_OCTETS // 4]


def update(local: Caller, vm: str, number: int) -> None:
    """A record of more than 50 KiB."""
    metadata = {f"big{place}": f"{number}-" + "x" * 4_000 for place in range(14)}
    local.call("VM.update", {"vmId": vm, "config": {"metadata": metadata}})


def records(local: Caller, after: str) -> list[int]:
    """The numbers of all records of virtual machines behind this token."""
    found: list[int] = []
    while True:
        page = local.call("Event.read", {"topics": ["vm.#"], "after": after, "limit": 100})
        if not page["items"]:
            return found
        found += [item["sequence"] for item in page["items"]]
        after = page["resume"]


@pytest.mark.timeout(400)
def test_f18_who_never_reads_is_bounded_and_sent_away_and_comes_back_without_a_gap(vdsmd: StartVdsmd) -> None:
    """One over each door hears one record and then reads nothing, while records go on; others are answered and told all the while."""
    daemon = vdsmd(hypervisor="simulator:1")
    assert daemon.port is not None
    with calling(daemon) as local, ExitStack() as opened:
        local.await_(lambda: local.condition("virt") == "ready", "the worker is ready")
        (vm,) = local.states()
        begin = local.call("Event.read", {"topics": ["vm.#"]})["resume"]
        never = {name: opened.enter_context(Follower(door, daemon.port, daemon.socket, buffer=4096)) for name, door in DOORS.items()}
        reader = opened.enter_context(Follower(DOORS["json"], daemon.port, daemon.socket))
        for each in (*never.values(), reader):
            each.await_begun()
        local.call("VM.update", {"vmId": vm, "config": {"metadata": {"first": "1"}}})
        for each in never.values():
            each.await_token()
        for number in range(MOST_UPDATES):
            update(local, vm, number)
            if number % 10 == 0 and len([octets for octets in unread(local) if octets >= BOUND_OCTETS - 1]) == len(DOORS):
                break
        else:
            raise AssertionError(f"not all are full: {unread(local)}")
        full_at, before = time.monotonic(), rss_kib(daemon.front)
        for number in range(MORE_UPDATES):
            update(local, vm, number)
        assert max(unread(local)) < BOUND_OCTETS + RECORD_OCTETS
        assert rss_kib(daemon.front) - before < ROOM_MIB * 1024
        assert figure(daemon.socket, "libvdsm_subscription_lag") >= MORE_UPDATES
        told = records(local, begin)
        reader.await_record(told[-1])
        assert reader.sequences() == told[told.index(reader.sequences()[0]) :]
        local.await_(lambda: not unread(local), "all are gone", FULL_S + SLACK_S)
        assert figure(daemon.socket, "libvdsm_listener_events_total", event="slow_readers") == len(DOORS)
        assert time.monotonic() - full_at > FULL_S / 2  # they had time
        for name, each in never.items():
            token = each.tokens()[0]
            with Follower(DOORS[name], daemon.port, daemon.socket, after=token) as again:
                again.await_record(told[-1])
                assert again.sequences() == [number for number in told if number > int(token.rpartition(b"-")[2])], name
