"""What a flood by one client does to another's pings: their p99 quiet and under flood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.flood import flooding, ping_politely

if TYPE_CHECKING:
    from tests.daemon_process import VdsmdProcess

CONNECTIONS = 50
_PINGS = 500
_LONGEST_S = 30


def measure(daemon: VdsmdProcess) -> dict[str, float]:
    """In milliseconds; the ratio is that of the p99."""
    assert daemon.port is not None
    quiet = ping_politely(daemon.socket, _PINGS)
    with flooding(daemon.port, "pings", connections=CONNECTIONS, seconds=_LONGEST_S):
        busy = ping_politely(daemon.socket, _PINGS)
    return {
        "connections": CONNECTIONS,
        "quiet_p50_ms": round(quiet.p50, 3),
        "quiet_p99_ms": round(quiet.p99, 3),
        "flood_p50_ms": round(busy.p50, 3),
        "flood_p99_ms": round(busy.p99, 3),
        "ratio": round(busy.p99 / quiet.p99, 2),
    }


def report(figures: dict[str, float]) -> list[str]:
    """Its line of the table."""
    f = figures
    beside = (
        f"p50 {f['quiet_p50_ms']:.2f}, p99 {f['quiet_p99_ms']:.2f} ms quiet; p50 {f['flood_p50_ms']:.2f}, p99 {f['flood_p99_ms']:.2f} ms"
    )
    return [f"ping beside a flood of {f['connections']:.0f} connections: {beside}, {f['ratio']:.2f} times (≤ 2)"]
