"""Whatever is counted of STOMP does happen, and is counted when it does: operators read it at ``/metrics``."""

from __future__ import annotations

from dataclasses import asdict

from tests.fakes.stomp_peer import World


def test_every_counter_counts() -> None:
    world = World()
    counted = world.endpoint.counters
    assert set(asdict(counted).values()) == {0}
    peer = world.connected()
    peer.send("SEND", ("destination", "/queue/a"), body=b"x")
    peer.send("SEND", ("destination", "/exchange/requests"), body=b"call")  # with no place for the answer
    assert (counted.sessions, counted.messages, counted.requests, counted.dropped_answers) == (1, 1, 1, 1)
    peer.send("SEND", body=b"nowhere")
    assert counted.errors == 1
    stranger = world.peer()
    stranger.send("CONNECT", ("accept-version", "1.2"), ("passcode", "wrong"))
    assert (counted.refused_logins, counted.errors) == (1, 2)
    silent = world.peer()
    silent.send("CONNECT", ("accept-version", "1.2"), ("heart-beat", "1000,0"))
    world.clock.advance(3.0)
    assert counted.lost_peers == 1
    old = world.peer()
    old.send("CONNECT", ("accept-version", "1.2"), ("host", "null"))
    old.send("SUBSCRIBE", ("destination", "jms.queue.events"), ("id", "e"))
    assert counted.legacy_peers == 1
    assert min(asdict(counted).values()) > 0
